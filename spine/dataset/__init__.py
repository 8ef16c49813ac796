"""A dataset: its manifest, its splits, its truth and its audit."""
