"""The record of a search: the Optuna study, and where it lies."""
