"""Annotations and pictures -> sharded TFRecords of tf.Example and their label map: the writer of `tfrecord`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from spine.annotations import tfrecords
from spine.annotations.label_map import LABEL_MAP, write_label_map
from spine.annotations.sources import split_folder
from spine.annotations.tf_example import BOX, CLASS, LABELS, LEVEL, VALUES, encode
from spine.annotations.types import Annotation, Box
from spine.core.problems import SpineError
from spine.images.pictures import encode_png, read_picture, stretched_to_8_bit

__all__ = ["write"]


def write(
    annotations: Iterable[Annotation],
    path: Path,
    *,
    images: Path,
    labels: Sequence[str] = (),
    name: str = "data",
    shards: int = 1,
    depth: int = 8,
) -> None:
    """Write `<path>/<split or name>.tfrecord-00000-of-<shards>` ... and, of boxes, `<path>/label_map.pbtxt`.

    Pictures come from `images` and lie in the records as PNG. Of `depth` 8 their grey levels are stretched to 0..255,
    since pipelines of the API decode eight bits; of 16 they stay as they are. Classes are numbered from 1 in the order
    of `labels`, then of appearance. It cannot hold masks. SpineError where `path` holds records already.
    """
    if depth not in (8, 16):
        raise SpineError(f"depth is {depth}; it is 8 or 16 bits")
    if found := [file for file in path.glob("*") if tfrecords.is_records(file)]:
        raise SpineError(f"{path} holds {found[0].name} already; remove its records, or write to another folder")
    annotations = tuple(annotations)
    names = list(dict.fromkeys([*labels, *(box.label for found in annotations for box in found.boxes)]))
    with ExitStack() as stack:
        opened: dict[str, tfrecords.Shards] = {}
        for annotation in annotations:
            part = split_folder(annotation) or name
            if part not in opened:
                opened[part] = stack.enter_context(tfrecords.shards(path / part, shards))
            opened[part].write(encode(_features(annotation, images, names, depth)))
    if names:  # a map without a class is none
        write_label_map(names, path / LABEL_MAP)


def _features(annotation: Annotation, images: Path, names: Sequence[str], depth: int) -> dict[str, Sequence[Any]]:
    pixels = read_picture(images / annotation.image, annotation.image).pixels
    encoded = encode_png(stretched_to_8_bit(pixels) if depth == 8 else pixels)
    optional = {
        "image/patient_id": annotation.patient,
        "image/sequence": annotation.sequence,
        "image/split": annotation.split,
        **{LABELS + target: value for target, value in annotation.labels.items()},
    }
    return {
        "image/encoded": [encoded],
        "image/format": ["png"],
        "image/key/sha256": [hashlib.sha256(encoded).hexdigest()],
        "image/filename": [annotation.image],
        "image/source_id": [annotation.image],
        "image/height": [pixels.shape[0]],
        "image/width": [pixels.shape[1]],
        **_of_boxes(annotation.boxes, pixels.shape, names),
        **{key: [value] for key, value in optional.items() if value},
    }


def _of_boxes(boxes: Sequence[Box], shape: tuple[int, ...], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    height, width = shape
    targets = dict.fromkeys(target for box in boxes for target in box.values)
    return {
        BOX + "xmin": [box.x0 / width for box in boxes],
        BOX + "ymin": [box.y0 / height for box in boxes],
        BOX + "xmax": [box.x1 / width for box in boxes],
        BOX + "ymax": [box.y1 / height for box in boxes],
        CLASS + "text": [box.label for box in boxes],
        CLASS + "label": [names.index(box.label) + 1 for box in boxes],
        "image/object/is_crowd": [0 for _ in boxes],
        **({LEVEL: [box.level for box in boxes]} if any(box.level for box in boxes) else {}),
        **{VALUES + target: [box.values.get(target, "") for box in boxes] for target in targets},
    }
