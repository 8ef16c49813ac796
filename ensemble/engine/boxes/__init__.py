"""Weighted boxes fusion and its metrics for many weight vectors."""
