"""Post-processing of masks: the pieces of a class that are too many or too small are taken for what is likeliest else.

A piece is what is connected through a side or a corner. Of classes of one unit, such as the vertebrae by their levels,
a piece first becomes of the class that most of its pixels have. What is dropped becomes the next most probable class of
another unit; where even then a piece would be dropped, as a speck of another such class, it becomes background. So no
piece is left that the rules do not allow, and a piece of the class from the first goes before one that others became.
`pieces_graph` is the same in a graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from spine.experiment.postprocess import PieceRule

__all__ = ["kept_pieces", "postprocess", "units_of"]

_NEIGHBOURS = np.ones((3, 3), bool)


def postprocess(probabilities: np.ndarray, rules: Mapping[int, PieceRule]) -> np.ndarray:
    """The mask (H, W) int32 of probabilities (H, W, C), background first, by the `rules` of some classes."""
    units = units_of(rules, probabilities.shape[-1])
    mask = _of_one_class(probabilities.argmax(axis=-1), units)
    kept = kept_pieces(mask, rules)
    own = units == units[mask][..., np.newaxis]
    others = np.where(own, -1, probabilities).argmax(axis=-1)
    mask = _of_one_class(np.where(kept, mask, others), units)
    return np.where(kept_pieces(mask, rules, kept), mask, 0).astype(np.int32)


def units_of(rules: Mapping[int, PieceRule], classes: int) -> np.ndarray:
    """The unit of each class (C,): the lowest class of those that are one to the eye, its own number of one alone."""
    units = np.arange(classes)
    for label, rule in rules.items():
        units[label] = label if rule.unit is None else rule.unit
    return units


def _of_one_class(mask: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The mask (H, W) where each piece of a unit has the class of most of its pixels, of as many the lowest."""
    united = mask.copy()
    for unit in np.flatnonzero(np.bincount(units) > 1):
        pieces, count = ndimage.label(units[mask] == unit, _NEIGHBOURS)
        votes = np.zeros((count + 1, len(units)), int)
        np.add.at(votes, (pieces, mask), 1)
        united = np.where(pieces > 0, votes.argmax(axis=1)[pieces], united)
    return united


def kept_pieces(mask: np.ndarray, rules: Mapping[int, PieceRule], sure: np.ndarray | None = None) -> np.ndarray:
    """Whether each pixel's piece stays (H, W), of a mask (H, W) of class indices.

    Of a class with `most` those stay that are largest, of equal ones that whose first pixel is higher, then further
    left; and those of at least `share` of the area of its largest piece. A piece with a pixel that is `sure` (H, W)
    goes before larger ones.
    """
    kept = np.ones(mask.shape, bool)
    for label, rule in rules.items():
        pieces, count = ndimage.label(mask == label, _NEIGHBOURS)
        if not count:
            continue
        numbers, firsts, areas = np.unique(pieces, return_index=True, return_counts=True)
        numbers, firsts, areas = (values[numbers > 0] for values in (numbers, firsts, areas))
        first = np.isin(numbers, pieces[sure]) if sure is not None else np.zeros(count, bool)
        ranks = np.empty(count, int)
        ranks[np.lexsort((firsts, -areas, ~first))] = np.arange(count)
        among = ranks < (rule.most or count)
        stays = among & (areas >= rule.share * areas[among].max())
        kept[np.isin(pieces, numbers[~stays])] = False
    return kept
