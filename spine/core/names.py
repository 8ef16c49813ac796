"""What the name of a file tells, and names that every file system can hold.

A suffix is removed only where it is known: `1.2.840.113619.2.5` and `CT.1.3` are whole names, as DICOM files have them.
macOS writes a letter and its accent apart, others as one letter: names are compared in the composed form (NFC).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath

__all__ = ["SUFFIXES", "composed", "encodable", "file_name", "frame_of", "shortened", "slice_of", "stem_of"]

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "dicom": (".dcm", ".dicom", ".ima"),
    "picture": (".png", ".jpg", ".jpeg", ".tif", ".tiff"),
    "volume": (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr"),
    "unsupported": (".bmp", ".gif", ".webp", ".jp2", ".psd", ".svg", ".heic", ".img", ".mgz"),
}  # of images, by the family that reads them
_OTHERS = (".dic", ".jpe", ".jfif", ".tga", ".pgm", ".ppm", ".pbm", ".pnm", ".avif", ".dib", ".npy", ".hdr")
_ANNOTATIONS = (".xml", ".json", ".txt", ".csv")
_KNOWN = (*(suffix for family in SUFFIXES.values() for suffix in family), *_OTHERS, *_ANNOTATIONS)
_LONGEST_FIRST = tuple(sorted(_KNOWN, key=len, reverse=True))  # .nii.gz before .gz would be asked for

_SLICE = re.compile(r"(?P<file>.+)#(?P<number>\d+)", re.DOTALL)
_MOST_BYTES = 160  # of 255 that file systems take: suffixes, the label of a crop and `.tmp` come on top
_DIGITS = 12  # of a hash: 2^48 names
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}  # by Windows


def stem_of(path: PurePath) -> str:
    """The name without its suffix, where that is a known one: `case.1.png` -> `case.1`, `x.nii.gz` -> `x`."""
    lower = path.name.lower()
    suffix = next((suffix for suffix in _LONGEST_FIRST if lower.endswith(suffix) and lower != suffix), "")
    return path.name[: len(path.name) - len(suffix)]


def slice_of(name: str) -> tuple[str, str]:
    """The file and the number of a slice, page or frame: `a/x.nii.gz#7` -> (`a/x.nii.gz`, `7`); "" for a whole file."""
    found = _SLICE.fullmatch(name)
    return (found["file"], found["number"]) if found else (name, "")


def frame_of(name: str, file: str) -> int | None:
    """The number in a picture's name `x.dcm#7` of the file `x.dcm`; None of a whole file, whatever its name ends in."""
    last = name.rpartition("/")[2]
    number = "" if last == file else slice_of(last)[1]
    return int(number) if number else None


def composed(text: str) -> str:
    """A text with each letter and its accents as one (Unicode's NFC), by which names that look alike are equal."""
    return unicodedata.normalize("NFC", text)


def encodable(text: str) -> str:
    r"""A text that can be written as UTF-8: a byte of a file's name that is none stays visible, as `\udce9`."""
    return text.encode("utf-8", "backslashreplace").decode()


def file_name(text: str, most: int = _MOST_BYTES) -> str:
    """A name for a file on every system: one too long ends in a hash of itself, one that Windows keeps begins with `_`.

    The same text has the same name each time, and other texts have others. `text` has only letters that names may have.
    """
    if text.split(".")[0].upper() in _RESERVED:
        text = f"_{text}"
    return shortened(text, most)


def shortened(text: str, most: int) -> str:
    """A text of at most so many bytes of UTF-8: of a longer one its beginning and a hash, so that two stay two."""
    if len(text.encode()) <= most:
        return text
    digits = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    kept = text.encode()[: most - _DIGITS - 1].decode(errors="ignore")
    return f"{kept}-{digits}"
