"""The area under the ROC curve on any draws of patients, from what each pair of patients wins: ranked once a vector.

The area is the share of pairs in which a positive is above a negative. Let W[a, b] count those of patient a's positives
over patient b's negatives, a tie being half a win. A draw that counts the patients d times has d'W d of d'P d'N pairs,
P and N being how many of each class a patient has. Whole numbers and halves are exact in floats, so that this is what
`spine.metrics` gives, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.engine.scoring.stack import Stack, fused_blocks
from spine.metrics.rates import mean_of_defined, ratio

__all__ = ["areas_on_draws", "pays"]

LARGEST = 4_000_000  # numbers in one intermediate array
DEAR = 60  # pairs of patients a unit, beyond which sorting the units in every draw is faster


def pays(patients: np.ndarray) -> bool:
    """Whether pairs of patients (U,) are few enough, and pairs of their units, at most U^2 / 4, fit into memory."""
    units = len(patients)
    return len(np.unique(patients)) ** 2 <= DEAR * units and units**2 <= 4 * LARGEST


def areas_on_draws(stack: Stack, patients: np.ndarray, weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
    """A row (R,) for each of the weights (V, M); all units of a patient count alike in each of the draws (R, U)."""
    classes = range(stack.probabilities.shape[2])
    columns = [_Column.of(stack, patients, draws, c) for c in (classes[-1:] if len(classes) == 2 else classes)]
    rows = max(1, LARGEST // max(column.largest for column in columns))
    for start in range(0, len(weights), rows):
        block = weights[start : start + rows]
        yield from mean_of_defined(np.stack([column.areas(block) for column in columns], axis=-1))


@dataclass(frozen=True)
class _Column:
    """One class against the rest: what members give its `positives` (M, P) and `negatives` (M, Q), patient by patient.

    A patient's own begin at `starts` of each; `drawn` are how often the patients count (K, R) that have any.
    """

    positives: np.ndarray
    negatives: np.ndarray
    starts: tuple[np.ndarray, np.ndarray]
    drawn: tuple[np.ndarray, np.ndarray]
    pairs: np.ndarray

    @classmethod
    def of(cls, stack: Stack, patients: np.ndarray, draws: np.ndarray, label: int) -> _Column:
        order = np.argsort(patients, kind="stable")
        high, low = order[stack.truth[order] == label], order[stack.truth[order] != label]
        firsts = [np.unique(patients[rows], return_index=True)[1] for rows in (high, low)]
        drawn = [np.ascontiguousarray(draws[:, rows[first]].T) for rows, first in zip((high, low), firsts, strict=True)]
        said = stack.probabilities[:, :, label]
        pairs = draws[:, high].sum(axis=1) * draws[:, low].sum(axis=1)
        return cls(said[:, high], said[:, low], (firsts[0], firsts[1]), (drawn[0], drawn[1]), pairs)

    @property
    def largest(self) -> int:
        """Numbers in the largest array of one weight vector."""
        patients, resamples = self.drawn[0].shape
        return max(self.positives.shape[1] * self.negatives.shape[1], patients * resamples, 1)

    def areas(self, weights: np.ndarray) -> np.ndarray:
        """(V, R), NaN where a draw has one class only."""
        if not len(self.starts[0]) or not len(self.starts[1]):
            return np.full((len(weights), len(self.pairs)), np.nan)
        high = np.concatenate([*fused_blocks(weights, self.positives)])[:, :, None]
        low = np.concatenate([*fused_blocks(weights, self.negatives)])[:, None, :]
        won = np.add(high > low, high >= low, dtype=np.float32) / 2
        wins = np.add.reduceat(np.add.reduceat(won, self.starts[0], axis=1), self.starts[1], axis=2).astype(np.float64)
        against = (wins.reshape(-1, wins.shape[2]) @ self.drawn[1]).reshape(*wins.shape[:2], -1)  # one large product
        return ratio(np.einsum("vkr,kr->vr", against, self.drawn[0]), self.pairs)
