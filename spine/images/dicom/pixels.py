"""A DICOM dataset -> grey frames as 16-bit numbers, through the standard's grey pipeline (PS3.3 C.7.6.3, PS3.4 N.2).

Stored values pass the modality LUT (or rescale slope and intercept), then the VOI LUT or window that was asked for, and
MONOCHROME1 is inverted, so that large is bright. What comes out:

    with a window          its output range is 0..65535 (PS3.3 C.11.2.1.2 leaves the range to the reader)
    with a VOI LUT         the table's own values
    floating-point pixels  by the range of the file, `scaling` leading back
    with neither           the modality's values, rounded; where they can be negative, plus a fixed 32768
    of a slope below 1     or one that leads beyond 16 bits, where rounding would lose grey levels: with neither, the
                           stored values, turned by a negative slope and shifted likewise, `scaling` leading back
    colour                 luma of ITU-R BT.601, 8-bit values stay 0..255, whatever window was asked for
    pixels outside         the image (PixelPaddingValue) are the darkest: 0; of shifted values the least measured one

Nothing measured depends on a slice's own least or greatest value: slices of a series stay comparable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydicom import Dataset

from spine.core.problems import SpineError
from spine.images.dicom.floats import float_frames, is_floating
from spine.images.dicom.headers import frame_count
from spine.images.dicom.image import spacing_of
from spine.images.dicom.levels import Levels, luma
from spine.images.dicom.stored import Layout, decode_frames, is_padding, read_layout
from spine.images.dicom.tables import apply_palette, read_table
from spine.images.dicom.values import Header
from spine.images.dicom.windows import View, WindowChoice, choose_view
from spine.images.scaling import FULL, Scaling, shift_of

__all__ = ["Clipped", "Frame", "iterate_frames"]


@dataclass(frozen=True)
class Clipped:
    """How many of `pixels` (padding left out) lie below and above what a window or LUT tells apart."""

    below: int = 0
    above: int = 0
    pixels: int = 0


@dataclass(frozen=True)
class Frame:
    """One frame: `pixels` (H, W) uint16, `spacing` (y, x) in mm or None, and a `note` on what its values mean.

    `view` names the window or LUT that was used, "" for none. `remarks` are what bends the standard in the file's
    header and was read as it can only be meant: those of all frames until this one.
    `scaling` leads back to the measured values, where it is known and they are not the pixels themselves.
    """

    pixels: np.ndarray
    spacing: tuple[float, float] | None
    note: str
    view: str = ""
    clipped: Clipped = Clipped()
    remarks: tuple[str, ...] = ()
    scaling: Scaling | None = None


@dataclass(frozen=True)
class _Values:
    """Values of a frame's levels, (N,) float64; the least and greatest there can be; notes on them; their shift.

    A measured value is value * `scale` + `offset` of those without the shift.
    """

    array: np.ndarray
    limits: tuple[float, float]
    notes: tuple[str, ...] = ()
    shift: int = 0
    scale: float = 1.0
    offset: float = 0.0


def iterate_frames(
    dataset: Dataset, indices: Sequence[int] | None = None, window: WindowChoice = "file"
) -> Iterator[Frame]:
    """Decode the frames of the 0-based `indices` (None: all) one by one, in that order.

    `window` is what becomes black and white, as `spine.images.dicom.windows` tells. Raises SpineError, without the
    file's path, where the pixel data is missing, truncated, or of an unknown codec, the header does not hold, or the
    file lacks the window.
    """
    if is_floating(dataset):
        yield from _floating(dataset, indices)
        return
    header = Header.of(dataset)
    layout = read_layout(header)
    chosen = range(layout.frames) if indices is None else list(indices)
    for index, raw in zip(chosen, decode_frames(header, layout, chosen), strict=True):
        if header.text("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2"):
            yield _grey(raw, header, layout, index, window)
        else:
            yield _colour(raw, header, layout, index, window)


def _floating(dataset: Dataset, indices: Sequence[int] | None) -> Iterator[Frame]:
    header = Header.of(dataset)
    chosen = list(range(frame_count(header)) if indices is None else indices)
    for index, (pixels, scaling, remark) in zip(chosen, float_frames(header, chosen), strict=True):
        remarks = (*header.remarks, *([remark] if remark else []))
        yield Frame(pixels, spacing_of(header, index), str(scaling or ""), remarks=remarks, scaling=scaling)


def _colour(raw: np.ndarray, header: Header, layout: Layout, index: int, window: WindowChoice) -> Frame:
    if window not in ("file", "none"):
        header.remark("it is a picture in colour, to which no window applies")
    if layout.allocated > 16:
        raise SpineError(f"the colours have {layout.allocated} bits, where 8 and 16 can be read; convert it")
    if raw.ndim == 3:
        pixels = luma(raw)
    else:
        levels = Levels.of(raw)
        pixels = levels.paint(raw, luma(apply_palette(levels.values, header, layout.limits)))
    spacing = spacing_of(header, index)
    return Frame(pixels, spacing, "", remarks=tuple(header.remarks))


def _grey(raw: np.ndarray, header: Header, layout: Layout, index: int, window: WindowChoice) -> Frame:
    levels = Levels.of(raw)
    _remark_on_colours(levels, header)
    outside = is_padding(levels.values, header, layout)
    measured = _modality(levels.values, header, layout, index)
    voi = header.macro("FrameVOILUTSequence", index)
    view = choose_view(header, voi, window, measured.limits)
    shown = _viewed(measured, view) if view else _fitted(levels.values, measured, header, layout, index)
    values = shown.array
    if header.text("PhotometricInterpretation") == "MONOCHROME1":
        values = np.clip(sum(shown.limits) - values, 0, FULL)
    values = np.where(outside, _darkest(values, outside, shown), values)
    return Frame(
        levels.paint(raw, values),
        spacing_of(header, index),
        "; ".join(shown.notes),
        view.name if view else "",
        _clipped(measured, levels.counts * ~outside, view, layout) if view else Clipped(),
        tuple(header.remarks),
        None if view or header.text("PhotometricInterpretation") == "MONOCHROME1" else _way_back(shown),
    )


def _way_back(shown: _Values) -> Scaling | None:
    scaling = Scaling(shown.scale, shown.offset - shown.scale * shown.shift)
    return None if scaling == Scaling(1.0, 0.0) else scaling


def _modality(stored: np.ndarray, header: Header, layout: Layout, index: int) -> _Values:
    """The modality's values, and the least and greatest that the stored bits allow."""
    if items := header.items("ModalityLUTSequence"):
        table = read_table(items[0], layout.limits)
        return _Values(table(stored), (0.0, table.top))
    slope, intercept = _rescale(header, index)
    low, high = sorted(slope * limit + intercept for limit in layout.limits)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise SpineError(f"its rescale slope {slope:g} and intercept {intercept:g} lead beyond all numbers")
    return _Values(stored * slope + intercept, (low, high))


