"""Weights that a person gives, such as those a paper printed: every member once, normalised to sum 1."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError

__all__ = ["describe_given", "normalised_weights", "require_shares"]

MOST = 1e6
SAME = 1e-9  # how far from 1 a sum of written decimals may be by rounding alone


def require_shares(weights: Mapping[str, float]) -> None:
    """ValueError where a weight is below 0 or above MOST, or none is above 0."""
    if outside := [name for name, weight in weights.items() if not 0 <= weight <= MOST]:
        raise ValueError(f"the weight of {outside[0]} is {weights[outside[0]]:g}; give 0 to {MOST:g}")
    if not any(weights.values()):
        raise ValueError("all weights are 0; give one member more")


def normalised_weights(weights: Mapping[str, float], members: Collection[str], where: str) -> dict[str, float]:
    """The weights in the order of the members, divided by their sum; `where` names them in an error.

    SpineError where a name is no member's, or a member has no weight: one that is to be left out is given 0.
    """
    for name in weights:
        if name not in members:
            raise SpineError(
                f"{where} names {name!r}, which is no member; the members are {', '.join(members)}"
                f"{did_you_mean(name, members)}"
            )
    if missing := [name for name in members if name not in weights]:
        raise SpineError(f"{where} has no weight for {', '.join(missing)}; give each member one, 0 to leave it out")
    total = math.fsum(weights.values())
    return {name: float(weights[name]) / total for name in members}


def describe_given(weights: Mapping[str, float]) -> str:
    """That nobody searched them, and what they were divided by where they did not sum to 1."""
    total = math.fsum(weights.values())
    if abs(total - 1) < SAME:
        return "The weights were given by hand, not searched."
    return f"The weights were given by hand, not searched; they sum to {total:g} and were divided by that."
