"""An experiment: its settings, its folds, and its members beside them."""
