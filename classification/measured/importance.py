"""How much worse a fitted model becomes when one measurement is shuffled among rows that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classification.measured.fitted import Fitted
from classification.measured.learn import Rows
from classification.measured.measure import MEASUREMENTS
from spine.member.importance import Importance, Rise

__all__ = ["importance_of"]

REPEATS = 10
TITLES = tuple(MEASUREMENTS.values())


def importance_of(fitted: Fitted, rows: Rows, seed: int, titles: Sequence[str] = TITLES) -> Importance:
    """Permutation importance (Breiman 2001) of each column: the rise of the cross-entropy on validation rows, in nats.

    A value that lacks is shuffled as any other.
    """
    random = np.random.default_rng(seed)
    before = _cross_entropy(fitted, rows.measured, rows.values)
    rises = {}
    for number, title in enumerate(titles):
        shuffled = rows.measured.copy()
        worse = []
        for _ in range(REPEATS):
            shuffled[:, number] = random.permutation(rows.measured[:, number])
            worse.append(_cross_entropy(fitted, shuffled, rows.values) - before)
        rises[title] = Rise(mean=float(np.mean(worse)), deviation=float(np.std(worse)))
    return Importance(split="validation", rows=len(rows.values), repeats=REPEATS, loss=before, rises=rises)


def _cross_entropy(fitted: Fitted, measured: np.ndarray, values: np.ndarray) -> float:
    probabilities = fitted.predict(measured)[np.arange(len(values)), values]
    return float(-np.log(np.clip(probabilities, 1e-15, None)).mean())
