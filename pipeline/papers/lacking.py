"""What a user's folder lacks of what a pack reads there: one function a format, each cheap and reading only.

Files are opened until one can be read, names are compared and tables are read; no picture but one is decoded. What is
damaged beyond that, the build of the dataset lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pipeline.papers.held import Format, Held
from spine.annotations.types import Malformed
from spine.core.files import walk
from spine.core.names import slice_of, stem_of
from spine.core.problems import SpineError, examples

__all__ = ["lacking"]


def lacking(root: Path, place: str, held: Held) -> list[str]:
    """A sentence on each thing that is not at `root`/`place` as it should be; empty where all is."""
    path = root / place
    if not path.exists():
        return [f"{path} is not there: {held.told}"]
    if path.is_dir() and not walk(path).files:
        return [f"{path} is empty: {held.told}"]
    if held.format is None:
        return []
    try:
        return list(_CHECKS[held.format](path, held, root / held.images))
    except SpineError as error:
        return [f"{error}. It should be {held.told}"]


def _dicom(path: Path, held: Held, images: Path) -> Iterator[str]:
    from spine.images.dicom.headers import quiet
    from spine.images.dicom.image import images_of
    from spine.images.kinds import kind_of

    with quiet():
        yield from _none_readable(
            path, held, (file for file in walk(path).files if kind_of(file) == "dicom"), images_of
        )


def _picture(path: Path, held: Held, images: Path) -> Iterator[str]:
    from spine.annotations.sources import image_size
    from spine.images.kinds import kind_of

    files = (file for file in walk(path).files if kind_of(file) == "picture")
    yield from _none_readable(path, held, files, image_size)


def _none_readable(path: Path, held: Held, files: Iterable[Path], read: Callable[[Path], object]) -> Iterator[str]:
    """A sentence where none of the files can be read; the first that can ends the search."""
    unreadable: list[str] = []
    for file in files:
        try:
            if read(file):
                return
        except (SpineError, OSError) as error:
            unreadable.append(str(error))
    tried = f"; {len(unreadable)} cannot be read, the first: {unreadable[0]}" if unreadable else ""
    yield f"{path} holds no readable file of the kind {held.format}, and should: {held.told}{tried}"


def _mask(path: Path, held: Held, images: Path) -> Iterator[str]:
    from spine.annotations.mask import load_mask, pictures_by_place, pictures_of
    from spine.annotations.sources import is_image

    masks = [file for file in walk(path).files if is_image(file)]
    yield from _none_readable(path, held, masks, lambda file: load_mask(file, held.labels).size)
    if not held.images:
        return
    known = pictures_by_place(images)
    own = [file.relative_to(path) for file in masks]
    lost = [str(place) for place in own if not pictures_of((place.parent / stem_of(place)).as_posix(), known)]
    if lost:
        yield f"{path}: {len(lost)} of {len(own)} masks are named and placed like no file of {images}: {examples(lost)}"


def _boxes(path: Path, held: Held, images: Path) -> Iterator[str]:
    """Of VOC files, of LabelMe's own, or of both."""
    from spine.annotations import read_annotations

    there = {file.suffix.lower() for file in walk(path).files}
    readings = [
        read_annotations(format, path, images=images if held.images else None)
        for suffix, format in {".xml": "voc", ".json": "labelme"}.items()
        if suffix in there
    ]
    found = [one for reading in readings for one in reading.annotations]
    if not found:
        first = next((f": {problem.reason}" for reading in readings for problem in reading.problems), "")
        yield f"{path} holds no VOC or LabelMe file that can be read{first}; it should be {held.told}"
        return
    if held.images:
        yield from _without_picture(path, [one.image for one in found], images)
    counts = Counter(box.label for one in found for box in one.boxes)
    if absent := [label for label in held.labels if not counts[label]]:
        told = ", ".join(f"{label!r} ({count})" for label, count in counts.most_common(5)) or "none"
        yield f"{path}: no box is called {' or '.join(map(repr, absent))}; the boxes are {told}"


