"""MetaImage (.mha, .mhd) of ITK: lines of `Key = value`, and the voxels behind them or in a file beside them.

Read here: ITK opens whatever path a header names, and fills packed voxels that are damaged.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spine.core.numbers import finite, whole
from spine.core.problems import SpineError
from spine.images.decoders.grid import Fields, Grid, Stored, beside, read_text_grid, require_one_file

__all__ = ["MAGIC", "read_grid"]

MAGIC = (b"ObjectType", b"NDims")

_TYPES = {
    **{"MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4"},
    **{"MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8"},
    **{"MET_FLOAT": "f4", "MET_DOUBLE": "f8"},
}
_MATRIX, _SPACING = ("TransformMatrix", "Rotation", "Orientation"), ("ElementSpacing", "ElementSize")
_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_MILLIMETRES = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "um": 0.001}
_DATA = "ElementDataFile"
_HEADER = 2**16  # bytes that a header may have


def read_grid(path: Path) -> Grid:
    """The grid of a MetaImage; SpineError where its header is not one, or states what cannot be read as grey."""
    return read_text_grid(path, _HEADER, _fields, _grid)


def _fields(head: bytes, path: Path) -> tuple[Fields, int]:
    """Key -> value until the one that names the data, and where its line ends."""
    fields: Fields = {}
    lines = io.BytesIO(head)
    for line in lines:
        key, _, value = line.decode("latin-1").partition("=")
        key, value = key.strip(), value.strip()
        if key in fields:
            raise SpineError(f"{path} states {key} twice; fix its header")
        fields[key] = value
        if key == _DATA:
            return fields, lines.tell()
    raise SpineError(f"{path} is truncated or no MetaImage: its header names no {_DATA}; copy it again")


def _grid(path: Path, fields: Mapping[str, str], end: int) -> Grid:
    axes = whole(_needed(fields, "NDims"))
    size = tuple(whole(part) for part in _needed(fields, "DimSize").split())
    if (channels := whole(fields.get("ElementNumberOfChannels", "1"))) != 1:
        raise ValueError(f"states {channels} values a voxel, where one is a grey value")
    if axes != len(size):
        raise ValueError(f"states {axes} axes and {len(size)} lengths")
    kind = _needed(fields, "ElementType")
    if kind not in _TYPES:
        raise ValueError(f"states the type {kind[:40]!r}; {', '.join(_TYPES)} can be read")
    if _flag(fields, "BinaryData", default=True) is False:
        raise ValueError("states voxels written as text")
    order = ">" if any(_flag(fields, key) for key in _ORDER) else "<"
    steps = _steps(fields) if axes == 3 else np.eye(3)
    return Grid(path, size, np.dtype(order + _TYPES[kind]), steps, _stored(path, fields, end))


def _steps(fields: Mapping[str, str]) -> np.ndarray:
    matrix = _numbers(fields, _MATRIX, 9, "1 0 0 0 1 0 0 0 1").reshape(3, 3)
    spacing = _numbers(fields, _SPACING, 3, "1 1 1")
    units = fields.get("DistanceUnits", "mm").strip()
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError("states an axis of no direction")
    # Each row of the matrix is the direction of one axis.
    return (matrix / lengths).T * spacing * _MILLIMETRES.get(units, 1.0)


def _stored(path: Path, fields: Mapping[str, str], end: int) -> Stored:
    packing = "zlib" if _flag(fields, "CompressedData") else ""
    skip = whole(fields.get("HeaderSize", "0"))
    name = fields[_DATA]
    if name.upper() == "LOCAL":
        return Stored(path, packing, skip if skip < 0 and not packing else end)
    require_one_file(name)
    if skip < -1:
        raise ValueError(f"states HeaderSize {skip}")
    return Stored(beside(path, name), packing, skip)


def _needed(fields: Mapping[str, str], key: str) -> str:
    if key not in fields:
        raise ValueError(f"lacks {key}")
    return fields[key]


def _flag(fields: Mapping[str, str], key: str, default: bool = False) -> bool:
    return fields[key][:1].upper() in ("T", "1") if fields.get(key) else default


def _numbers(fields: Mapping[str, str], keys: tuple[str, ...], count: int, default: str) -> np.ndarray:
    key = next((key for key in keys if key in fields), keys[0])
    numbers = [finite(part) for part in fields.get(key, default).split()]
    if len(numbers) != count:
        raise ValueError(f"states {len(numbers)} numbers for {key}, where {count} are needed")
    return np.array(numbers)
