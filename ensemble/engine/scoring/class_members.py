"""Members that take part class by class: weights of classes made weights of pseudo-members.

To the search each member becomes one pseudo-member a class, which has the member's probability of that class and 0 of
the others: weights of classes are weights of pseudo-members, and every score is as linear in them as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ensemble.engine.scoring.presolve import reduce_chunk
from spine.core.problems import SpineError

__all__ = ["SUM_LIMIT", "TooManyPixels", "one_class_each", "reduce_by_class", "within_memory"]

SUM_LIMIT = 4.0  # the sum of a class's weights lies between 1/SUM_LIMIT and SUM_LIMIT, so that no class falls silent
MOST_BYTES = 2e9  # of pixels that class weights can change
MARGIN = 1e-6  # of a ratio, more than rounding changes it


class TooManyPixels(SpineError):
    """The pixels that class weights can change do not fit into memory."""


def one_class_each(probabilities: np.ndarray) -> np.ndarray:
    """Pseudo-members (M * C, N, C) of members (M, N, C), a member's classes one after the other."""
    classes = probabilities.shape[2]
    alone = np.eye(classes, dtype=probabilities.dtype)[None, :, None]
    return (probabilities[:, None] * alone).reshape(-1, *probabilities.shape[1:])


def reduce_by_class(probabilities: np.ndarray, groups: np.ndarray, total: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """What `reduce_chunk` gives, for class weights within their bounds, of members (M, N, C).

    A class is fused to at least 1/SUM_LIMIT of what every member gives it, and at most SUM_LIMIT times what any does.
    """
    surest = probabilities.min(axis=0).max(axis=1, keepdims=True)
    possible = probabilities.max(axis=0) * SUM_LIMIT**2 * (1 + MARGIN) >= surest
    return reduce_chunk(one_class_each(probabilities), groups, total, possible)


def within_memory(
    chunks: Iterable[tuple[np.ndarray, list[np.ndarray]]],
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """The chunks of pixels as they come; TooManyPixels once they hold more than `MOST_BYTES`."""
    held = 0
    for counts, parts in chunks:
        held += sum(part.nbytes for part in parts)
        if held > MOST_BYTES:
            raise TooManyPixels(
                "per_class keeps the probabilities of every pixel that class weights can change, also where all "
                f"members agree but are not sure, and here are more than {MOST_BYTES / 1e9:g} GB; search on fewer "
                "images or members, or leave per_class out"
            )
        yield counts, parts
