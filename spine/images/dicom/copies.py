"""Files that are there twice: of equal SOPInstanceUID, header and pixels. Each is taken once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from spine.core.files import hash_file
from spine.core.problems import Problem, examples
from spine.images.dicom.headers import quiet, read_dataset
from spine.images.dicom.image import Image
from spine.images.dicom.pixels import iterate_frames

__all__ = ["copies_warning", "find_copies", "without_copies"]


def without_copies(images: Sequence[Image]) -> tuple[list[Image], list[Problem]]:
    """The images without those of files that are copies of earlier ones, and a warning that counts the copies."""
    copies = find_copies(images)
    kept = [image for image in images if image.path not in copies]
    return kept, [copies_warning(copies)] if copies else []


def find_copies(images: Sequence[Image]) -> dict[Path, Path]:
    """Copy -> the first file that it is a copy of.

    An anonymiser may give different images one SOPInstanceUID; so a copy also has what the other says of itself, and
    its bytes, or its pixels where it was exported in another transfer syntax.
    """
    alike: dict[Hashable, list[Path]] = defaultdict(list)
    for image in images:
        if image.instance and not image.frame:
            alike[replace(image, path=Path(), remarks=())].append(image.path)
    copies: dict[Path, Path] = {}
    for paths in alike.values():
        if len(paths) > 1:
            copies |= _equal(paths)
    return copies


def copies_warning(copies: dict[Path, Path]) -> Problem:
    """One warning for all copies."""
    copy, original = next(iter(copies.items()))
    others = f", and so are {len(copies) - 1} more: {examples(list(copies)[1:])}" if len(copies) > 1 else ""
    reason = f"is the same image as {original} (equal SOPInstanceUID, header and pixels){others}"
    return Problem(str(copy), reason, "nothing: each was taken once; or remove the copies", "warning")


def _equal(paths: Sequence[Path]) -> dict[Path, Path]:
    """Of paths that may be copies, those that are."""
    firsts: dict[str, Path] = {}
    copies: dict[Path, Path] = {}
    for path in paths:
        for of_what in (hash_file, _hash_pixels):
            first = firsts.setdefault(_hash(of_what, path), path)
            if first != path:
                copies[path] = first
                break
    return copies


def _hash(of_what: Callable[[Path], str], path: Path) -> str:
    """The hash; of a file that cannot be read or decoded one that equals no other: its reader will say why."""
    try:
        return of_what(path)
    except Exception:
        return str(path)


def _hash_pixels(path: Path) -> str:
    pixels = hashlib.sha256()
    with quiet():
        for frame in iterate_frames(read_dataset(path)):
            pixels.update(repr(frame.pixels.shape).encode() + frame.pixels.tobytes())
    return pixels.hexdigest()
