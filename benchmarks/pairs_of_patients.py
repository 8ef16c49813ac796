"""The area under the ROC curve of any draws of patients, from what each pair of patients wins: one matrix product.

Of a weight vector, entry (a, b) of a K x K matrix W counts the positives of patient a that rank above the negatives of
patient b. A draw that counts patients d (K,) times then has the area d W d / ((d P) (d N)), where P and N are each
patient's positives and negatives. The search does the same (`ensemble.engine.nested.area_by_patient`) for the draws of
one search; here the wins of a grid are kept for hundreds of searches among the same patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ensemble.engine.nested.scorers import Scorer

__all__ = ["PairsOfPatients"]

BLOCK = 128  # weight vectors whose pairs are held at a time


@dataclass(frozen=True)
class PairsOfPatients(Scorer):
    """The AUC of members' `probabilities` (M, N) of the positive class; the units that draws count are K patients.

    `truth` (N,) is 0 or 1, `patient_of` (N,) the number of each row's patient. A `grid` (V, M) that is asked for again
    and again is ranked once. What is said are the wins (K, K).
    """

    probabilities: np.ndarray
    truth: np.ndarray
    patient_of: np.ndarray
    grid: np.ndarray

    def __call__(self, weights: np.ndarray, draws: np.ndarray) -> Iterator[np.ndarray]:
        """The same for all weights at once."""
        wins = self._of_grid if weights is self.grid else self._wins(weights)
        return iter(self._areas(wins, draws))

    def said(self, weights: np.ndarray) -> Iterator[np.ndarray]:
        """Wins of each vector."""
        return iter(self._wins(weights))

    def join(self, said: Sequence[np.ndarray], units: np.ndarray) -> np.ndarray:
        """Not to be had: patients that were scored by different weights have no wins over each other."""
        raise NotImplementedError("wins of different weights do not join")

    def score(self, said: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Of one vector."""
        return self._areas(said[None], draws)[0]

    @cached_property
    def _of_grid(self) -> np.ndarray:
        return self._wins(self.grid)

    @cached_property
    def _positives(self) -> np.ndarray:
        """Which rows (N, K) are positives of which patient, as 0 and 1."""
        return (np.eye(self.patient_of.max() + 1)[self.patient_of] * self.truth[:, None]).astype(np.float32)

    @cached_property
    def _negatives(self) -> np.ndarray:
        return (np.eye(self.patient_of.max() + 1)[self.patient_of] * (1 - self.truth)[:, None]).astype(np.float32)

    def _wins(self, weights: np.ndarray) -> np.ndarray:
        """(V, K, K); a tie is half a win. Halves of whole numbers are exact in float32."""
        high, low = self.truth == 1, self.truth == 0
        winners, losers = self._positives[high].T, self._negatives[low]
        wins = np.empty((len(weights), len(winners), losers.shape[1]), np.float32)
        for start in range(0, len(weights), BLOCK):
            fused = weights[start : start + BLOCK] @ self.probabilities
            above, below = fused[:, high, None], fused[:, None, low]
            pairs = np.add(above > below, above >= below, dtype=np.float32)
            wins[start : start + BLOCK] = winners @ (pairs / 2) @ losers
        return wins

    def _areas(self, wins: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """(V, R), NaN where a draw holds one class."""
        pairs = (draws[:, :, None] * draws[:, None, :]).reshape(len(draws), -1)
        won = wins.reshape(len(wins), -1) @ pairs.astype(np.float32).T
        of_pairs = (draws @ self._positives.sum(axis=0)) * (draws @ self._negatives.sum(axis=0))
        return won / np.where(of_pairs > 0, of_pairs, np.nan)
