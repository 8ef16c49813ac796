"""The text of a compound loss, such as "dice + 0.5 * focal", read by a grammar of three lines; nothing is evaluated.

loss = term { "+" term }
term = [ number "*" ] name  |  name "*" number
name = "dice" | "paper_dice" | "focal" | "cross_entropy"
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["NAMES", "Term", "parse"]

NAMES = ("dice", "paper_dice", "focal", "cross_entropy")

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
    found = _TERM.fullmatch(part)
    if found is None:
        raise ValueError(
            f"loss {text!r}: {part.strip()!r} is no term; write a sum of losses, each with a weight or without, "
            'such as "dice + 0.5 * focal"'
        )
    name = found["name"] or found["first"]
    if name not in NAMES:
        raise ValueError(f"loss {text!r}: {name!r} is not known; the losses are {', '.join(NAMES)}")
    weight = float(found["before"] or found["after"] or 1)
    if weight == 0:
        raise ValueError(f"loss {text!r}: {name!r} weighs nothing; leave it out")
    return Term(weight, name)
