"""Faster R-CNN on Model Garden, trained on boxes and exported with its preprocessing inside."""
