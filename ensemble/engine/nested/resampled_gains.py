"""Gains of a grid of weights on some patients, on bootstrap resamples of them, and on those that each left out.

One pass over the grid serves everything that is asked of resamples: what a vector says of the units is found once, and
counted for every draw. A gain is a score where higher is better, else the score negated.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ensemble.engine.grid.choice import SAME
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.nested.scorers import Scorer
from spine.core.progress import track
from spine.metrics.statistics import patient_resamples

__all__ = ["MOST_VECTORS", "Draws", "ResampledGains", "grid_weights", "steps_within"]

MOST_VECTORS = 20_000  # of the grid that is searched again in every resample


@dataclass(frozen=True)
class Draws:
    """`own` (U,) bool are the units that weights may be chosen on, `drawn` (R, U) how often a resample counts each.

    `patients` (U,) are those of the units.
    """

    patients: np.ndarray
    own: np.ndarray
    drawn: np.ndarray

    @classmethod
    def of_patients(cls, patients: np.ndarray, resamples: int, seed: int, own: np.ndarray | None = None) -> Self:
        """So many resamples of the patients (U,) of units, of those that are `own` where that is given."""
        own = np.ones(len(patients), dtype=bool) if own is None else own
        drawn = np.zeros((resamples, len(patients)))
        drawn[:, own] = patient_resamples(patients[own], resamples, seed)
        return cls(patients, own, drawn)

    @property
    def left_out(self) -> np.ndarray:
        """The own units (R, U) that each resample did not draw, each once."""
        return np.where(self.own, self.drawn == 0, 0.0)

    @property
    def columns(self) -> np.ndarray:
        """All that is counted (1 + 2 R, U): the own units, the resamples, and what these left out."""
        return np.concatenate([self.own[None].astype(np.float64), self.drawn, self.left_out])


@dataclass(frozen=True)
class ResampledGains:
    """Gains of V pairs of weights (V, M) and a setting of the fusion (V,), the number of its scorer.

    `whole` (V,) are those on all own units of the `draws`, `drawn` and `left_out` (V, R) those on resamples, of which
    only those count that leave a unit out, and on whose drawn units every vector has a score. What they left out may
    have none.
    """

    scorers: tuple[Scorer, ...]
    draws: Draws
    sign: int
    weights: np.ndarray
    setting: np.ndarray
    whole: np.ndarray
    drawn: np.ndarray
    left_out: np.ndarray

    @classmethod
    def of(
        cls,
        scorers: Sequence[Scorer],
        weights: np.ndarray,
        draws: Sequence[Draws],
        *,
        higher_is_better: bool,
        shown: bool = False,
    ) -> list[Self]:
        """Of weights (V, M), each under every scorer, in one pass for all of the `draws`."""
        columns = [one.columns for one in draws]
        counted, sign = np.concatenate(columns), 1 if higher_is_better else -1
        rows = itertools.chain.from_iterable(scorer(weights, counted) for scorer in scorers)
        gains = np.empty((len(scorers) * len(weights), len(counted)))
        for number, row in enumerate(track(rows, "resampled patients", len(gains), shown=shown)):
            gains[number] = sign * row
        parts = np.split(gains, np.cumsum([len(one) for one in columns])[:-1], axis=1)
        tiled = np.tile(weights, (len(scorers), 1))
        setting = np.repeat(np.arange(len(scorers)), len(weights))
        return [
            cls(tuple(scorers), one, sign, tiled, setting, *_split(part))._of_defined()
            for one, part in zip(draws, parts, strict=True)
        ]

    def _of_defined(self) -> Self:
        defined = np.isfinite(self.drawn).all(axis=0) & self.draws.left_out.any(axis=1)
        draws = replace(self.draws, drawn=self.draws.drawn[defined])
        return replace(self, draws=draws, drawn=self.drawn[:, defined], left_out=self.left_out[:, defined])

    @property
    def members(self) -> int:
        """How many."""
        return self.weights.shape[1]

    @property
    def resamples(self) -> int:
        """How many count."""
        return self.drawn.shape[1]

    @property
    def judged(self) -> np.ndarray:
        """The numbers of the resamples on whose left-out units every vector has a score, too."""
        return np.flatnonzero(np.isfinite(self.left_out).all(axis=0))

    @property
    def is_defined(self) -> bool:
        """Whether any of the weights has a score on the own units."""
        return bool(np.isfinite(self.whole).any())

    def within(self, allowed: np.ndarray) -> Self:
        """Of those weights (V,) that are allowed."""
        if allowed.all():
            return self
        names = ("weights", "setting", "whole", "drawn", "left_out")
        return replace(self, **{name: getattr(self, name)[allowed] for name in names})

    def centre(self) -> np.ndarray:
        """The mean (M,) of the weights that share the highest gain on the own units."""
        return _centres(self.weights, self.whole[:, None])[0]

    def centres(self) -> np.ndarray:
        """The same (R, M) of every resample."""
        return _centres(self.weights, self.drawn)

    def gains_of(self, weights: np.ndarray) -> np.ndarray:
        """Gains (S, K) of any weights (K, M) on the own units, under every setting."""
        own = self.draws.own[None].astype(np.float64)
        return self.sign * np.stack([np.concatenate([*scorer(weights, own)]) for scorer in self.scorers])

    def best_setting(self, weights: np.ndarray) -> tuple[int, float]:
        """The setting that is best for any weights (M,) on the own units, and their gain under it."""
        gains = np.nan_to_num(self.gains_of(weights[None])[:, 0], nan=-np.inf)
        best = int(gains.argmax())
        return best, float(gains[best])

    def on_drawn(self, weights: np.ndarray, setting: int) -> np.ndarray:
        """Gains (R,) of any weights (M,) on each resample, under one setting."""
        return self.sign * np.asarray(next(self.scorers[setting](weights[None], self.draws.drawn)))

    def on_left_out(self, weights: np.ndarray, setting: int = 0) -> np.ndarray:
        """Gains (R,) of any weights (M,) on what each resample left out, under one setting."""
        return self.sign * np.asarray(next(self.scorers[setting](weights[None], self.draws.left_out)))


def _split(gains: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """On the whole, drawn, and left out; nothing to score is the worst on the whole."""
    drawn, left_out = np.split(gains[:, 1:], 2, axis=1)
    return np.where(np.isnan(gains[:, 0]), -np.inf, gains[:, 0]), drawn, left_out


def _centres(weights: np.ndarray, gains: np.ndarray) -> np.ndarray:
    tied = (gains >= gains.max(axis=0) - SAME).astype(np.float64)
    return (tied.T @ weights) / tied.sum(axis=0)[:, None]


def steps_within(members: int, steps: int, most: int = MOST_VECTORS) -> int:
    """The search's own steps, or the most that keep the grid within so many vectors; at least 1."""
    while steps > 1 and Simplex(members, steps).size > most:
        steps -= 1
    return steps


def grid_weights(members: int, steps: int, allowed: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """All weights (V, M) of the grid, those that `allowed` permits."""
    grid = Simplex(members, steps)
    weights = grid.weights(np.arange(grid.size))
    return weights[allowed(weights)] if allowed else weights
