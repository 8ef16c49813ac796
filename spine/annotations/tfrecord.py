"""TFRecords of tf.Example under the TF Object Detection API's keys, with a `label_map.pbtxt` beside them.

Beyond the API's keys a record may tell image/patient_id, image/sequence, image/split, image/labels/<target>, and of
each box image/object/level and image/object/values/<target>. Crowd regions are left out; a warning a file says how
many.
Pictures lie within the records: a source reads them with `read: tfrecord`. Keys: spine.annotations.tf_example.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from spine.annotations.collector import Collector
from spine.annotations.label_map import LABEL_MAP, LabelMap, read_label_map
from spine.annotations.sources import split_named, split_of
from spine.annotations.tf_example import (
    BOX,
    CLASS,
    CORNERS,
    LABELS,
    LEVEL,
    VALUES,
    Features,
    fractions_of,
    name_of,
    parse,
    picture_size,
    text_of,
    texts_of,
    wholes_of,
)
from spine.annotations.tfrecord_writer import write
from spine.annotations.tfrecords import missing_shards, read_records, record_files
from spine.annotations.types import Annotation, Box, Malformed, Reading, UnknownClass

__all__ = ["read", "split_of_file", "write"]

# Of the image's extent: the API's own check holds corners beyond it to be pixels, not fractions.
_FAR = 0.1
_ADD_IT = "correct it, or add it to the label map"


def read(
    path: Path,
    *,
    labels: Collection[str] | None = None,
    images: Path | None = None,
    label_map: Path | str | None = None,
) -> Reading:
    """Read a TFRecord file, or all below a folder; names of files or folders (`train.record-...`) tell the split.

    `label_map` names the classes that records tell by number; without it, `label_map.pbtxt` beside the records does. A
    problem's place is `<file>: record <number from 0>[: box <number from 0>]`.
    """
    files = record_files(path)
    classes = _classes(path, label_map, labels or ())
    collector = Collector(labels, images, hold_pictures=True)
    for missing in missing_shards([file for file, _ in files]):
        collector.error(missing, "is missing beside the other shards of its name", "copy it from where they came from")
    for file, folder in files:
        with collector.guard(file):
            _read_file(collector, file, folder, classes)
    return collector.reading()


def _read_file(collector: Collector, file: Path, folder: PurePath, classes: LabelMap) -> None:
    number, crowds = -1, 0
    for number, record in read_records(file):
        where = f"{file}: record {number}"
        with collector.guard(where, nameless=True):
            features = parse(record)
            image = name_of(features, folder, number, file)
            annotation, refused = Annotation(image), list[str]()
            with collector.guard(where, refused):  # of what cannot be told here, its boxes may be some
                annotation = _annotation(collector, where, features, image, file, classes)
                crowds += sum(map(bool, _crowds(features)))
            collector.add(where, replace(annotation, refused=(*annotation.refused, *refused)))
    if crowds:
        collector.warn(file, f"{crowds} crowd regions were left out", "draw their objects one by one")
    if number < 0:
        collector.error(file, "holds no record", "write the file again from its source")


def _classes(path: Path, label_map: Path | str | None, labels: Collection[str]) -> LabelMap:
    folder = path if path.is_dir() else path.parent
    if label_map is None and not (folder / LABEL_MAP).is_file():
        return LabelMap({}, {})
    return read_label_map(Path(label_map) if label_map is not None else folder / LABEL_MAP, labels)


def _annotation(
    collector: Collector, where: str, features: Features, image: str, file: Path, classes: LabelMap
) -> Annotation:
    size = picture_size(features)
    stated = split_named(text_of(features, "image/split"))
    refused: list[str] = []
    boxes = tuple(_boxes(collector, where, features, size, classes, refused))
    return Annotation(
        image,
        boxes,
        labels=collector.values(where, _values(features, LABELS, 1)[0]),
        patient=text_of(features, "image/patient_id"),
        sequence=text_of(features, "image/sequence"),
        split=stated or split_of(image) or split_of_file(file),
        size=size,
        refused=tuple(refused),
    )


def split_of_file(file: PurePath) -> str:
    """What `train.record`, `coco_val.record-00000-of-00010` are of, "" where no word tells: the API names them so."""
    return next(filter(None, (split_of(f"{word}/x") for word in re.split(r"[\W_]+", file.name))), "")


def _values(features: Features, prefix: str, count: int) -> list[dict[str, str]]:
    """Target -> value of each of `count` boxes, or of the one image, from the keys that begin so."""
    by_target = {key.removeprefix(prefix): texts_of(features, key) for key in features if key.startswith(prefix)}
    lengths = {target: len(values) for target, values in by_target.items() if len(values) not in (0, count)}
    if lengths:
        target, length = next(iter(lengths.items()))
        raise Malformed(f"{prefix + target!r} holds {length} values where there are {count}; one each holds")
    return [{target: values[number] for target, values in by_target.items() if values} for number in range(count)]


def _boxes(
    collector: Collector,
    where: str,
    features: Features,
    size: tuple[int, int],
    classes: LabelMap,
    refused: list[str],
) -> Iterator[Box]:
    corners = [fractions_of(features, BOX + side) for side in CORNERS]
    names, numbers = texts_of(features, CLASS + "text"), wholes_of(features, CLASS + "label")
    crowds, levels = _crowds(features), texts_of(features, LEVEL)
    _check_lengths(
        dict(zip(CORNERS, corners, strict=True)),
        {"class/text": names, "class/label": numbers, "is_crowd": crowds, "level": levels},
    )
    values = _values(features, VALUES, len(corners[0]))
    for number, fractions in enumerate(zip(*corners, strict=True)):
        if crowds and crowds[number]:
            refused.append("a crowd region")
            continue
        box = f"{where}: box {number}"
        with collector.guard(box, refused):
            label = _label(names[number] if names else "", numbers[number] if numbers else None, classes)
            level = collector.values(box, {"level": levels[number]} if levels else {}).get("level", "")
            yield collector.box(label, _in_pixels(fractions, size), level, collector.values(box, values[number]))


def _check_lengths(needed: Mapping[str, Sequence[Any]], optional: Mapping[str, Sequence[Any]]) -> None:
    """Malformed where lists of one value a box differ in length; an optional one may be empty."""
    told = {**needed, **{key: values for key, values in optional.items() if values}}
    if len({len(values) for values in told.values()}) > 1:
        lengths = ", ".join(f"{key} {len(values)}" for key, values in told.items())
        raise Malformed(f"tells {lengths} values; one a box holds")


def _crowds(features: Features) -> list[int]:
    return wholes_of(features, "image/object/is_crowd")


def _label(name: str, number: int | None, classes: LabelMap) -> str:
    """The class of a box by its name and its number, of which either may be missing and both must agree."""
    if not name.strip():
        if number is None:
            raise UnknownClass("has an empty class", "give class/text or class/label")
        if number not in classes.names:
            raise UnknownClass(f"has the unknown class {number}; {_names_in(classes)}", _ADD_IT)
        return classes.names[number]
    known = classes.ids.get(name)
    if classes.ids and known is None:
        raise UnknownClass(f"has the unknown class {name!r}; {_names_in(classes)}", _ADD_IT)
    if known is not None and number not in (known, None):
        raise UnknownClass(f"has the class {name!r}, which is {known} in the label map, and the number {number}")
    return classes.names[known] if known is not None else name


def _names_in(classes: LabelMap) -> str:
    pairs = ", ".join(f"{number} {name!r}" for number, name in classes.names.items())
    return f"the label map has {pairs}" if pairs else f"there is no {LABEL_MAP} to name it: give `label_map`"


def _in_pixels(fractions: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Corners in pixels; Malformed where they are no fractions of the image."""
    if not all(math.isfinite(value) for value in fractions):
        raise Malformed(f"has corners {fractions}; finite fractions of width and height hold")
    if min(fractions) < -_FAR or max(fractions) > 1 + _FAR:
        advice = "divide pixels by the image's width and height, or draw the box again"
        raise Malformed(f"lies outside the image: its corners {fractions} are no fractions from 0 to 1", advice)
    height, width = size
    # float32 holds whole pixels to a thousandth: they come back whole.
    return [round(value * extent, 3) for value, extent in zip(fractions, (width, height) * 2, strict=True)]
