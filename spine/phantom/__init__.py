"""Generated spine studies: DICOM series with masks, boxes and grades, the data that ships with the project."""

from __future__ import annotations

from pathlib import Path

from spine.phantom.settings import (
    AnySettings,
    CervicalSettings,
    FractureSettings,
    ImplantSettings,
    KindSettings,
    PhantomSettings,
)

__all__ = [
    "AnySettings",
    "CervicalSettings",
    "FractureSettings",
    "ImplantSettings",
    "KindSettings",
    "PhantomSettings",
    "generate",
]


def generate(settings: KindSettings, directory: Path) -> Path:
    """Write the studies that `settings` ask for into `directory`, as `study` of their kind tells; it is returned.

    Equal settings give equal bytes. An unchanged copy is kept, a damaged or other phantom is replaced; SpineError where
    the directory holds anything else.
    """
    from spine.phantom.store import write_phantom  # OpenCV and pydicom; the settings alone need neither

    return write_phantom(settings, directory)
