"""Rules judged on patients that they have not seen: patients in folds, each rule run again without a fold's.

For each fold, the rules see the gains and the resamples of the other patients only, and their weights answer for the
patients of the fold. The answers of all folds together are scored once, on all patients, so that even few patients of
a fold can be judged by a rate such as an AUC; intervals are those of a bootstrap over patients, the same for all rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ensemble.engine.nested.resampled_gains import Draws
from ensemble.engine.nested.scorers import Scorer
from ensemble.engine.rules.rules import RULES, Evidence, Ruled
from spine.metrics.statistics import Interval, interval

__all__ = ["FOLDS", "CrossValidated", "Difference", "difference", "draws_of_folds", "fold_of_units"]

FOLDS = 5
FEWEST = 20  # resamples for an interval and a standard error


@dataclass(frozen=True)
class Difference:
    """One rule's score less another's on the same patients, its interval, and its standard error over resamples."""

    interval: Interval
    error: float


def fold_of_units(patients: np.ndarray, seed: int, folds: int = FOLDS) -> np.ndarray:
    """The fold (U,) of every unit: a patient's units share one, and folds are as even in patients as can be.

    Fewer folds than asked for where there are fewer patients.
    """
    names, patient_of = np.unique(patients, return_inverse=True)
    folds = min(folds, len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of_patient = np.empty(len(names), dtype=int)
    fold_of_patient[order] = np.arange(len(names)) % folds
    return fold_of_patient[patient_of]


def draws_of_folds(patients: np.ndarray, fold_of: np.ndarray, resamples: int, seed: int) -> list[Draws]:
    """Of every fold the patients of all others, and so many resamples of these; nothing of a single fold."""
    folds = range(fold_of.max() + 1) if fold_of.any() else ()
    return [Draws.of_patients(patients, resamples, seed + 1 + fold, own=fold_of != fold) for fold in folds]


@dataclass(frozen=True)
class CrossValidated:
    """What each rule's weights said of patients that it had not seen: `said`, rule -> an answer for all units.

    `evidence` is what every fold leaves, `ruled` are the weights that rules make of it, `fold_of` (U,) is the fold of
    every unit.
    """

    evidence: Sequence[Evidence]
    fold_of: np.ndarray
    ruled: Mapping[str, Sequence[Ruled]]
    said: Mapping[str, Any]

    @classmethod
    def of(cls, evidence: Sequence[Evidence], fold_of: np.ndarray) -> Self | None:
        """None where there are no two folds, or what a fold leaves has nothing to score."""
        if len(evidence) < 2 or not all(one.gains.is_defined for one in evidence):
            return None
        ruled = {name: [rule(one) for one in evidence] for name, rule in RULES.items()}
        silent = cls(evidence, fold_of, ruled, {})
        return replace(silent, said={name: silent.joined(of_folds) for name, of_folds in ruled.items()})

    def joined(self, of_folds: Sequence[Ruled]) -> Any:
        """What weights, those of every fold, say of the fold's own patients."""
        said = [
            next(iter(one.gains.scorers[ruled.setting].said(ruled.weights[None])))
            for one, ruled in zip(self.evidence, of_folds, strict=True)
        ]
        return self._scorer.join(said, self.fold_of == np.arange(len(of_folds))[:, None])

    @property
    def _scorer(self) -> Scorer:
        return self.evidence[0].gains.scorers[0]

    @property
    def sign(self) -> int:
        """1 where higher scores are better, else -1."""
        return self.evidence[0].gains.sign

    def gain(self, said: Any) -> float:
        """The score of what was said of all patients, negated where lower is better; NaN where it is undefined."""
        return self.sign * float(self._scorer.score(said, np.ones((1, len(self.fold_of))))[0])

    def scores(self, said: Any, draws: np.ndarray) -> np.ndarray:
        """The score of all patients, then those of draws (R, U) of them: (1 + R,)."""
        return self._scorer.score(said, np.concatenate([np.ones((1, len(self.fold_of))), draws]))


def difference(one: np.ndarray, other: np.ndarray, draws: np.ndarray) -> Difference:
    """Of two rules' `scores` on the same draws; too few of them make no interval and no error."""
    value, *found = one - other
    if len(found) < FEWEST:
        return Difference(Interval(float(value), np.nan, np.nan, 0), np.nan)
    known = np.array(found)[np.isfinite(found)]
    error = float(known.std(ddof=1)) if len(known) > 1 else np.nan
    return Difference(interval(lambda counted: value if counted.ndim == 1 else np.array(found), draws), error)
