"""What differs between settings as they were written down and as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["differing"]


def differing(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, value before and after, of plain nested settings; entries of a list go by their place.

    A key that one of them lacks is of another version, and tells nothing.
    """
    for key, (old, new) in _paired(before, after).items():
        if old == new:
            continue
        if _paired(old, new):
            yield from ((f"{key}.{inner}", *values) for inner, *values in differing(old, new))
        else:
            yield key, old, new


def _paired(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    """What two mappings, or two lists of one length, have under the same key; nothing of other values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {key: (before[key], after[key]) for key in before if key in after}
    if _is_list(before) and _is_list(after) and len(before) == len(after) and _hold_settings(before, after):
        return {str(place): pair for place, pair in enumerate(zip(before, after, strict=True))}
    return {}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _hold_settings(*lists: Sequence[Any]) -> bool:
    return all(isinstance(entry, Mapping) for entries in lists for entry in entries)
