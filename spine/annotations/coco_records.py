"""The `images` and `categories` of a COCO file by their ids: 3, 3.0 and "3" are one, and "003" where it is alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spine.annotations.collector import Collector
from spine.annotations.safe_json import brief_repr, need
from spine.annotations.types import Malformed, known_text
from spine.core.numbers import whole

__all__ = ["Record", "Records", "identity_of"]


@dataclass(frozen=True)
class Record:
    """One record that has an id: its place, as problems name it, and its content."""

    where: str
    content: dict[str, Any]


class Records:
    """The records of one list of a file, `kind`, by their ids; `key` is what each of them tells.

    Those without an id or `key` are problems and left out. An id of several records is one too: all of them are kept,
    for what names the id may be of any.
    """

    def __init__(self, collector: Collector, file: Path, kind: str, records: list[Any], key: str) -> None:
        self.kind = kind
        self._key = key
        self._by_id: dict[str, list[Record]] = defaultdict(list)
        for place, content in enumerate(records):
            where = f"{file}: {kind}[{place}]"
            with collector.guard(where, nameless=kind == "images"):
                identity = identity_of(content, "id")
                if known_text(need(content, key, (str, int))) or kind != "images":
                    self._take(collector, identity, Record(where, content))
                else:
                    raise Malformed(f"{key!r} is empty", "name its picture")
        self._alike: dict[int, list[str]] = defaultdict(list)
        for identity in self._by_id:
            if (number := _number(identity)) is not None:
                self._alike[number].append(identity)

    def _take(self, collector: Collector, identity: str, record: Record) -> None:
        known = self._by_id[identity]
        if any(one.content == record.content for one in known):
            collector.warn(record.where, f"tells {known[0].where} again", "remove one of the two")
            return
        known.append(record)
        if len(known) > 1:
            reason = f"has the id {identity} of {known[0].where}: what names it may be of either"
            collector.error(record.where, reason, "give each record an id of its own")

    def __iter__(self) -> Iterator[Record]:
        return (record for records in self._by_id.values() for record in records)

    def of(self, identity: str) -> list[Record]:
        """The records that an id means: one, none, or several that share it."""
        if identity in self._by_id:
            return self._by_id[identity]
        number = _number(identity)
        alike = self._alike.get(number, []) if number is not None else []
        return [record for one in alike for record in self._by_id[one]]


def identity_of(record: Any, key: str) -> str:
    """An id, which may be text or a number, as text; Malformed where there is none."""
    value = need(record, key, (int, float, str))
    if isinstance(value, bool) or not (identity := known_text(value)):
        raise Malformed(f"{key!r} holds {brief_repr(value)}, which is no id")
    return identity


def _number(identity: str) -> int | None:
    try:
        return whole(identity)
    except ValueError:
        return None
