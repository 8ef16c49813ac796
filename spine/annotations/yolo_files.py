"""Which text file holds a picture's labels, in the layouts that YOLO's tools write; and what the others are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath

from spine.annotations.collector import Collector
from spine.annotations.sources import stem_of
from spine.annotations.text_file import read_text
from spine.annotations.types import Malformed
from spine.annotations.yolo_classes import CLASS_LISTS
from spine.core.names import composed
from spine.core.numbers import finite
from spine.core.problems import examples

__all__ = ["below", "label_file", "of_another_format", "tell_shared", "tell_strays"]

_NOTES = (*CLASS_LISTS, "train.txt", "val.txt", "test.txt")  # lists of classes and pictures may lie beside label files
_OTHERS = (".xml", ".json")  # formats of one file an image


def label_file(path: Path, picture: Path, relative: PurePosixPath) -> Path:
    """The picture's label file: the last folder `images` of its path replaced by `labels`, or below `path`."""
    parts = list(picture.with_suffix(".txt").parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    beside = relative.with_suffix(".txt")
    choices = [Path(*parts), path / "labels" / beside, path / beside]
    return next((file for file in choices if file.is_file()), choices[0])


def below(picture: Path, root: Path) -> PurePosixPath:
    """A picture's name below `root`."""
    return PurePosixPath(picture.relative_to(root).as_posix())


def of_another_format(files: Iterable[Path]) -> dict[str, Path]:
    """Those of some files that are of other formats, by their stems: what they tell of a picture is not read here."""
    return {composed(stem_of(file)): file for file in files if file.suffix.lower() in _OTHERS}


def tell_shared(collector: Collector, files: Mapping[Path, Path], root: Path) -> dict[Path, str]:
    """The label files of several pictures, `a.png` and `a.jpg`: whose boxes they hold is not known; each is told."""
    pictures: dict[Path, list[Path]] = defaultdict(list)
    for picture, file in files.items():
        if file.is_file():
            pictures[file].append(picture)
    fits = {file: f"fits {len(of)} pictures: {examples(of, root)}" for file, of in pictures.items() if len(of) > 1}
    for file, reason in fits.items():
        collector.error(file, reason, "rename all pictures but one, and give each a label file of its own")
    return fits


def tell_strays(
    collector: Collector, files: Iterable[Path], pictures: Collection[Path], used: Collection[Path]
) -> None:
    """Tell of those files that must be labels, by where they lie, and are of no picture; `used` are of one."""
    folders, known = {picture.parent.resolve() for picture in pictures}, {file.resolve() for file in used}
    for file in files:
        is_label = file.suffix == ".txt" and ("labels" in file.parts or file.parent.resolve() in folders)
        if is_label and not file.name.startswith("README") and file.resolve() not in known:
            _tell_stray(collector, file)


def _tell_stray(collector: Collector, file: Path) -> None:
    """Tell of a text file that is of no picture: an error where it holds labels, whose picture is then missing."""
    with collector.guard(file):
        lines = [line.split() for line in read_text(file).splitlines() if line.strip()]
        if not lines or any(len(words) > 4 and all(map(_is_number, words[1:])) for words in lines):
            raise Malformed("has no picture of its name", "put the picture beside it, or remove the file")
        if file.name not in _NOTES:
            collector.warn(file, "holds no labels, and no picture has its name", "it was passed over")


def _is_number(word: str) -> bool:
    try:
        finite(word)
    except ValueError:
        return False
    return True
