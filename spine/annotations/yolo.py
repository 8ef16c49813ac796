"""YOLO text: `images/x.jpg` has `labels/x.txt`, one box a line as `class x y width height` in fractions of the image.

x and y are the box's centre. Names come from `data.yaml` (`names`, as Roboflow and Ultralytics export) or from a list
such as `classes.txt`. Lines of polygons give their bounding box, those of key points the box before them.
Format: https://docs.ultralytics.com/datasets/detect
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import yaml

from spine.annotations.collector import Collector
from spine.annotations.sources import image_size, is_image, split_folder, split_of, stem_of
from spine.annotations.text_file import read_text
from spine.annotations.types import PASSED_OVER, Annotation, Box, Malformed, Reading, UnknownClass
from spine.annotations.yolo_classes import FolderInfo, read_info
from spine.annotations.yolo_files import below, label_file, of_another_format, tell_shared, tell_strays
from spine.annotations.yolo_lines import Lines, may_have_key_points
from spine.core.files import atomic_file, walk
from spine.core.names import composed
from spine.core.numbers import finite
from spine.core.problems import SpineError, brief, examples

__all__ = ["read", "write"]

_OTHER_FORMAT = "read it with an entry of its format, or give the picture a label file"


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
    root = images or path
    beside = walk(path).files
    pictures = [file for file in (walk(root).files if images else beside) if is_image(file)]
    files = {picture: label_file(path, picture, below(picture, root)) for picture in pictures}
    labelled = {file for file in files.values() if file.is_file()}
    info = read_info(path, beside, names, labelled)
    collector = Collector(labels, images)
    lines = _lines_of(collector, info, labelled)
    shared, others = tell_shared(collector, files, root), of_another_format(beside)
    silent: list[Path] = []
    for picture, file in files.items() if labelled else ():
        other = others.get(composed(stem_of(picture)))
        if other and not file.is_file():
            collector.error(other, f"{PASSED_OVER}no label file tells of the picture of its name", _OTHER_FORMAT)
            continue
        with collector.guard(picture):
            name = below(picture, root)
            annotation = _annotation(collector, picture, name, file, info.names, lines, shared.get(file, ""))
            collector.add(file if file.is_file() else picture, annotation)
            silent += [] if file.is_file() else [picture]
    _tell_silent(collector, silent if labelled else pictures, pictures, root)
    tell_strays(collector, beside, pictures, labelled)
    return collector.reading()


def _lines_of(collector: Collector, info: FolderInfo, files: Iterable[Path]) -> Lines:
    """How the lines of label files are read; where nothing tells of key points, their numbers may."""
    if info.fault:
        file, reason = info.fault
        collector.error(file, reason, "fix it; until then only boxes of five numbers are read")
        return Lines(doubt=f"kpt_shape of {file.name} does not hold")
    if info.key_points is None and may_have_key_points(_numbers(files)):
        return Lines(doubt="a polygon, or a box with key points: nothing tells which")
    return Lines(info.key_points)


def _numbers(files: Iterable[Path]) -> Iterator[list[float]]:
    """The numbers behind the class of each line that can be read; what cannot is told when its boxes are read."""
    for file in sorted(files):
        with suppress(Malformed):
            for line in read_text(file).splitlines():
                with suppress(ValueError):
                    yield [finite(word) for word in line.split()[1:]]


def _tell_silent(collector: Collector, silent: Sequence[Path], pictures: Sequence[Path], root: Path) -> None:
    """Tell of pictures without a label file: an error where none has one, for then nothing is told of any."""
    reason = f"{len(silent)} of {len(pictures)} pictures have no label file ({examples(silent, root)})"
    if silent and len(silent) == len(pictures):
        collector.error(root, reason, "give the folder that holds `labels`; a picture without boxes has an empty file")
    elif silent:
        advice = "they are taken as pictures without boxes; see whether there truly is nothing to find in them"
        collector.warn(root, reason, advice)


def _annotation(
    collector: Collector,
    picture: Path,
    relative: PurePosixPath,
    file: Path,
    names: Sequence[str],
    lines: Lines,
    shared: str,
) -> Annotation:
    try:
        size = image_size(picture)
    except SpineError as error:
        advice = "copy or export the picture again; its size is needed to place the boxes"
        raise Malformed(str(error), advice) from error
    boxes: list[Box] = []
    refused = [f"{file.name} {shared}"] if shared else []
    if file.is_file() and not shared:
        with collector.guard(file, refused):
            boxes = _boxes(collector, file, size, names, lines, refused)
    name = relative.as_posix()
    return Annotation(name, tuple(boxes), split=split_of(name), size=size, refused=tuple(refused))


def _boxes(
    collector: Collector, file: Path, size: tuple[int, int], names: Sequence[str], lines: Lines, refused: list[str]
) -> list[Box]:
    boxes = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.strip():
            with collector.guard(f"{file}: line {number}", refused):
                boxes.append(_box(collector, line, size, names, lines))
    return boxes


def _box(collector: Collector, line: str, size: tuple[int, int], names: Sequence[str], lines: Lines) -> Box:
    try:
        index, *numbers = [finite(word) for word in line.split()]
    except ValueError as error:
        raise Malformed(f"{brief(line, 80)!r} holds a word that is no number: {error}") from error
    if index not in range(len(names)):
        raise UnknownClass(f"unknown class {index:g}; the names are {', '.join(names)}", "correct it, or add its name")
    height, width = size
    # A millionth of a pixel: whole pixels come back whole through the fractions.
    extents = zip(lines.corners(numbers), (width, height) * 2, strict=True)
    return collector.box(names[int(index)], [round(value * extent, 6) for value, extent in extents])


def write(
    annotations: Iterable[Annotation], path: Path, *, labels: Sequence[str] = (), images: Path | None = None
) -> None:
    """Write `<path>/data.yaml` and `<path>/[<split>/]labels/*.txt`, with the pictures copied from `images` where given.

    Classes are numbered in the order of `labels`, then of appearance. It cannot hold masks, levels, values, labels of
    the whole image, patients or sequences; an image's folder becomes `[<split>/]images`. SpineError where there is no
    box, an image's size is not known, or two would share a name.
    """
    annotations = tuple(annotations)
    names = list(dict.fromkeys([*labels, *(box.label for annotation in annotations for box in annotation.boxes)]))
    texts = _texts(annotations, names)
    if not names:
        raise SpineError("no picture has a box, and YOLO files hold nothing else; write another format, such as table")
    for place, (image, text) in texts.items():
        _write_text(text, path / str(place.with_suffix(".txt")).replace("images/", "labels/", 1))
        if images is not None:
            with atomic_file(path / place) as temporary:
                shutil.copyfile(images / image, temporary)
    folders = {"train": "train/images", "val": "valid/images", "test": "test/images"}
    _write_text(yaml.safe_dump({**folders, "nc": len(names), "names": names}, sort_keys=False), path / "data.yaml")


def _texts(annotations: Iterable[Annotation], names: Sequence[str]) -> dict[PurePosixPath, tuple[str, str]]:
    """Where each picture is written -> its name, and the text of its label file; SpineError where two share one."""
    texts: dict[PurePosixPath, tuple[str, str]] = {}
    taken: set[PurePosixPath] = set()
    for annotation in annotations:
        place = _place(annotation)
        if place.with_suffix("") in taken:
            raise SpineError(f"{annotation.image} shares {place.with_suffix('')} with another image; rename it")
        taken.add(place.with_suffix(""))
        texts[place] = annotation.image, _lines(annotation, names)
    return texts


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
