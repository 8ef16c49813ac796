"""Scores of many weight vectors at once."""