def _rescale(header: Header, index: int) -> tuple[float, float]:
    transformation = header.macro("PixelValueTransformationSequence", index)
    slope, intercept = transformation.number("RescaleSlope", 1.0), transformation.number("RescaleIntercept", 0.0)
    if slope == 0:
        header.remark("RescaleSlope is 0, with which every pixel would be the same: 1 was taken")
    return slope or 1.0, intercept


def _viewed(measured: _Values, view: View) -> _Values:
    return _Values(view.way(measured.array), (0.0, view.way.top), (view.name,))


def _fitted(stored: np.ndarray, measured: _Values, header: Header, layout: Layout, index: int) -> _Values:
    """Values without a window: as they are or shifted, else the stored values."""
    if header.items("ModalityLUTSequence"):
        return measured
    slope, intercept = _rescale(header, index)
    if abs(slope) >= 1 and (fitted := _shifted(measured)):
        return fitted
    sign = np.sign(slope)
    low, high = sorted(sign * limit for limit in layout.limits)
    unscaled = (f"rescale slope {slope:g} not applied",)
    fitted = _shifted(_Values(sign * stored, (low, high), unscaled, scale=abs(slope), offset=intercept))
    if fitted is None:
        raise SpineError(f"the values reach from {stored[0]} to {stored[-1]}; more than 16 bits hold")
    return fitted


def _shifted(values: _Values) -> _Values | None:
    """Values where 16 bits hold them, shifted where they can be negative; None where they do not."""
    shift = shift_of(values.array.min(), values.array.max(), signed=values.limits[0] < 0)
    if shift is None:
        return None
    low, high = (min(max(limit + shift, 0), FULL) for limit in values.limits)
    notes = (*values.notes, *([f"values shifted by {shift}"] if shift else []))
    return replace(values, array=values.array + shift, limits=(low, high), notes=notes, shift=shift)


def _darkest(values: np.ndarray, outside: np.ndarray, shown: _Values) -> float:
    """The grey of what lies outside the image; of shifted values, 0 would be far below all that was measured."""
    return values[~outside].min() if shown.shift and not outside.all() else 0.0


def _clipped(measured: _Values, counts: np.ndarray, view: View, layout: Layout) -> Clipped:
    """What lies more than half a stored unit outside: windows are written rounded, and 0 in one from 0.05 on is 0."""
    slack = (measured.limits[1] - measured.limits[0]) / (2**layout.stored - 1) / 2
    low, high = view.ends
    below, above = measured.array < low - slack, measured.array > high + slack
    return Clipped(int(counts[below].sum()), int(counts[above].sum()), int(counts.sum()))


def _remark_on_colours(levels: Levels, header: Header) -> None:
    """Of a supplemental palette (PS3.3 C.7.6.19) values from its first one on are colours; those below are grey."""
    words = header.words("RedPaletteColorLookupTableDescriptor")
    if len(words) == 3 and levels.values[-1] >= int(words[1]):
        header.remark(f"values from {words[1]} on are colours of a supplemental palette, and were taken for grey")
