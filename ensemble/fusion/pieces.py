"""Post-processing of masks: the pieces of a class that are too many or too small are taken for what is likeliest else.

A piece is what is connected through a side or a corner. What is dropped becomes the next most probable class; where
even then a piece would be dropped, as a speck of another such class, it becomes background. So no piece is left that
the rules do not allow, and a piece of the class from the first goes before one that others became. `pieces_graph` is
the same in a graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from spine.experiment.postprocess import PieceRule

__all__ = ["kept_pieces", "postprocess"]

_NEIGHBOURS = np.ones((3, 3), bool)


def postprocess(probabilities: np.ndarray, rules: Mapping[int, PieceRule]) -> np.ndarray:
    """The mask (H, W) int32 of probabilities (H, W, C), background first, by the `rules` of some classes."""
    mask = probabilities.argmax(axis=-1)
    kept = kept_pieces(mask, rules)
    own = np.arange(probabilities.shape[-1]) == mask[..., np.newaxis]
    mask = np.where(~kept[..., np.newaxis] & own, -1, probabilities).argmax(axis=-1)
    return np.where(kept_pieces(mask, rules, kept), mask, 0).astype(np.int32)


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
