"""NIfTI-1 and NIfTI-2: one file (.nii, .nii.gz), or a header and its image (.hdr, .img). See nifti1.h and nifti2.h.

nibabel reads the header. The voxels are read by `Grid`, since nibabel opens files by their names, whatever size they
state, and leaves the checksum of a .nii.gz unread.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header, data_type_codes
from nibabel.nifti2 import Nifti2Header

from spine.core.problems import SpineError
from spine.images.decoders.grid import Grid, Stored, beside, is_rectangular
from spine.images.integrity import COPY_AGAIN, read_up_to, unpacking
from spine.images.kinds import is_nifti

__all__ = ["read_grid"]

_KINDS = (Nifti1Header, Nifti2Header)
_MILLIMETRES = {1: 1000.0, 3: 0.001}  # of a metre, a micrometre
_GZIP = b"\x1f\x8b"


def read_grid(path: Path) -> Grid:
    """The grid of a NIfTI file; SpineError where its header is not one, or states what cannot be read as grey."""
    head, packed = _head(path)
    header = _header(head, path)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0:  # the values are as stored
        slope, intercept = 1.0, 0.0
    size, dtype = _size(header["dim"], path), _dtype(header, path)
    return Grid(path, size, dtype, _steps(header), _stored(path, header, packed), slope, intercept)


def _head(path: Path) -> tuple[bytes, bool]:
    """The first bytes, unpacked, and whether they were packed."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        return read_up_to(unpacking(file, "gzip") if packed else file, Nifti2Header.sizeof_hdr, path), packed


def _header(head: bytes, path: Path) -> Nifti1Header:
    for kind in _KINDS:
        for order in "<>":
            if head[:4] == struct.pack(f"{order}i", kind.sizeof_hdr):
                if len(head) < kind.sizeof_hdr:
                    raise SpineError(f"{path} is truncated: it ends within its header; {COPY_AGAIN}")
                if is_nifti(head):
                    return kind(head[: kind.sizeof_hdr], order, check=False)  # its checks fix, and say so in a log
                raise SpineError(f"{path} is Analyze 7.5, which does not tell left from right; convert it to NIfTI")
    raise SpineError(
        f"{path} is no NIfTI, MetaImage or NRRD volume, whatever its name says, or its header is damaged; {COPY_AGAIN}"
    )


def _dtype(header: Nifti1Header, path: Path) -> np.dtype:
    code = int(header["datatype"])
    dtype = header.get_data_dtype() if code in data_type_codes.value_set() else np.dtype("V")
    if dtype.kind in "uif" and 0 < dtype.itemsize <= 8:
        return dtype
    label = data_type_codes.label[code] if code in data_type_codes.value_set() else f"type {code}"
    named = "complex" if dtype.kind == "c" else label
    raise SpineError(f"{path} holds {named} voxels; save one grey value a voxel, of 8 to 64 bits")


def _size(dim: np.ndarray, path: Path) -> tuple[int, ...]:
    """The axes' lengths, those of length 1 beyond the third left out."""
    if not 1 <= dim[0] <= 7:
        raise SpineError(f"{path} states {dim[0]} axes, where a NIfTI has 1 to 7; {COPY_AGAIN}")
    size = dim[1 : dim[0] + 1].tolist()
    while len(size) > 3 and size[-1] == 1:
        size.pop()
    return tuple(size)


def _steps(header: Nifti1Header) -> np.ndarray:
    """The first of sform and qform whose axes are perpendicular, else the first; without either, the axes' lengths.

    nibabel takes the sform alone, which registrations shear. NIfTI's axes lead to the right, anterior and superior.
    """
    forms = [header.get_sform()] if header["sform_code"] > 0 else []
    forms += [_qform(header)] if header["qform_code"] > 0 else []
    forms = forms or [np.diag(np.abs(header["pixdim"][1:5]))]
    scale = _MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    turned = [np.array([[-scale], [-scale], [scale]]) * form[:3, :3].astype(float) for form in forms]
    return next((steps for steps in turned if is_rectangular(steps)), turned[0])


def _qform(header: Nifti1Header) -> np.ndarray:
    """The qform of what nibabel refuses, too: lengths below 0, a qfac of 0, a quaternion that is rounded above 1."""
    header = header.copy()
    header["pixdim"][:4] = [-1 if header["pixdim"][0] < 0 else 1, *np.abs(header["pixdim"][1:4])]
    names = ("quatern_b", "quatern_c", "quatern_d")
    excess = max(1.0, float(np.linalg.norm([float(header[name]) for name in names])))
    for name in names:
        header[name] = float(header[name]) / excess
    return header.get_qform()


def _stored(path: Path, header: Nifti1Header, packed: bool) -> Stored:
    offset = float(header["vox_offset"])
    if not 0 <= offset < 2**63 or offset != int(offset):
        raise SpineError(f"{path} states that its voxels begin at byte {offset:g}; fix vox_offset, or {COPY_AGAIN}")
    start = int(header["vox_offset"])
    if header["magic"].item().startswith(b"n+"):
        start = start or header.single_vox_offset
        if start < header.sizeof_hdr:
            raise SpineError(f"{path} states that its voxels begin at byte {start}, within its header; {COPY_AGAIN}")
        return Stored(path, "gzip" if packed else "", 0 if packed else start, start if packed else 0)
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    names = [f"{stem}.img", f"{stem}.img.gz", f"{stem}.IMG"]
    image = beside(path, next((name for name in names if (path.parent / name).is_file()), names[0]))
    return Stored(image, "gzip", 0, start) if image.suffix == ".gz" else Stored(image, "", start)
