"""Choices of a member's settings by name, each an entry of a task's table. Cheap to import."""

from __future__ import annotations

from collections.abc import Iterable

from spine.core.near_names import did_you_mean

__all__ = ["known"]


def known(what: str, name: str, table: Iterable[str]) -> str:
    """The name, where the table has it; ValueError, which lists those it has, where not."""
    names = sorted(table)
    if name not in names:
        raise ValueError(f"{what} {name!r} is not known; it is one of {', '.join(names)}{did_you_mean(name, names)}")
    return name
