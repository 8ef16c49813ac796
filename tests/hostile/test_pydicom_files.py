"""pydicom's 244 test files as one tree: values against the standard's grey pipeline, written again here in NumPy.

176 files come with pydicom and 68 with pydicom-data. Eleven more are fetched from the internet by pydicom on first use
(urls.json less what pydicom-data holds): they are not here, and nothing is fetched.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import get_decoder

import data_store
from spine.reading import read_images

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
OF_DATA = Path(data_store.__file__).parent / "data"
NO_IMAGE: dict[str, str] = {}
REFUSED: dict[str, str] = {}


def all_files() -> list[Path]:
    """Every file of both packages."""
    return sorted(file for root in (BUNDLED, OF_DATA) for file in root.rglob("*") if is_data(file))


def is_data(file: Path) -> bool:
    return file.is_file() and file.suffix not in (".py", ".pyc")


# ---- the grey pipeline of PS3.3 C.7.6.3, C.11 and PS3.4 N.2, with numpy alone ----


def expected(dataset: Dataset, raw: np.ndarray, photometric: str, frame: int) -> np.ndarray:
    """(H, W) float64 of one decoded frame: what the reader's values should be, before they are rounded."""
    if photometric == "PALETTE COLOR":
        return np.rint(luma(np.stack([palette(dataset, raw, colour) for colour in ("Red", "Green", "Blue")], -1)))
    if raw.ndim == 3:
        return np.rint(luma(rgb(raw, photometric)))
    return np.rint(grey(dataset, raw, photometric, frame))


def luma(colour: np.ndarray) -> np.ndarray:
    """ITU-R BT.601."""
    return colour.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def rgb(raw: np.ndarray, photometric: str) -> np.ndarray:
    """YBR_FULL to RGB as PS3.3 C.7.6.3.1.2 has it; RGB as it is."""
    if not photometric.startswith("YBR_FULL"):
        return raw
    y, blue, red = (raw[..., k].astype(np.float64) - (128 if k else 0) for k in range(3))
    colour = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], -1)
    return np.clip(np.floor(colour + 0.5), 0, 255)


def palette(dataset: Dataset, raw: np.ndarray, colour: str) -> np.ndarray:
    """One colour of each index (C.7.6.3.1.5, C.7.6.3.1.6): words, or bytes in words, from the first index on."""
    entries, first, bits = dataset[f"{colour}PaletteColorLookupTableDescriptor"].value
    data = dataset[f"{colour}PaletteColorLookupTableData"].value
    entries = entries or 2**16
    order = "<" if dataset.original_encoding[1] else ">"
    table = np.frombuffer(data, np.uint8 if len(data) < 2 * entries else f"{order}u2")[:entries]
    return table[np.clip(raw.astype(np.int64) - first, 0, entries - 1)]


def grey(dataset: Dataset, raw: np.ndarray, photometric: str, frame: int) -> np.ndarray:
    """Modality LUT or rescale; VOI LUT, the first window, or neither; MONOCHROME1 turned over; padding black."""
    stored, limits = raw.astype(np.float64), stored_limits(dataset)
    slope, intercept = (float(x) for x in rescale(dataset, frame))
    tables = dataset.get("ModalityLUTSequence")
    measured = table_values(tables[0], stored) if tables else stored * slope + intercept
    span = (
        (0.0, 2.0 ** tables[0].LUTDescriptor[2] - 1)
        if tables
        else sorted(limit * slope + intercept for limit in limits)
    )
    voi = frame_item(dataset, "FrameVOILUTSequence", frame)
    if voi.get("VOILUTSequence"):
        values, span = (
            table_values(voi.VOILUTSequence[0], measured),
            (0.0, 2.0 ** voi.VOILUTSequence[0].LUTDescriptor[2] - 1),
        )
    elif first(voi.get("WindowWidth")) and first(voi.get("WindowWidth")) > 0:
        values, span = window(measured, first(voi.WindowCenter), first(voi.WindowWidth)), (0.0, 65535.0)
    else:
        if not tables and abs(slope) < 1:
            measured, span = stored, limits
        shift = 32768 if span[0] < 0 else 0
        values, span = measured + shift, [min(max(limit + shift, 0), 65535) for limit in span]
    values = span[0] + span[1] - values if photometric == "MONOCHROME1" else values
    return np.clip(values, 0, 65535)


def stored_limits(dataset: Dataset) -> tuple[int, int]:
    bits = dataset.BitsStored
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)


def rescale(dataset: Dataset, frame: int) -> tuple[float, float]:
    item = frame_item(dataset, "PixelValueTransformationSequence", frame)
    return item.get("RescaleSlope") or 1, item.get("RescaleIntercept") or 0


def frame_item(dataset: Dataset, keyword: str, frame: int) -> Dataset:
    """Of an enhanced object what holds for a frame (C.7.6.16), of others the object itself."""
    groups = [*(dataset.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]]
    groups += (dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
    return next((group[keyword].value[0] for group in groups if group.get(keyword)), dataset)


def first(value) -> float | None:
    if value in (None, ""):
        return None
    return float(value if np.isscalar(value) or not hasattr(value, "__len__") else value[0])


def table_values(table: Dataset, values: np.ndarray) -> np.ndarray:
    """C.11.1.1.1: below the first mapped value the first entry, beyond the last the last."""
    entries, start, bits = table.LUTDescriptor
    data = np.frombuffer(table.LUTData, "<u2") if isinstance(table.LUTData, bytes) else np.array(table.LUTData)
    index = np.clip(np.rint(values).astype(np.int64) - start, 0, (entries or 2**16) - 1)
    return data[index].astype(np.float64)


def window(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """C.11.2.1.2, the output range being 0..65535."""
    if width <= 1:
        return np.where(values <= centre - 0.5, 0.0, 65535.0)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 65535


# ---- the tree ----


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pydicom")
    for package, folder in (("bundled", BUNDLED), ("data", OF_DATA)):
        for file in (path for path in folder.rglob("*") if is_data(path)):
            place = root / package / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file)
    return root
