"""NRRD (.nrrd, .nhdr): lines of `field: value`, an empty line, and the voxels, there or in a file beside it.

Source: the format's definition, https://teem.sourceforge.net/nrrd/format.html
Read here: pynrrd opens whatever path a header names, and unpacks without bound.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spine.core.numbers import finite, whole
from spine.core.problems import SpineError
from spine.images.decoders.grid import Fields, Grid, Stored, beside, read_text_grid, require_one_file

__all__ = ["MAGIC", "read_grid"]

MAGIC = b"NRRD"

_NAMES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPES = {name: kind for kind, names in _NAMES.items() for name in names}
_PACKINGS = {"raw": "", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
# Where x and y lead in each space; what else there is, is taken to lead left and posterior, as ITK takes it.
_SPACES = {
    **{"right-anterior-superior": (-1, -1), "ras": (-1, -1), "left-anterior-superior": (1, -1), "las": (1, -1)},
}
_OTHER_NAMES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}
_VECTOR = re.compile(r"\(([^()]*)\)|none")
_HEADER = 2**18  # bytes that a header may have


def read_grid(path: Path) -> Grid:
    """The grid of a NRRD; SpineError where its header is not one, or states what cannot be read as grey."""
    return read_text_grid(path, _HEADER, _fields, _grid)


def _fields(head: bytes, path: Path) -> tuple[Fields, int]:
    """Field -> value, and where the header ends: after its empty line, or with the file."""
    lines = io.BytesIO(head)
    lines.readline()  # the magic
    fields: Fields = {}
    for raw in lines:
        line = raw.decode("latin-1").strip()
        if not line:
            break
        if line.startswith("#") or ":=" in line:
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        name = _OTHER_NAMES.get(name, name)
        if name in fields:
            raise SpineError(f"{path} states {name!r} twice; fix its header")
        fields[name] = value.strip()
    return fields, lines.tell()


def _grid(path: Path, fields: Mapping[str, str], end: int) -> Grid:
    axes = whole(_needed(fields, "dimension"))
    size = tuple(whole(part) for part in _needed(fields, "sizes").split())
    if axes != len(size):
        raise ValueError(f"states {axes} axes and {len(size)} lengths")
    kind = _needed(fields, "type").lower()
    if kind not in _TYPES:
        raise ValueError(f"states the type {kind[:40]!r}; whole numbers and floats of 8 to 64 bits can be read")
    dtype = np.dtype(_TYPES[kind])
    if dtype.itemsize > 1:
        order = "<" if _one_of(fields, "endian", ("little", "big")) == "little" else ">"
        dtype = np.dtype(order + _TYPES[kind])
    steps = _steps(fields) if axes == 3 else np.eye(3)
    return Grid(path, size, dtype, steps, _stored(path, fields, end))


def _steps(fields: Mapping[str, str]) -> np.ndarray:
    if "space directions" not in fields:
        parts = fields.get("spacings", "1 1 1").split()
        spacing = [1.0 if part.lower() == "nan" else finite(part) for part in parts]
        if len(spacing) != 3:
            raise ValueError(f"states {len(spacing)} spacings for three axes")
        return np.diag(spacing)
    found = [match[1] for match in _VECTOR.finditer(fields["space directions"])]
    if len(found) != 3 or None in found:
        raise ValueError(f"states the directions {fields['space directions'][:80]!r} for three axes of a volume")
    columns = [[finite(part) for part in vector.split(",")] for vector in found]
    if any(len(column) != 3 for column in columns):
        raise ValueError(f"states the directions {fields['space directions'][:80]!r}, which are not of three numbers")
    x, y = _SPACES.get(fields.get("space", "").lower(), (1, 1))
    return np.diag([x, y, 1.0]) @ np.array(columns).T


def _stored(path: Path, fields: Mapping[str, str], end: int) -> Stored:
    packing = _PACKINGS[_one_of(fields, "encoding", tuple(_PACKINGS))]
    lines, skip = whole(fields.get("line skip", "0")), whole(fields.get("byte skip", "0"))
    if not 0 <= lines <= 1000 or skip < (0 if packing else -1):
        raise ValueError(f"states a line skip of {lines} and a byte skip of {skip}")
    name = fields.get("data file")
    if name is None:
        file, start = path, end
    else:
        require_one_file(name)
        file, start = beside(path, name.removeprefix("./")), 0
    # Lines are skipped before unpacking, bytes after it.
    if packing:
        return Stored(file, packing, start, skip, lines)
    return Stored(file, "", skip if skip < 0 else start, max(skip, 0), lines)


def _needed(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise ValueError(f"lacks {name!r}")
    return fields[name]


def _one_of(fields: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    value = _needed(fields, name).lower()
    if value not in known:
        raise ValueError(f"states {name} {value[:40]!r}; {', '.join(known)} can be read")
    return value
