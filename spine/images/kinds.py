"""What a file is: told by its first bytes, and by its name where they tell nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from spine.core.names import SUFFIXES
from spine.images.dicom.first_bytes import begins_as_dataset, is_text

__all__ = ["Kind", "claimed_kind", "is_half_of_pair", "is_nifti", "kind_of", "may_be_dicom"]

Kind = Literal["auto", "dicom", "picture", "volume", "tfrecord"]

_PICTURE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SUFFIX = re.compile(r"\.[^\W\d_]\w*$")  # that of a UID, in a name such as 1.2.840.7, begins with a digit
_GZIP = b"\x1f\x8b"


def kind_of(path: Path) -> str:
    """ "dicom", "picture" or "volume" by a file's first bytes, else by its suffix ("unsupported" too), else ""."""
    head = _head(path)
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(_PICTURE_MAGIC):
        return "picture"
    if head.startswith((b"NRRD", b"ObjectType", b"NDims")) or is_nifti(head):
        return "volume"
    if head.startswith(_GZIP) and path.name.lower().endswith(".nii.gz"):
        return "volume"
    if begins_as_dataset(head):
        return "dicom"
    return claimed_kind(path)


def is_nifti(head: bytes) -> bool:
    """Whether the first bytes of a file, unpacked, are those of a NIfTI header."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def claimed_kind(path: Path) -> str:
    """The kind that a file's name claims, "unsupported" too; "" where it claims none."""
    name = path.name.lower()
    return next((kind for kind, suffixes in SUFFIXES.items() if name.endswith(suffixes)), "")


def may_be_dicom(path: Path) -> bool:
    """Whether a file of no kind may be DICOM that was damaged: no text, and named as PACS do, without a suffix or by a
    UID.
    """
    return not _SUFFIX.search(path.name) and not is_text(_head(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(352)
    except OSError:
        return b""  # who reads the file will say why it cannot be opened


def is_half_of_pair(path: Path) -> bool:
    """Whether a file holds the voxels of a NIfTI pair, which are read with its header."""
    return path.suffix.lower() == ".img" and is_nifti(_head(path.with_suffix(".hdr")))
