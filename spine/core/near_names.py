"""The name that was meant, where one was written that is not known; and names that may be one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "near_names", "unknown_name"]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ ". Did you mean 'vgg16'?", to end an error that has listed the names; empty where none of them is near.

    Capitals do not count.
    """
    folded = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold(), folded, n=1)
    return f". Did you mean {folded[near[0]]!r}?" if near else ""


def unknown_name(what: str, name: str, names: Iterable[str]) -> str:
    """The error of a name that is none of `names`, which it lists in their order."""
    known = list(names)
    return f"{what} {name!r} is not known; it is one of {', '.join(known)}{did_you_mean(name, known)}"


def near_names(names: Iterable[str]) -> list[list[str]]:
    """The names, each group sorted, that differ by capital letters or leading zeros alone: `p01`, `P1`, as a
    spreadsheet makes `1` of `01`.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(re.sub(r"(?<!\d)0+(?=\d)", "", name.casefold()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
