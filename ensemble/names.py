"""Members' names beside other names in one table, one file or one figure: none may stand for two things.

A member may be called anything a folder may: `ensemble`, like a metric, or like a threshold of the fusion. No member's
name has a space, so what is renamed here can be no other member's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["POSTPROCESSED", "free", "weight_names"]

POSTPROCESSED = "as served"  # the row of a segmentation's ensemble with its masks post-processed


def free(name: str, members: Collection[str]) -> str:
    """What a row or picture that is no member's is called: its own name, or one that no member has."""
    while name in members:
        name = f"the {name}"
    return name


def weight_names(members: Sequence[str], others: Collection[str]) -> list[str]:
    """What the weights of members are called beside `others`, such as metrics: as the member, unless one of them is."""
    return [f"{name} (weight)" if name in others else name for name in members]
