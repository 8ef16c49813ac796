"""The standard's grey pipeline once more, in NumPy alone: what a DICOM frame's values should be.

PS3.3 C.7.6.3.1 (photometric interpretation, palettes), C.11.1 (modality LUT), C.11.2 (VOI LUT, window), C.7.5.1.1.2
(padding), C.7.6.16 (functional groups), C.7.9.2 (segmented palettes). How large 16-bit numbers are made of them is
docs/data.md's: a window spans 0..65535, values without one stay as measured, plus 32768 where they can be negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset

__all__ = ["expected"]

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_COLOURS = ("Red", "Green", "Blue")


def expected(dataset: Dataset, raw: np.ndarray, photometric: str, frame: int) -> np.ndarray:
    """(H, W) of one decoded frame, the stored values (H, W) or (H, W, 3) as the codec gives them."""
    if photometric == "PALETTE COLOR":
        return np.rint(np.stack([_palette(dataset, raw, colour) for colour in _COLOURS], -1) @ _LUMA)
    if raw.ndim == 3:
        return np.rint(_rgb(raw, photometric) @ _LUMA)
    return np.rint(_grey(dataset, raw, photometric, frame))


def _rgb(raw: np.ndarray, photometric: str) -> np.ndarray:
    """YBR_FULL to whole RGB by C.7.6.3.1.2; RGB as it is."""
    if not photometric.startswith("YBR_FULL"):
        return raw.astype(np.float64)
    y, blue, red = (raw[..., k].astype(np.float64) - (128 if k else 0) for k in range(3))
    colour = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], -1)
    return np.clip(np.floor(colour + 0.5), 0, 255)


def _palette(dataset: Dataset, raw: np.ndarray, colour: str) -> np.ndarray:
    """One colour of each index: in words, or in bytes, which may share words; beyond the table its first or last."""
    entries, first, _ = dataset[f"{colour}PaletteColorLookupTableDescriptor"].value
    entries = entries or 2**16
    words = "<u2" if dataset.original_encoding[1] else ">u2"
    if f"Segmented{colour}PaletteColorLookupTableData" in dataset:
        data = dataset[f"Segmented{colour}PaletteColorLookupTableData"].value
        table = np.array(_expanded(np.frombuffer(data, words).tolist()), np.float64)
    else:
        data = dataset[f"{colour}PaletteColorLookupTableData"].value
        table = np.frombuffer(data, np.uint8 if len(data) < 2 * entries else words).astype(np.float64)
    return table[np.clip(raw.astype(np.int64) - first, 0, entries - 1)]


def _expanded(words: Sequence[int], start: int = 0, segments: int = 2**32, before: Sequence[int] = ()) -> list[float]:
    """The values of segments: 0 tells them, 1 goes to its value on a line, 2 tells earlier segments again."""
    values: list[float] = []
    while start < len(words) - 1 and segments:
        kind, count, segments = words[start], words[start + 1], segments - 1
        if kind == 0:
            values += words[start + 2 : start + 2 + count]
            start += 2 + count
        elif kind == 1:
            last = values[-1] if values else before[-1]
            values += np.rint(np.linspace(last, words[start + 2], count + 1)[1:]).tolist()
            start += 3
        else:
            offset = words[start + 2] | words[start + 3] << 16
            values += _expanded(words, offset // 2, count, values)
            start += 4
    return values


def _grey(dataset: Dataset, raw: np.ndarray, photometric: str, frame: int) -> np.ndarray:
    """Modality LUT or rescale; then VOI LUT, the first window, or neither; MONOCHROME1 is turned over."""
    stored, limits = raw.astype(np.float64), _stored_limits(dataset)
    slope, intercept = _rescale(dataset, frame)
    tables = dataset.get("ModalityLUTSequence")
    measured = _looked_up(tables[0], stored) if tables else stored * slope + intercept
    span = _span(tables[0]) if tables else tuple(sorted(limit * slope + intercept for limit in limits))
    voi = _holding(dataset, "FrameVOILUTSequence", frame)
    if voi.get("VOILUTSequence"):
        values, span = _looked_up(voi.VOILUTSequence[0], measured), _span(voi.VOILUTSequence[0])
    elif (width := _first(voi.get("WindowWidth"))) > 0:
        values, span = _window(measured, _first(voi.WindowCenter), width), (0.0, 65535.0)
    else:
        if not tables and abs(slope) < 1:  # whole numbers of it would be too few
            measured, span = stored, limits
        shift = 32768 if span[0] < 0 else 0
        values, span = measured + shift, tuple(min(max(limit + shift, 0), 65535) for limit in span)
    return np.clip(sum(span) - values if photometric == "MONOCHROME1" else values, 0, 65535)


def _stored_limits(dataset: Dataset) -> tuple[float, float]:
    bits = dataset.BitsStored
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0.0, 2.0**bits - 1)


def _rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    item = _holding(dataset, "PixelValueTransformationSequence", frame)
    return float(item.get("RescaleSlope") or 1), float(item.get("RescaleIntercept") or 0)


def _holding(dataset: Dataset, keyword: str, frame: int) -> Dataset:
    """Of an enhanced object the item that holds for a frame, of another one the object itself."""
    groups = [*(dataset.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]]
    groups += (dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    return next((group[keyword].value[0] for group in groups if keyword in group), dataset)


def _first(value: object) -> float:
    """The first of one or several numbers, 0 for none."""
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return float(several[0] or 0) if len(several) else 0.0


def _looked_up(table: Dataset, values: np.ndarray) -> np.ndarray:
    """C.11.1.1.1: below the first mapped value the first entry, beyond the last the last."""
    entries, start, _ = table.LUTDescriptor
    data = np.frombuffer(table.LUTData, "<u2") if isinstance(table.LUTData, bytes) else np.array(table.LUTData)
    return data[np.clip(np.rint(values).astype(np.int64) - start, 0, (entries or 2**16) - 1)].astype(np.float64)


def _span(table: Dataset) -> tuple[float, float]:
    return 0.0, 2.0 ** table.LUTDescriptor[2] - 1


def _window(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """C.11.2.1.2, the output range being 0..65535."""
    if width <= 1:
        return np.where(values <= centre - 0.5, 0.0, 65535.0)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 65535
