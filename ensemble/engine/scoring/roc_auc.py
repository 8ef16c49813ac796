"""The area under the ROC curve of many weight vectors: the share of pairs in which the positive ranks above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensemble.engine.scoring.compiled import compiled
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.presolve import Presolved
from ensemble.engine.scoring.stack import Stack, fused_blocks
from spine.core.problems import SpineError

__all__ = ["RocAuc"]

WORTH_COMPILING = 100_000_000  # samples that are ranked; below it NumPy is done before numba is imported
MOST_PAIRS = 4_000_000  # looked at one by one


@dataclass(frozen=True)
class RocAuc:
    """Scores (V,) of weights (V, M): the mean area over classes; `parts` are positives (M, P) and negatives (M, Q)."""

    parts: tuple[tuple[np.ndarray, np.ndarray], ...]
    vectors: int = 1

    @classmethod
    def of(cls, stack: Stack, vectors: int = 1) -> RocAuc:
        """Of two classes by the last one's probability, of more each class that occurs against the rest."""
        labels = [1] if stack.probabilities.shape[2] == 2 else np.unique(stack.truth).tolist()
        by_label = [(stack.probabilities[:, :, label], stack.truth == label) for label in labels]
        return cls(tuple((scores[:, positive], scores[:, ~positive]) for scores, positive in by_label), vectors)

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Scores (V,)."""
        return np.mean([self._area(*part, weights) for part in self.parts], axis=0)

    def _area(self, positives: np.ndarray, negatives: np.ndarray, weights: np.ndarray) -> np.ndarray:
        ranked = self.vectors * (positives.shape[1] + negatives.shape[1])
        count = compiled(twice_won_by_merging) if ranked > WORTH_COMPILING else twice_won
        both = np.concatenate([positives, negatives], axis=1)
        won = [count(*_sorted(fused, positives.shape[1])) for fused in fused_blocks(weights, both)]
        return np.concatenate(won) / (2 * positives.shape[1] * negatives.shape[1])

    def by_pairs(self) -> ConfusionMetric:
        """The same as counts of pairs, in which a tie counts for the negative: what a line search follows.

        SpineError where there are too many pairs.
        """
        pairs = sum(positives.shape[1] * negatives.shape[1] for positives, negatives in self.parts)
        if pairs > MOST_PAIRS:
            raise SpineError(
                f"method 'line' searches roc_auc over pairs of a positive and a negative: {pairs:,} here, at most "
                f"{MOST_PAIRS:,} are supported; use method grid, or search log_loss"
            )
        groups = np.repeat(np.arange(len(self.parts)), [a.shape[1] * b.shape[1] for a, b in self.parts])
        scores = np.concatenate([_pairs(positives, negatives) for positives, negatives in self.parts], axis=1)
        presolved = Presolved.from_probabilities(scores, groups, len(self.parts))

        def function(confusions: np.ndarray) -> np.ndarray:
            return (confusions[..., 1] / confusions.sum(axis=-1)).mean(axis=-1)

        return ConfusionMetric(presolved, function)


def _pairs(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Every pair (M, P * Q, 2): what the negative scored, and what the positive did."""
    shape = (len(positives), positives.shape[1], negatives.shape[1])
    columns = [np.broadcast_to(negatives[:, None, :], shape), np.broadcast_to(positives[:, :, None], shape)]
    return np.stack(columns, axis=-1).reshape(len(positives), -1, 2)


def twice_won(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Twice the pairs that (V, P) wins against (V, Q), a tie being half a win: whole numbers (V,). Rows are sorted."""
    return np.array(
        [
            np.searchsorted(low, high, side="left").sum() + np.searchsorted(low, high, side="right").sum()
            for high, low in zip(positives, negatives, strict=True)
        ]
    )


def twice_won_by_merging(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """The same for numba."""
    out = np.empty(len(positives), np.int64)
    for v in range(len(positives)):
        less, not_more, won = 0, 0, 0  # how many of negatives[v] are less than, and not more than, the value at hand
        for value in positives[v]:
            while less < negatives.shape[1] and negatives[v, less] < value:
                less += 1
            not_more = max(not_more, less)
            while not_more < negatives.shape[1] and negatives[v, not_more] <= value:
                not_more += 1
            won += less + not_more
        out[v] = won
    return out


def _sorted(fused: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(fused[:, :count], axis=1), np.sort(fused[:, count:], axis=1)
