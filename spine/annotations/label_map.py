"""The label map of the TF Object Detection API: `label_map.pbtxt`, the names of the classes 1, 2 ...

    item {
      id: 1
      name: 'Lum'
    }

Its messages are told here, as far as names and ids go, to protobuf's own text parser: comments, quotes and fields of
other releases (keypoints, frequencies) are read as the API reads them.
Format: object_detection/protos/string_int_label_map.proto, https://github.com/tensorflow/models
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from spine.annotations.text_file import read_text
from spine.annotations.types import Malformed
from spine.core.files import atomic_file
from spine.core.problems import SpineError

__all__ = ["LABEL_MAP", "LabelMap", "read_label_map", "write_label_map"]

LABEL_MAP = "label_map.pbtxt"  # its name beside the records

_SCHEMA = """
    name: "label_map.proto"
    message_type {
      name: "Item"
      field { name: "name"         number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
      field { name: "id"           number: 2 type: TYPE_INT32  label: LABEL_OPTIONAL }
      field { name: "display_name" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
    }
    message_type {
      name: "LabelMap"
      field { name: "item" number: 1 type: TYPE_MESSAGE type_name: ".Item" label: LABEL_REPEATED }
    }
"""


@dataclass(frozen=True)
class LabelMap:
    """The classes of a data set: `names` maps an id, from 1, to the label of its boxes.

    `ids` maps each `name`, and each `display_name`, to its id.
    """

    names: dict[int, str]
    ids: dict[str, int]


def read_label_map(path: Path, labels: Collection[str] = ()) -> LabelMap:
    """Read a label map; SpineError tells the line that is no text format, an id below 1, or what is named twice.

    Of an item's `name` and `display_name` the label is the one that `labels` has, `name` first; where they have none of
    the two it is the `display_name`, which people read.
    """
    message = _parse(path)
    if not message.item:
        raise SpineError(f"{path} holds no item; write `item {{ id: 1 name: 'disc' }}` for each class")
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for number, item in enumerate(message.item, start=1):
        where = f"{path}: item {number}"
        spellings = dict.fromkeys(text for text in (item.display_name, item.name) if text.strip())
        if not spellings:
            raise SpineError(f"{where} (id {item.id}) has an empty name; give it one")
        if item.id < 1:
            raise SpineError(f"{where} ({', '.join(spellings)}) has the id {item.id}; ids begin at 1, 0 is background")
        if item.id in names:
            raise SpineError(f"{where} has the id {item.id} of {names[item.id]!r}; give each class an id of its own")
        if repeated := [text for text in spellings if text in ids]:
            raise SpineError(f"{where} has the name {repeated[0]!r} of id {ids[repeated[0]]}; a class has one item")
        known = (text for text in (item.name, item.display_name) if text in labels)
        names[item.id] = next(known, next(iter(spellings)))
        ids |= dict.fromkeys(spellings, item.id)
    return LabelMap(names, ids)


def write_label_map(labels: Sequence[str], path: Path) -> None:
    """Write the labels as the classes 1, 2 ... in their order."""
    from google.protobuf import text_format

    message = _message()()
    for number, label in enumerate(labels, start=1):
        message.item.add(id=number, name=label)
    with atomic_file(path) as temporary:
        temporary.write_text(text_format.MessageToString(message, as_utf8=True), encoding="utf-8")


def _parse(path: Path) -> Any:
    from google.protobuf import text_format

    try:
        return text_format.Parse(read_text(path), _message()(), allow_unknown_field=True)
    except Malformed as error:
        raise SpineError(f"{path} {error}; {error.advice}") from error
    except (text_format.ParseError, RecursionError, UnicodeError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else f"line:column : reason: {error}"
        raise SpineError(f"{path} is no label map ({reason}); each class is `item {{ id: 1 name: 'disc' }}`") from error


@cache
def _message() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    schema = text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(schema.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("LabelMap"))
