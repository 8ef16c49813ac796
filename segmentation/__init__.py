"""Segmentation members: a class for every pixel."""