def _table(path: Path, held: Held, images: Path) -> Iterator[str]:
    from spine.annotations.collector import Collector
    from spine.annotations.csv_rows import rows_of

    collector = Collector()
    rows: list[Mapping[str, str]] = []
    with collector.guard(path):
        rows = [row for _, row in rows_of(collector, path, held.columns, ",")]
    problems = collector.reading().problems
    if problems:
        first = f"{problems[0].path} {problems[0].reason}"
        yield f"{path}: {len(problems)} {'row does' if len(problems) == 1 else 'rows do'} not hold, the first: {first}"
    elif not rows:
        yield f"{path} has no row below its header; it should be {held.told}"
    for column, known in held.values.items():
        others = Counter(row[column] for row in rows if row[column] and row[column] not in known)
        if others:
            told = ", ".join(f"{value!r} ({count})" for value, count in others.most_common(3))
            rows_have = "1 row has" if others.total() == 1 else f"{others.total()} rows have"
            yield f"{path}: {rows_have} another {column} than {', '.join(known)}: {told}"
    if held.images:
        yield from _without_picture(path, list(filter(None, map(_image, rows))), images)


def _image(row: Mapping[str, str]) -> str:
    """The picture that a row names, as the reader of tables has it; "" where it names none."""
    from spine.annotations.sources import image_name

    try:
        return image_name(row["image"], PurePosixPath())
    except Malformed:
        return ""


def _without_picture(path: Path, stated: Sequence[str], images: Path) -> Iterator[str]:
    """A sentence on the names that lead to no picture, by the rules of the build; a slice is of its file."""
    from spine.intake.matching import Pictures, match

    files = list(dict.fromkeys(slice_of(name)[0] for name in stated))
    matching = match(files, Pictures(_names(images)))
    led = {*matching.pictures}
    if lost := [name for name in files if name not in led]:
        why = next(iter(matching.refused.values()), "")
        told = f"{examples(lost)}{f' ({why})' if why else ''}"
        yield f"{path}: {len(lost)} of {len(files)} images that it names lead to no picture in {images}: {told}"


def _names(images: Path) -> list[str]:
    from spine.annotations.sources import may_be_picture

    return [file.relative_to(images).as_posix() for file in walk(images).files if may_be_picture(file)]


def _tfrecord(path: Path, held: Held, images: Path) -> Iterator[str]:
    from spine.annotations.sources import split_of
    from spine.annotations.tfrecord import split_of_file
    from spine.annotations.tfrecords import missing_shards, read_records, record_files

    by_split: dict[str, list[Path]] = {}
    files = record_files(path)
    for file, folder in files:
        split = split_of(f"{folder.as_posix()}/x") or split_of_file(file)
        by_split.setdefault(split, []).append(file)
    for missing in missing_shards([file for file, _ in files]):
        yield f"{missing} is not there, and its name is promised by the shards beside it"
    if absent := [split for split in held.splits if split not in by_split]:
        names = [str(file.relative_to(path)) for file, _ in files]
        yield f"{path} has no TFRecord named {' or '.join(absent)}; it holds {examples(names)}"
    for split in (one for one in held.splits if one in by_split):
        of_split = by_split[split]
        yield from _none_readable(path, held, of_split, lambda file: _is_record(next(iter(read_records(file)), None)))


def _is_record(numbered: tuple[int, object] | None) -> bool:
    return numbered is not None and isinstance(numbered[1], bytes)


def _label_map(path: Path, held: Held, images: Path) -> Iterator[str]:
    from spine.annotations.label_map import read_label_map

    found, wanted = read_label_map(path, held.labels).names, dict(enumerate(held.labels, start=1))
    if wanted and found != wanted:
        told = [", ".join(f"{number} {name}" for number, name in one.items()) for one in (found, wanted)]
        yield f"{path} has the classes {told[0]}; they should be {told[1]}"


_CHECKS: Mapping[Format, Callable[[Path, Held, Path], Iterator[str]]] = {
    "dicom": _dicom,
    "picture": _picture,
    "mask": _mask,
    "boxes": _boxes,
    "table": _table,
    "tfrecord": _tfrecord,
    "label_map": _label_map,
}
