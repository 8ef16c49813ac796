"""One tf.Example under the TF Object Detection API's keys: its features as lists, and the picture inside it.

    image/encoded, image/format             the picture's file, "png" or "jpeg"
    image/filename, image/source_id         its name
    image/height, image/width               in pixels
    image/object/bbox/{xmin,ymin,xmax,ymax} corners as fractions of width and height, one value a box
    image/object/class/{text,label}         the name, and its number in the label map, from 1
    image/object/{is_crowd,difficult,...}   one value a box

Source: dataset_tools and core/standard_fields.py of object_detection, https://github.com/tensorflow/models
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

import numpy as np

from spine.annotations.safe_json import brief_repr
from spine.annotations.sources import image_name, size_of
from spine.annotations.tfrecords import Damaged
from spine.annotations.types import Malformed, as_malformed, known_text
from spine.core.numbers import whole
from spine.core.problems import SpineError
from spine.images.pictures import decode_picture
from spine.images.pictures import picture_size as size_in_bytes

__all__ = [
    *("BOX", "CLASS", "CORNERS", "LABELS", "LEVEL", "VALUES", "Features"),
    *("encode", "fractions_of", "name_of", "parse", "picture_size", "pixels_of", "text_of", "texts_of", "wholes_of"),
]

BOX, CLASS = "image/object/bbox/", "image/object/class/"
LABELS, VALUES = "image/labels/", "image/object/values/"  # ours: then the target's name
LEVEL = "image/object/level"  # ours too

CORNERS = ("xmin", "ymin", "xmax", "ymax")
Features = Mapping[str, Sequence[Any]]
_Number = TypeVar("_Number", int, float)

_EXPORT_AGAIN = "write the record again from its source; the other records go on"


def parse(record: bytes | Damaged) -> Features:
    """Key -> values of one record; Malformed where it is damaged or no tf.Example."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    if isinstance(record, Damaged):
        raise Malformed(str(record), _EXPORT_AGAIN)
    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise Malformed("is no tf.Example", _EXPORT_AGAIN) from error
    kinds = {key: feature.WhichOneof("kind") for key, feature in features.items()}
    return {key: getattr(features[key], kind).value for key, kind in kinds.items() if kind}


def encode(features: Mapping[str, Sequence[Any]]) -> bytes:
    """The serialised tf.Example of key -> values: text and bytes, whole numbers, or fractions; none is no key."""
    import tensorflow as tf

    return tf.train.Example(
        features=tf.train.Features(feature={key: _feature(values) for key, values in features.items() if values})
    ).SerializeToString(deterministic=True)


def _feature(values: Sequence[Any]) -> Any:
    import tensorflow as tf

    if any(isinstance(value, float) for value in values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if all(isinstance(value, int) for value in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    texts = [value.encode() if isinstance(value, str) else value for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))


def text_of(features: Features, key: str) -> str:
    """The one text of a key, "" where there is none; Malformed where there are several, or it is no UTF-8."""
    texts = texts_of(features, key)
    if len(texts) > 1:
        raise Malformed(f"{key!r} holds {len(texts)} values, not one")
    return known_text(next(iter(texts), ""))


def texts_of(features: Features, key: str) -> list[str]:
    """The values of a key as text, whether they are text or numbers; Malformed where they are no UTF-8."""
    try:
        return [value.decode() if isinstance(value, bytes) else known_text(value) for value in features.get(key, ())]
    except UnicodeDecodeError as error:
        raise Malformed(f"{key!r} holds no UTF-8 text") from error


def wholes_of(features: Features, key: str) -> list[int]:
    """The whole numbers of a key; Malformed where they are text or fractions."""
    return [_number(key, value, whole, "whole numbers") for value in features.get(key, ())]


def fractions_of(features: Features, key: str) -> list[float]:
    """The numbers of a key, NaN and infinity among them; Malformed where they are text."""
    return [_number(key, value, float, "numbers") for value in features.get(key, ())]


def _number(key: str, value: Any, read: Callable[[Any], _Number], kind: str) -> _Number:
    try:
        if isinstance(value, bytes):
            raise ValueError(value)
        return read(value)
    except ValueError as error:
        raise Malformed(f"{key!r} holds {brief_repr(value)}; {kind} are right", _EXPORT_AGAIN) from error


def name_of(features: Features, folder: PurePath, number: int, file: Path) -> str:
    """The image's name below its source: image/filename, else image/source_id, else the file's name and `#number`."""
    stated = text_of(features, "image/filename") or text_of(features, "image/source_id")
    return image_name(stated or f"{file.name}#{number}", folder)


def picture_size(features: Features) -> tuple[int, int]:
    """Height and width in pixels as the record or, where it does not, the picture tells; Malformed without either."""
    stated = size_of(*(next(iter(features.get(key, ())), None) for key in ("image/height", "image/width")))
    return stated or _size_of_picture(features)


def _size_of_picture(features: Features) -> tuple[int, int]:
    try:
        return size_in_bytes(features["image/encoded"][0], Path("image/encoded"))
    except (SpineError, LookupError, TypeError, AttributeError) as error:
        raise Malformed("tells neither image/height and image/width nor a picture in image/encoded") from error


def pixels_of(features: Features, where: str) -> np.ndarray:
    """The picture (H, W) uint16 in image/encoded; Malformed where there is none that can be read."""
    data = next(iter(features.get("image/encoded", ())), b"")
    if not isinstance(data, bytes) or not data:
        raise Malformed("has no picture in image/encoded", "write the record again with its picture")
    try:
        with as_malformed(where):
            return decode_picture(data, Path(where))
    except Malformed as error:
        raise Malformed(f"its picture {error}", error.advice) from error
