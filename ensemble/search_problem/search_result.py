"""What a search finds: the chosen weights, how they were found, and the best points as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.names import weight_names
from ensemble.search_problem.context import SearchContext
from ensemble.search_problem.resampling import Resampled
from ensemble.search_problem.weight_rules import WeightRules
from spine.core.problems import write_sheet
from spine.tasks import TASKS

__all__ = ["Point", "SearchResult", "write_points"]


@dataclass(frozen=True)
class Point:
    """A weight vector by member, its score, and of detection the thresholds of the fusion."""

    weights: Mapping[str, float]
    score: float
    fusion: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """The chosen `weights` (sum 1, zeros included) and their `score` by `spine.metrics` on the weighted mean.

    `evaluated` counts the weight vectors settled exactly (of a grid: all), `scored` those whose metric was computed,
    `ties` how many distinct ones reach the optimum (at least, where `why` says so); `why` tells how this one was found
    among them. `best` holds the best points, this one first; `singles` each member alone, `equal` the equal weights. Of
    detection, `fusion` holds the chosen thresholds, which `equal` has too; vectors are counted once for each pair of
    thresholds, and `singles` are members' own detections, not fused.

    `weights`, `fusion` and `score` are those of the `rule`; where patients are known, `rules` has those of every rule
    and how they compare, `resampled` what they were made of, and `context` what was searched. All else is of the
    optimum.

    With `temperatures`, members are scaled by them before anything else, also in `singles` and `equal`. With
    `class_weights`, `score` is theirs and `weights` are their means, while `best` has ordinary weights.
    """

    weights: Mapping[str, float]
    score: float
    metric: str
    method: str
    step: float
    evaluated: int
    scored: int
    ties: int
    why: str
    best: tuple[Point, ...] = field(repr=False)  # up to a hundred
    singles: Mapping[str, float]
    equal: float
    fusion: Mapping[str, float] = field(default_factory=dict)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    class_weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    rule: str = "optimum"
    rules: WeightRules | None = field(default=None, repr=False)
    context: SearchContext | None = field(default=None, repr=False)
    resampled: Resampled | None = field(default=None, repr=False)


def write_points(result: SearchResult, task: str, path: Path) -> None:
    """Write the best points as CSV, a column a member, of detection one a threshold, and the score, best first."""
    weights = weight_names(list(result.weights), [*result.fusion, result.metric])
    rows = [
        {**dict(zip(weights, point.weights.values(), strict=True)), **point.fusion, result.metric: point.score}
        for point in result.best
    ]
    table = pd.DataFrame(rows)
    if (undefined := table[result.metric].isna()).any():
        table["undefined"] = np.where(undefined, TASKS[task].metrics.why_undefined(result.metric), "")
    write_sheet(table, path)
