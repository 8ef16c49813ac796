"""The spacing of a DICOM picture's pixels, in mm, or that it is not known."""

from __future__ import annotations

from pydicom import Dataset

from spine.dicom.headers import macro
from spine.dicom.values import Header
from spine.problems import SpineError

__all__ = ["pixel_spacing", "spacing_of"]

_LEAST, _MOST = 1e-5, 1e3  # mm; what lies beyond is no distance of two pixels


def pixel_spacing(dataset: Dataset, frame: int = 0) -> tuple[float, float] | None:
    """(y, x) in mm: PixelSpacing, else ImagerPixelSpacing (at the detector, PS3.3 10.7.1.3); None if neither."""
    return spacing_of(Header.of(dataset), frame)


def spacing_of(header: Header, frame: int = 0) -> tuple[float, float] | None:
    """As `pixel_spacing`; a remark tells of each that is stated and is no spacing."""
    measures = header.item(macro(header.dataset, "PixelMeasuresSequence", frame))
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        for place in (measures, header):
            if (values := _spacing(place, keyword)) is not None:
                return values
    return None


def _spacing(place: Header, keyword: str) -> tuple[float, float] | None:
    try:
        values = place.numbers(keyword)
    except SpineError as error:
        place.remark(f"{str(error).partition(';')[0]}: this spacing was passed over")
        return None
    if len(values) == 2 and all(_LEAST <= value <= _MOST for value in values):
        return values[0], values[1]
    if values:
        place.remark(
            f"{keyword} is {place.quote(keyword)}, which is no spacing of rows and columns: it was passed over"
        )
    return None
