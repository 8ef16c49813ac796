"""The name that was meant, where one was written that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ ". Did you mean 'vgg16'?", to end an error that has listed the names; empty where none of them is near.

    Capitals do not count.
    """
    folded = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold(), folded, n=1)
    return f". Did you mean {folded[near[0]]!r}?" if near else ""
