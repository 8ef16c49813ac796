"""One line of a check: what a paper printed, what its own numbers imply, and whether the two hold together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Verdict", "agrees_if"]

# "implies": the paper does not print it, and it follows from what it prints. "open": its numbers are not at hand.
Verdict = Literal["agrees", "contradicts", "implies", "open"]


@dataclass(frozen=True)
class Finding:
    """`about` what, as `printed`, as `implied`, and the verdict."""

    about: str
    printed: str
    implied: str
    verdict: Verdict


def agrees_if(holds: bool) -> Verdict:
    """Whether the printed number is the implied one."""
    return "agrees" if holds else "contradicts"
