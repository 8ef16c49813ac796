"""Pixels, patients, files and numbers: what every task shares. Knows no model, imports none of the task packages."""

__version__ = "0.1.0"
