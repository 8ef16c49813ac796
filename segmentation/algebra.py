"""The text of a compound loss, such as "dice + 0.5 * focal", read by a grammar of three lines; nothing is evaluated.

loss = term { "+" term }
term = [ number "*" ] name  |  name "*" number
name = one of `segmentation.losses.LOSSES`
"""

from __future__ import annotations

import re
from typing import NamedTuple

from segmentation.losses import LOSSES

__all__ = ["Term", "parse"]

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_NAME = r"[A-Za-z_]\w*"
_TERM = re.compile(
    rf"\s*(?:(?P<before>{_NUMBER})\s*\*\s*)?(?P<name>{_NAME})\s*|\s*(?P<first>{_NAME})\s*\*\s*(?P<after>{_NUMBER})\s*"
)


class Term(NamedTuple):
    """One loss and its weight in the sum."""

    weight: float
    name: str


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a loss in order; ValueError tells what does not follow the grammar, or which name is unknown."""
    return tuple(_term(part, text) for part in text.split("+"))


def _term(part: str, text: str) -> Term:
    match = _TERM.fullmatch(part)
    if match is None:
        raise ValueError(
            f"loss {text!r}: {part.strip()!r} is no term; write a sum of losses, each with a weight or without, "
            'such as "dice + 0.5 * focal"'
        )
    name = match["name"] or match["first"]
    if name not in LOSSES:
        raise ValueError(f"loss {text!r}: {name!r} is not known; the losses are {', '.join(LOSSES)}")
    weight = float(match["before"] or match["after"] or 1)
    if weight == 0:
        raise ValueError(f"loss {text!r}: {name!r} has weight 0; leave it out")
    return Term(weight, name)
