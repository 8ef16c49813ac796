"""A DICOM dataset -> grey frames as 16-bit numbers, through the standard's grey pipeline (PS3.3 C.7.6.3, PS3.4 N.2).

Stored values pass the modality LUT (or rescale slope and intercept), then the VOI LUT or the first window, and
MONOCHROME1 is inverted, so that large is bright. What comes out:

    with a window          its output range is 0..65535 (PS3.3 C.11.2.1.2 leaves the range to the reader)
    with a VOI LUT         the table's own values
    with neither           the modality's values, rounded; where they can be negative, plus a fixed 32768
    slope below 1          no window: the stored values, since rounding would lose grey levels
    colour                 luma of ITU-R BT.601, 8-bit values stay 0..255

Nothing depends on a slice's own least or greatest value: slices of a series stay comparable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, iter_pixels

from spine.dicom.headers import frame_count, macro, quiet
from spine.problems import SpineError
from spine.whole import MAX_PIXELS

__all__ = ["SHIFT", "Frame", "apply_window", "grey_frames", "iterate_frames", "pixel_spacing"]

SHIFT = 32768
_FULL = 65535


@dataclass(frozen=True)
class Frame:
    """One frame: `pixels` (H, W) uint16, `spacing` (y, x) in mm or None, and a `note` on what its values mean."""

    pixels: np.ndarray
    spacing: tuple[float, float] | None
    note: str


def grey_frames(dataset: Dataset) -> np.ndarray:
    """All frames of a dataset as (F, H, W) uint16; SpineError where the pixel data cannot be decoded."""
    return np.stack([frame.pixels for frame in iterate_frames(dataset)])


def iterate_frames(dataset: Dataset, indices: Sequence[int] | None = None) -> Iterator[Frame]:
    """Decode the frames of the 0-based `indices` (None: all) one by one, in that order.

    Raises SpineError, without the file's path, where the pixel data is missing, truncated, or of an unknown codec.
    """
    chosen = range(frame_count(dataset)) if indices is None else indices
    for index, raw in zip(chosen, _decode(dataset, list(chosen)), strict=True):
        pixels, note = _grey(raw, dataset, index)
        yield Frame(pixels, pixel_spacing(dataset, index), note)


def pixel_spacing(dataset: Dataset, frame: int = 0) -> tuple[float, float] | None:
    """(y, x) in mm: PixelSpacing, else ImagerPixelSpacing (at the detector, PS3.3 10.7.1.3); None if neither."""
    measures = macro(dataset, "PixelMeasuresSequence", frame)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values = measures.get(keyword) or dataset.get(keyword)
        if values and len(values) == 2 and min(values) > 0:
            return float(values[0]), float(values[1])
    return None


def apply_window(values: np.ndarray, centre: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Map values through a window onto 0..65535 as float64: LINEAR, LINEAR_EXACT or SIGMOID of PS3.3 C.11.2.1."""
    values = np.asarray(values, np.float64)
    if function == "SIGMOID":
        return _FULL / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR" and width >= 1:
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return np.where(values <= centre, 0.0, _FULL)
    return np.clip((values - centre) / width + 0.5, 0, 1) * _FULL


def _decode(dataset: Dataset, indices: list[int]) -> Iterator[np.ndarray]:
    if "PixelData" not in dataset:
        raise SpineError(
            "the file holds no integer pixel data: it ends before its image, or stores a floating-point map"
        )
    if (rows := int(dataset.Rows)) * (columns := int(dataset.Columns)) > MAX_PIXELS:
        raise SpineError(f"a frame states {rows} x {columns} pixels, and {MAX_PIXELS:,} can be read")
    frames = iter_pixels(dataset, indices=indices)
    for _ in indices:
        try:
            with quiet():
                yield next(frames)
        except Exception as error:  # each codec fails in its own way
            raise SpineError(f"the {_syntax(dataset)} pixel data cannot be decoded ({_brief(error)})") from error


