"""Generated spine studies: DICOM series with masks, boxes and grades, the data that ships with the project."""

from spine.phantom.settings import PhantomSettings
from spine.phantom.study import generate

__all__ = ["PhantomSettings", "generate"]
