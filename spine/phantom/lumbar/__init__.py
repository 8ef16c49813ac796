"""Lumbar sagittal MR: bodies, discs and canal with masks, boxes and grades of discs."""
