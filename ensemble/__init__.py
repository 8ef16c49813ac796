"""Fuse members into a weighted-average ensemble: predict, search, export, evaluate, report."""
