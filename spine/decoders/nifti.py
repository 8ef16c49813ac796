"""NIfTI-1 and NIfTI-2: one file (.nii, .nii.gz), or a header and its image (.hdr, .img). See nifti1.h and nifti2.h."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spine.decoders.grid import Grid, Stored, beside
from spine.problems import SpineError
from spine.whole import COPY_AGAIN, read_up_to, unpacking

__all__ = ["is_nifti", "read_grid"]

_TYPES = {
    **{2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"},
}
_NOT_GREY = {32: "complex", 128: "RGB", 1792: "complex", 2304: "RGBA", 1: "one-bit", 1536: "128-bit", 2048: "complex"}
_MILLIMETRES = {1: 1000.0, 3: 0.001}  # of a metre, a micrometre
_LENGTH = 540  # of the longer header
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class _Layout:
    """Where NIfTI-1 and NIfTI-2 keep the same fields: struct formats and byte offsets."""

    length: int
    dim: tuple[str, int]
    datatype: int
    pixdim: tuple[str, int]
    offset: tuple[str, int]
    scaling: tuple[str, int]
    codes: tuple[str, int]  # qform and sform
    quaternion: tuple[str, int]
    rows: tuple[str, int]
    units: tuple[str, int]
    magic: int


_LAYOUTS = (
    _Layout(
        348,
        ("8h", 40),
        70,
        ("8f", 76),
        ("f", 108),
        ("2f", 112),
        ("2h", 252),
        ("3f", 256),
        ("12f", 280),
        ("b", 123),
        344,
    ),
    _Layout(
        540, ("8q", 16), 12, ("8d", 104), ("q", 168), ("2d", 176), ("2i", 344), ("3d", 352), ("12d", 400), ("i", 500), 4
    ),
)


def is_nifti(head: bytes) -> bool:
    """Whether the first bytes of a file, unpacked, are those of a NIfTI header."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def read_grid(path: Path) -> Grid:
    """The grid of a NIfTI file; SpineError where its header is not one, or states what cannot be read as grey."""
    head, packed = _head(path)
    layout, order = _layout(head, path)

    def numbers(field: tuple[str, int]) -> tuple[Any, ...]:
        return struct.unpack_from(order + field[0], head, field[1])

    (code,) = struct.unpack_from(f"{order}h", head, layout.datatype)
    if code not in _TYPES:
        raise SpineError(
            f"{path} holds {_NOT_GREY.get(code, f'type {code}')} voxels; save one grey value a voxel, of 8 to 64 bits"
        )
    slope, intercept = numbers(layout.scaling)
    if not math.isfinite(slope) or slope == 0:  # the values are as stored
        slope, intercept = 1.0, 0.0
    return Grid(
        path,
        _size(numbers(layout.dim), path),
        np.dtype(order + _TYPES[code]),
        _steps(numbers, layout, path),
        _stored(path, head[layout.magic : layout.magic + 4], numbers(layout.offset)[0], layout.length, packed),
        slope,
        intercept,
    )


def _head(path: Path) -> tuple[bytes, bool]:
    """The first bytes, unpacked, and whether they were packed."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        return read_up_to(unpacking(file, "gzip") if packed else file, _LENGTH, path), packed


def _layout(head: bytes, path: Path) -> tuple[_Layout, str]:
    for layout in _LAYOUTS:
        for order in "<>":
            if head[:4] == struct.pack(f"{order}i", layout.length):
                if len(head) < layout.length:
                    raise SpineError(f"{path} is truncated: it ends within its header; {COPY_AGAIN}")
                if is_nifti(head):
                    return layout, order
                raise SpineError(f"{path} is Analyze 7.5, which does not tell left from right; convert it to NIfTI")
    raise SpineError(
        f"{path} is no NIfTI, MetaImage or NRRD volume, whatever its name says, or its header is damaged; {COPY_AGAIN}"
    )


def _size(dim: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """The axes' lengths, those of length 1 beyond the third left out."""
    if not 1 <= dim[0] <= 7:
        raise SpineError(f"{path} states {dim[0]} axes, where a NIfTI has 1 to 7; {COPY_AGAIN}")
    size = list(dim[1 : dim[0] + 1])
    while len(size) > 3 and size[-1] == 1:
        size.pop()
    return tuple(size)


def _steps(numbers: Any, layout: _Layout, path: Path) -> np.ndarray:
    """The first of sform and qform whose axes are perpendicular, else the first; without either, the axes' lengths.

    NIfTI's axes lead to the right, anterior and superior.
    """
    pixdim = numbers(layout.pixdim)
    qform, sform = numbers(layout.codes)
    forms = []
    if sform > 0:
        forms.append(np.array(numbers(layout.rows), float).reshape(3, 4)[:, :3])
    if qform > 0:
        forms.append(_rotation(*numbers(layout.quaternion)) * _lengths(pixdim))
    forms = forms or [np.diag(np.abs(pixdim[1:4]))]
    scale = _MILLIMETRES.get(numbers(layout.units)[0] & 7, 1.0)
    turned = [np.array([[-scale], [-scale], [scale]]) * form for form in forms]
    return next((steps for steps in turned if _is_rectangular(steps)), turned[0])


def _lengths(pixdim: tuple[float, ...]) -> np.ndarray:
    flip = -1.0 if pixdim[0] < 0 else 1.0  # qfac
    return np.array([abs(pixdim[1]), abs(pixdim[2]), abs(pixdim[3]) * flip])


def _rotation(b: float, c: float, d: float) -> np.ndarray:
    """The rotation of a unit quaternion of which a, not negative, is left out (nifti1.h, method 2)."""
    square = b * b + c * c + d * d
    if square > 1:
        b, c, d, square = b / math.sqrt(square), c / math.sqrt(square), d / math.sqrt(square), 1.0
    a = math.sqrt(1 - square)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _is_rectangular(steps: np.ndarray) -> bool:
    lengths = np.linalg.norm(steps, axis=0)
    if not np.isfinite(lengths).all() or not lengths.all():
        return False
    return bool(np.abs((steps / lengths).T @ (steps / lengths) - np.eye(3)).max() < 1e-3)


def _stored(path: Path, magic: bytes, offset: float, length: int, packed: bool) -> Stored:
    if not 0 <= offset < 2**63 or offset != int(offset):
        raise SpineError(f"{path} states that its voxels begin at byte {offset:g}; mend vox_offset, or {COPY_AGAIN}")
    start = int(offset)
    if magic.startswith(b"n+"):
        start = start or length + 4
        if start < length:
            raise SpineError(f"{path} states that its voxels begin at byte {start}, within its header; {COPY_AGAIN}")
        return Stored(path, "gzip" if packed else "", 0 if packed else start, start if packed else 0)
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    names = [f"{stem}.img", f"{stem}.img.gz", f"{stem}.IMG"]
    image = beside(path, next((name for name in names if (path.parent / name).is_file()), names[0]))
    if image.suffix == ".gz":
        return Stored(image, "gzip", 0, start)
    return Stored(image, "", start)
