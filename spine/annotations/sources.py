"""Files that annotations come from and speak of: which they are, what images are called, how large they are."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from pathlib import Path, PurePath, PurePosixPath

from spine.annotations.types import Annotation, Malformed
from spine.core.files import walk
from spine.core.names import SUFFIXES, composed, stem_of
from spine.core.numbers import whole
from spine.core.problems import SpineError

__all__ = [
    *("has_picture", "image_name", "image_size", "is_image", "may_be_picture", "source_files"),
    *("size_of", "split_folder", "split_named", "split_of", "stem_of"),
]

_SUFFIXES = tuple(suffix for family in SUFFIXES.values() for suffix in family)
_SPLITS = {"train": "train", "valid": "validation", "val": "validation", "validation": "validation", "test": "test"}


def is_image(path: PurePath) -> bool:
    """Whether the name is that of a picture or a volume; hidden files are not."""
    return path.name.lower().endswith(_SUFFIXES) and not path.name.startswith(".")


def may_be_picture(path: PurePath) -> bool:
    """Whether the name is that of an image or has no suffix that tells what it is, as DICOM files are often called."""
    return is_image(path) or (stem_of(path) == path.name and not path.name.startswith("."))


def has_picture(file: Path) -> bool:
    """Whether a picture of the file's name lies beside it: `a.png`, `a.PNG` or plain `a` beside `a.xml`."""
    stem = stem_of(file)
    stems = {stem, composed(stem), unicodedata.normalize("NFD", stem)}
    endings = ["", *(spelled for suffix in _SUFFIXES for spelled in (suffix, suffix.upper()))]
    beside = {file.with_name(f"{stem}{ending}") for stem in stems for ending in endings} - {file}
    return any(picture.is_file() for picture in beside)


def image_size(path: Path) -> tuple[int, int]:
    """Height and width in pixels once it is upright, without decoding it (PNG, JPEG, TIFF); SpineError otherwise."""
    from spine.images.pictures import picture_size, read_bytes

    return picture_size(read_bytes(path), path)


def size_of(height: object, width: object) -> tuple[int, int] | None:
    """The size where both are positive whole numbers; some tools write 0 or nothing where they do not know it."""
    try:
        size = whole(height), whole(width)
    except ValueError:
        return None
    return size if min(size) >= 1 else None


def image_name(stated: str, folder: PurePath) -> str:
    """An image as a POSIX path below its image folder, from the path that an annotation file in `folder` states.

    A path of another machine, or one that leads out of the image folder, is cut to its last part: it means nothing
    here, and a source must not choose which file of this machine is opened. Malformed where nothing is left.
    """
    path = stated.strip().replace("\\", "/")
    absolute = path.startswith("/") or re.match(r"[A-Za-z]:", path)
    joined = posixpath.normpath(posixpath.join(folder.as_posix(), posixpath.basename(path) if absolute else path))
    name = posixpath.basename(joined) if joined.startswith("../") else joined
    if not posixpath.basename(path) or name in ("", ".", ".."):
        raise Malformed(f"{stated!r} is no image's name")
    return name


def split_of(image: str) -> str:
    """The split that a folder in the image's path names (`valid` and `val` are validation), "" where none does."""
    folders = (part.lower() for part in PurePosixPath(image).parts[:-1])
    return next((_SPLITS[folder] for folder in folders if folder in _SPLITS), "")


def split_named(text: str) -> str:
    """The split that a column or key names: `val` and `Valid` are validation, an unknown name stays what it is."""
    return _SPLITS.get(text.lower(), text)


def split_folder(annotation: Annotation) -> str:
    """The split as a folder's name, "" for none; SpineError where it is no split, and so might be any path."""
    if annotation.split not in ("", *_SPLITS.values()):
        known = ", ".join(dict.fromkeys(_SPLITS.values()))
        raise SpineError(f"{annotation.image} is of the split {annotation.split!r}; a folder is written for {known}")
    return annotation.split


def source_files(path: Path, suffix: str) -> list[tuple[Path, PurePath]]:
    """The annotation files at or below `path`, each with its folder relative to `path`; SpineError without any."""
    if path.is_file():
        return [(path, PurePosixPath())]
    if not path.is_dir():
        raise SpineError(f"{path} does not exist; give a {suffix} file, or a folder of them")
    files = [file for file in walk(path).files if file.name.lower().endswith(suffix)]
    if not files:
        raise SpineError(f"{path} holds no {suffix} file; give the folder that does")
    return [(file, file.parent.relative_to(path)) for file in files]
