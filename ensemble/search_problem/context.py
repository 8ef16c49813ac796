"""What a search chose among, and what resampling its patients needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.engine.nested.scorers import Scorer
from ensemble.engine.scoring.objectives import Objective

__all__ = ["Repeat", "SearchContext"]

Repeat = Callable[[np.ndarray, int, Any], Iterator[float]]


@dataclass(frozen=True)
class SearchContext:
    """The `objective` of so many `members` under the chosen fusion, and what resampling needs.

    `scorers` are of every setting of the fusion, the chosen one first; `patients` are those of the units they count.
    `nothing` is the score of knowing nothing (0 where that has none), and `most` how many weights are worth the time
    of scoring them again. Where more than weights was chosen, `repeat` does all of it again for draws, steps and what a
    budget allows, and gives the scores on who was left out; `scorers_fitted_on` gives the scorers of members whose
    temperatures are fitted on some units (U,) only.
    """

    objective: Objective
    members: int
    scorers: tuple[Scorer, ...]
    patients: np.ndarray
    nothing: float
    most: int
    repeat: Repeat | None = None
    scorers_fitted_on: Callable[[np.ndarray], tuple[Scorer, ...]] | None = None