def _brief(error: Exception) -> str:
    return " ".join(str(error).replace(";", ",").split())[:200]


def _syntax(dataset: Dataset) -> str:
    return getattr(dataset.file_meta.get("TransferSyntaxUID"), "name", "unknown")


def _grey(raw: np.ndarray, dataset: Dataset, frame: int) -> tuple[np.ndarray, str]:
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _luma(apply_color_lut(raw, dataset)), ""
    if raw.ndim == 3:
        return _luma(raw), ""
    values, note = _grey_values(raw, dataset, frame)
    return np.rint(values).astype(np.uint16), note


def _luma(colour: np.ndarray) -> np.ndarray:
    if colour.dtype.itemsize > 2:
        raise SpineError(f"the colours have {8 * colour.dtype.itemsize} bits, where 8 and 16 can be read")
    return np.rint(colour[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint16)


def _grey_values(raw: np.ndarray, dataset: Dataset, frame: int) -> tuple[np.ndarray, str]:
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    values, limits = _modality(raw, dataset, frame)
    voi = macro(dataset, "FrameVOILUTSequence", frame)
    if tables := voi.get("VOILUTSequence"):
        values, limits, note = apply_voi(np.rint(values).astype(np.int32), voi), (0.0, _table_top(tables[0])), ""
    elif window := _window(voi):
        values, limits, note = apply_window(values, *window), (0.0, _FULL), ""
    else:
        values, limits, note = _fit(raw, values, limits, dataset, frame)
    return (np.clip(sum(limits) - values, 0, _FULL) if inverted else values), note


def _modality(raw: np.ndarray, dataset: Dataset, frame: int) -> tuple[np.ndarray, tuple[float, float]]:
    """The modality's values, and the least and greatest that the stored bits allow."""
    if tables := dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(raw, dataset), (0.0, _table_top(tables[0]))
    slope, intercept = _rescale(dataset, frame)
    low, high = sorted(slope * limit + intercept for limit in _stored_limits(dataset))
    return raw * slope + intercept, (low, high)


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    transformation = macro(dataset, "PixelValueTransformationSequence", frame)
    slope, intercept = (transformation.get(keyword) for keyword in ("RescaleSlope", "RescaleIntercept"))
    return float(slope or 1), float(intercept or 0)


def _stored_limits(dataset: Dataset) -> tuple[int, int]:
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)


def _table_top(table: Dataset) -> float:
    return float(2 ** int(table.LUTDescriptor[2]) - 1)


def _window(voi: Dataset) -> tuple[float, float, str] | None:
    centre, width = (_first(voi.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    return centre, width, voi.get("VOILUTFunction") or "LINEAR"


def _first(value) -> float | None:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return None if value in (None, "") else float(value)
    return float(value[0]) if len(value) else None


def _fit(raw: np.ndarray, values: np.ndarray, limits: tuple[float, float], dataset: Dataset, frame: int):
    """Values without a window, their limits and a note: as they are or shifted, else the stored values."""
    slope, _ = _rescale(dataset, frame)
    if "ModalityLUTSequence" in dataset or abs(slope) >= 1:
        fitted = _shift(values, limits)
        if fitted is not None:
            return fitted
    fitted = _shift(np.sign(slope) * raw, tuple(sorted(np.sign(slope) * limit for limit in _stored_limits(dataset))))
    if fitted is None:
        raise SpineError(f"the values reach from {values.min()} to {values.max()}; more than 16 bits hold")
    values, limits, note = fitted
    return values, limits, "; ".join(filter(None, [f"rescale slope {slope:g} not applied", note]))


def _shift(values: np.ndarray, limits: tuple[float, float]):
    shift = SHIFT if limits[0] < 0 else 0
    if values.min() + shift < 0 or values.max() + shift > _FULL:
        return None
    low, high = (min(max(limit + shift, 0), _FULL) for limit in limits)
    return values + shift, (low, high), f"values shifted by {shift}" if shift else ""
