"""The spacing of a DICOM picture's pixels, in mm, or that it is not known."""

from __future__ import annotations

from collections.abc import Sequence

from spine.dicom.values import Header

__all__ = ["spacing_of"]

_LEAST, _MOST = 1e-5, 1e3  # mm; what lies beyond is no distance of two pixels


def spacing_of(header: Header, frame: int = 0) -> tuple[float, float] | None:
    """(y, x) in mm: PixelSpacing, else ImagerPixelSpacing (at the detector, PS3.3 10.7.1.3); None if neither.

    A remark tells of each that is stated and is no spacing.
    """
    measures = header.macro("PixelMeasuresSequence", frame)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        for place in (measures, header):
            if values := place.known(keyword, _is_spacing, "is no spacing of rows and columns"):
                return values[0], values[1]
    return None


def _is_spacing(values: Sequence[float]) -> bool:
    return len(values) == 2 and all(_LEAST <= value <= _MOST for value in values)
