"""YOLO text: `images/x.jpg` has `labels/x.txt`, one box a line as `class x y width height` in fractions of the image.

x and y are the box's centre. Names come from `data.yaml` (`names`, as Roboflow and Ultralytics export) or from
`classes.txt`. Lines of polygons (`class x1 y1 x2 y2 x3 y3 ...`) give their bounding box.
Format: https://docs.ultralytics.com/datasets/detect
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

from spine.annotations.collector import Collector
from spine.annotations.sources import image_size, is_image, split_folder, split_of
from spine.annotations.types import Annotation, Box, Malformed, Reading, UnknownClass
from spine.files import atomic_file, walk
from spine.problems import SpineError, examples

__all__ = ["read", "write"]

_LISTS = ("classes.txt", "train.txt", "val.txt", "test.txt")  # may lie beside label files


def read(
    path: Path,
    *,
    labels: Collection[str] | None = None,
    images: Path | None = None,
    names: Sequence[str] | None = None,
) -> Reading:
    """Read a YOLO folder: an export with train, valid and test folders, `images/` and `labels/`, or one plain folder.

    `names` are the classes from index 0 where neither data.yaml nor classes.txt tells them. The pictures' headers are
    read for their sizes. A picture without a label file is one without boxes, as YOLO's own trainers take it; a warning
    tells how many there are.
    """
    if not path.is_dir():
        raise SpineError(f"{path} is not a folder; give the folder that holds data.yaml, or images and labels")
    names = tuple(names) if names else _names(path)
    root = images or path
    pictures = [file for file in walk(root).files if is_image(file)]
    unused = _label_files(path, {picture.parent.resolve() for picture in pictures})
    collector = Collector(labels, images)
    files = {picture: _label_file(path, picture, _below(picture, root)) for picture in pictures}
    shared = _shared(collector, files, root)
    silent: list[Path] = []
    for picture, file in files.items():
        unused.pop(file.resolve(), None)
        with collector.guard(picture):
            found = _annotation(collector, picture, _below(picture, root), file, names, shared.get(file, ""))
            collector.add(picture, found)
            silent += [] if file.is_file() else [picture]
    if silent:
        reason = f"{len(silent)} of {len(pictures)} pictures have no label file ({examples(silent, root)})"
        advice = "they are taken as pictures without boxes; see whether there truly is nothing to find in them"
        collector.warn(root, reason, advice)
    for file in unused.values():
        collector.error(file, "has no picture of its name", "put the picture beside it, or remove the file")
    return collector.reading()


def _names(path: Path) -> tuple[str, ...]:
    if (path / "data.yaml").is_file():
        return _names_of_yaml(path / "data.yaml")
    if (path / "classes.txt").is_file():
        return tuple((path / "classes.txt").read_text(encoding="utf-8-sig").strip().splitlines())
    raise SpineError(f"{path} has neither data.yaml nor classes.txt; give `names`, the classes from index 0")


def _names_of_yaml(path: Path) -> tuple[str, ...]:
    try:
        names = yaml.safe_load(path.read_text(encoding="utf-8-sig"))["names"]
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise SpineError(f"{path} tells no names ({error!r}); write `names: [first, second]` in it") from error
    if isinstance(names, Mapping) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list):
        raise SpineError(f"{path} holds names {names!r}; a list, or a mapping from 0, 1, 2 ... is expected")
    return tuple(map(str, names))


def _label_files(path: Path, picture_folders: Collection[Path]) -> dict[Path, Path]:
    """Text files that must be labels of a picture, by their resolved paths: those in `labels` or beside pictures."""
    files = [file for file in walk(path).files if file.suffix == ".txt" and not file.name.startswith("README")]
    return {
        file.resolve(): file
        for file in files
        if "labels" in file.parts or (file.name not in _LISTS and file.parent.resolve() in picture_folders)
    }


def _label_file(path: Path, picture: Path, relative: PurePosixPath) -> Path:
    """The picture's label file: the last folder `images` of its path replaced by `labels`, or below `path`."""
    parts = list(picture.with_suffix(".txt").parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    beside = relative.with_suffix(".txt")
    choices = [Path(*parts), path / "labels" / beside, path / beside]
    return next((file for file in choices if file.is_file()), choices[0])


def _below(picture: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(picture.relative_to(root).as_posix())


def _shared(collector: Collector, files: Mapping[Path, Path], root: Path) -> dict[Path, str]:
    """The label files of several pictures, `a.png` and `a.jpg`: whose boxes they hold is not known; each is told."""
    pictures: dict[Path, list[Path]] = defaultdict(list)
    for picture, file in files.items():
        if file.is_file():
            pictures[file].append(picture)
    fits = {file: f"fits {len(of)} pictures: {examples(of, root)}" for file, of in pictures.items() if len(of) > 1}
    for file, reason in fits.items():
        collector.error(file, reason, "rename all pictures but one, and give each a label file of its own")
    return fits


def _annotation(
    collector: Collector, picture: Path, relative: PurePosixPath, file: Path, names: Sequence[str], shared: str
) -> Annotation:
    try:
        size = image_size(picture)
    except SpineError as error:
        raise Malformed(
            str(error), "copy or export the picture again; its size is needed to place the boxes"
        ) from error
    boxes: list[Box] = []
    refused = [f"{file.name} {shared}"] if shared else []
    if file.is_file() and not shared:
        with collector.guard(file, refused):
            boxes = _boxes(collector, file, size, names, refused)
    name = relative.as_posix()
    return Annotation(name, tuple(boxes), split=split_of(name), size=size, refused=tuple(refused))


def _boxes(
    collector: Collector, file: Path, size: tuple[int, int], names: Sequence[str], refused: list[str]
) -> list[Box]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"is not readable text: {error}", "export or copy the file again") from error
    boxes = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            with collector.guard(f"{file}: line {number}", refused):
                boxes.append(_box(collector, line, size, names))
    return boxes


def _box(collector: Collector, line: str, size: tuple[int, int], names: Sequence[str]) -> Box:
    try:
        index, *numbers = [float(word) for word in line.split()]
    except ValueError as error:
        raise Malformed(f"{line!r} holds a word that is no number: {error}") from error
    if index not in range(len(names)):
        raise UnknownClass(f"unknown class {index:g}; the names are {', '.join(names)}", "correct it, or add its name")
    corners = _corners(numbers, line)
    height, width = size
    # A millionth of a pixel: whole pixels come back whole through the fractions.
    pixels = [round(value * extent, 6) for value, extent in zip(corners, (width, height) * 2, strict=True)]
    return collector.box(names[int(index)], pixels)


def _corners(numbers: Sequence[float], line: str) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 as fractions of a line's numbers: centre and size, or the corners of a polygon."""
    if len(numbers) == 4:
        x, y, width, height = numbers
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[0::2], numbers[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    raise Malformed(f"{line!r} has {len(numbers) + 1} numbers; `class x y width height` or a polygon is expected")


def write(
    annotations: Iterable[Annotation], path: Path, *, labels: Sequence[str] = (), images: Path | None = None
) -> None:
    """Write `<path>/data.yaml` and `<path>/[<split>/]labels/*.txt`, with the pictures copied from `images` where given.

    Classes are numbered in the order of `labels`, then of appearance. It cannot hold masks, levels, values, labels of
    the whole image, patients or sequences; an image's folder becomes `[<split>/]images`. SpineError where an image's
    size is not known, or two would share a name.
    """
    annotations = tuple(annotations)
    names = list(dict.fromkeys([*labels, *(box.label for found in annotations for box in found.boxes)]))
    taken: set[PurePosixPath] = set()
    for annotation in annotations:
        place = _place(annotation)
        if place.with_suffix("") in taken:
            raise SpineError(f"{annotation.image} shares {place.with_suffix('')} with another image; rename it")
        taken.add(place.with_suffix(""))
        _write_text(_lines(annotation, names), path / str(place.with_suffix(".txt")).replace("images/", "labels/", 1))
        if images is not None:
            with atomic_file(path / place) as temporary:
                shutil.copyfile(images / annotation.image, temporary)
    folders = {"train": "train/images", "val": "valid/images", "test": "test/images"}
    _write_text(yaml.safe_dump({**folders, "nc": len(names), "names": names}, sort_keys=False), path / "data.yaml")


def _place(annotation: Annotation) -> PurePosixPath:
    folder = split_folder(annotation)
    return PurePosixPath("valid" if folder == "validation" else folder, "images", PurePosixPath(annotation.image).name)


def _lines(annotation: Annotation, names: Sequence[str]) -> str:
    if annotation.size is None:
        raise SpineError(f"the size of {annotation.image} is not known; YOLO boxes are fractions of it: give its size")
    return "".join(_line(box, names.index(box.label), annotation.size) for box in annotation.boxes)


def _line(box: Box, index: int, size: tuple[int, int]) -> str:
    height, width = size
    x, y = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
    return f"{index} {x!r} {y!r} {(box.x1 - box.x0) / width!r} {(box.y1 - box.y0) / height!r}\n"


def _write_text(text: str, path: Path) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
