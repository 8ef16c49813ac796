"""The rules that make weights of the gains on some patients and their resamples. Each sees these patients only.

exponential the mean of all weights of the grid, each by how well it does in units of noise (`exponential`)
shrunk      part of the way from equal weights to the mean of the resamples' optima (`shrinkage`)
optimum     the best weights on the patients
equal       equal weights
bagged      the mean of the resamples' optima
dropped     the worst members left out, equal weights of the others: as many as is best on the patients
penalised   the best of gain less kappa times the squared distance from equal weights; kappa is the one whose choices on
            resamples do best on the patients that these left out

Where a budget forbids equal weights of all members, the members of the optimum are those whose weights are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ensemble.engine.grid.choice import first_choice, first_choices
from ensemble.engine.nested.resampled_gains import ResampledGains
from ensemble.engine.rules.exponential import Weighing, weigh
from ensemble.engine.rules.shrinkage import Shrinkage, shrink

__all__ = ["KAPPAS", "RULES", "Evidence", "Ruled"]

KAPPAS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # gains per squared distance of weights
Allowed = Callable[[np.ndarray], np.ndarray]  # weights (V, M) -> (V,) bool


@dataclass(frozen=True)
class Ruled:
    """A rule's `weights` (M,) under a `setting` of the fusion, by its number, and their `gain` on the patients."""

    weights: np.ndarray
    setting: int
    gain: float


@dataclass(frozen=True)
class Evidence:
    """What rules look at: the `gains` of a grid on some patients, and which weights a budget `allowed`."""

    gains: ResampledGains
    allowed: Allowed | None = None

    @cached_property
    def optimum(self) -> int:
        """The number of the best of the grid."""
        return first_choice(self.gains.weights, self.gains.whole)

    @cached_property
    def target(self) -> np.ndarray:
        """Equal weights (M,): of all members, or of the optimum's where a budget forbids that."""
        equal = np.full(self.gains.members, 1 / self.gains.members)
        if self.allows(equal):
            return equal
        chosen = self.gains.weights[self.optimum] > 0
        return chosen / chosen.sum()

    @cached_property
    def within_target(self) -> ResampledGains:
        """The gains of weights on the target's members alone."""
        strangers = self.gains.weights[:, self.target == 0]
        return self.gains.within(np.asarray(~strangers.any(axis=1)))

    @cached_property
    def shrinkage(self) -> Shrinkage:
        """How far the patients support going from equal weights."""
        return shrink(self.within_target.centre(), self.within_target.centres(), self.target)

    @cached_property
    def weighing(self) -> Weighing:
        """All weights of the grid, averaged by how well they do."""
        return weigh(self.within_target, self.target, self.shrinkage.mean)

    @cached_property
    def kappa(self) -> float:
        """The penalty of `penalised`; of several that do as well, and where no resample tells, the largest."""
        gains, judged = self.gains, self.gains.judged
        if not len(judged):
            return KAPPAS[-1]
        held = [gains.left_out[self._picks(kappa)[judged], judged].mean() for kappa in KAPPAS]
        return KAPPAS[len(KAPPAS) - 1 - int(np.argmax(held[::-1]))]

    def _picks(self, kappa: float) -> np.ndarray:
        return first_choices(self.gains.weights, self.gains.drawn - kappa * self.distances[:, None])

    @cached_property
    def distances(self) -> np.ndarray:
        """Squared distances (V,) of the grid's weights from equal weights."""
        return np.square(self.gains.weights - 1 / self.gains.members).sum(axis=1)

    def allows(self, weights: np.ndarray) -> bool:
        """Whether the budget allows weights (M,)."""
        return self.allowed is None or bool(self.allowed(weights[None])[0])

    def ruled(self, weights: np.ndarray) -> Ruled:
        """Any weights (M,) under the setting of the fusion that is best for them on the patients."""
        return Ruled(weights, *self.gains.best_setting(weights))

    def of_grid(self, number: int) -> Ruled:
        """A vector of the grid, by its number."""
        gains = self.gains
        return Ruled(gains.weights[number], int(gains.setting[number]), float(gains.whole[number]))


def _dropped(evidence: Evidence) -> Ruled:
    """Members leave in the order of their own gains, the worst first; of ties the one with more members is taken."""
    kept = np.flatnonzero(evidence.target)
    alone = evidence.gains.gains_of(np.eye(evidence.gains.members)[kept]).max(axis=0)
    ranked = kept[np.argsort(-alone, kind="stable")]
    path = [evidence.ruled(_equal(ranked[:count], evidence.gains.members)) for count in range(len(ranked), 0, -1)]
    return max((one for one in path if evidence.allows(one.weights)), key=lambda one: one.gain)


def _equal(chosen: np.ndarray, members: int) -> np.ndarray:
    weights = np.zeros(members)
    weights[chosen] = 1 / len(chosen)
    return weights


def _penalised(evidence: Evidence) -> Ruled:
    penalised = evidence.gains.whole - evidence.kappa * evidence.distances
    return evidence.of_grid(first_choice(evidence.gains.weights, penalised))


RULES: dict[str, Callable[[Evidence], Ruled]] = {
    "exponential": lambda evidence: evidence.ruled(evidence.weighing.weights),
    "shrunk": lambda evidence: evidence.ruled(evidence.shrinkage.weights),
    "optimum": lambda evidence: evidence.of_grid(evidence.optimum),
    "equal": lambda evidence: evidence.ruled(evidence.target),
    "bagged": lambda evidence: evidence.ruled(evidence.shrinkage.mean),
    "dropped": _dropped,
    "penalised": _penalised,
}
