"""What a source says about its images: boxes, labels and masks, one reader and one writer a format."""

from spine.annotations.types import Annotation, Box, Reading

__all__ = ["Annotation", "Box", "Reading"]
