"""JSON files of annotations: bounded, and of no key that is told twice in different ways."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spine.annotations.text_file import read_text
from spine.annotations.types import EXPORT_AGAIN, Malformed, as_malformed
from spine.core.problems import brief
from spine.images.integrity import check_bytes

__all__ = ["brief_repr", "need", "parse_json", "repeated_keys"]

_GROWTH = {"{": 232, "[": 88, ",": 40}  # bytes in memory of an object, a list, and a value in one, about
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class _Repeating(dict[str, Any]):
    """An object some of whose keys are told twice, and differ: which of the values holds, nobody knows."""

    keys_told_twice: tuple[str, ...] = ()


def parse_json(path: Path) -> Any:
    """A JSON file's content; Malformed where it cannot be read or would take more memory than the budget of a file."""
    text = read_text(path)
    with as_malformed(path):
        check_bytes(len(text) + sum(size * text.count(sign) for sign, size in _GROWTH.items()), path)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise Malformed(f"is not readable JSON: {reason}", EXPORT_AGAIN) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) == len(pairs):
        return record
    repeating = _Repeating(record)
    twice = (key for key, value in pairs if value is not record[key] and value != record[key])
    repeating.keys_told_twice = tuple(dict.fromkeys(twice))
    return repeating


def repeated_keys(record: Any) -> tuple[str, ...]:
    """The keys of a parsed object that are told twice, and differ."""
    return record.keys_told_twice if isinstance(record, _Repeating) else ()


def need(record: Any, key: str, kind: type | tuple[type, ...] = object) -> Any:
    """`record[key]` of an object; Malformed where it is none, repeats a key, lacks this one or holds another kind."""
    if not isinstance(record, Mapping):
        raise Malformed(f"is {type(record).__name__}, not an object with keys")
    if twice := repeated_keys(record):
        raise Malformed(f"tells the key {twice[0]!r} twice, and differently", "keep one of the two")
    if key not in record:
        raise Malformed(f"lacks the key {key!r}; it has {brief(', '.join(map(str, record))) or 'none'}")
    if not isinstance(record[key], kind):
        raise Malformed(f"{key!r} holds {brief_repr(record[key])}, which is {type(record[key]).__name__}")
    return record[key]


def brief_repr(value: Any) -> str:
    """A parsed value in a few letters, whatever its size."""
    return brief(_SHORT.repr(value))
