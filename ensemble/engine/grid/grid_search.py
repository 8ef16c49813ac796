"""The exact optimum of a simplex grid on all cores; the answer does not depend on their number.

Every vector is scored where they are not too many; a finer grid is searched by branch and bound.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from ensemble.engine.grid.branch_and_bound import branch_and_bound
from ensemble.engine.grid.choice import Choice
from ensemble.engine.grid.penalty import Penalty
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.objectives import Objective
from spine.core.cores import usable_cores
from spine.core.disk import require_room
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.metrics import detection

__all__ = ["search_grid"]

CHUNK = 2048  # vectors a thread takes at a time
ENUMERATED = 1_000_000  # vectors that are all scored, so that the hundred best are known, not only the ties
LARGEST = 50_000_000  # vectors whose scores are held: 400 MB


def search_grid(
    objective: Objective,
    grid: Simplex,
    *,
    penalty: float = 0.0,
    progress: bool = False,
    unfinished: Path | None = None,
    keep: bool = False,
) -> Choice:
    """The exact optimum over the whole grid; SpineError where the grid is too large for the metric.

    With a `penalty` kappa, of the gains less kappa ||w - 1/M||^2, which the choice then has as its gains.

    With `unfinished`, scores are kept in that file while the search runs, and one that was stopped goes on from there.
    The caller names the file for the inputs; it is gone when the search is done, unless `keep`: of several searches
    that belong together, those that are done are then not done again.
    """
    scores, penalising = objective.scores, Penalty(penalty, grid)
    if grid.size > ENUMERATED and isinstance(scores, ConfusionMetric) and scores.upper_bound:
        file = unfinished and unfinished.with_suffix(".json")
        return branch_and_bound(scores, grid, penalty=penalty, progress=progress, unfinished=file, keep=keep)
    if grid.size > LARGEST:
        has_lines = objective.has_lines and objective.metric not in detection.METRICS
        others = "line, greedy, tpe or cmaes" if has_lines else "greedy, tpe or cmaes"
        raise SpineError(
            f"{grid.members} members at step 1/{grid.steps} make {grid.size:,} weight vectors; method grid searches at "
            f"most {LARGEST:,} for {objective.metric}. Use a larger step, fewer members, or method {others}"
        )
    gains = _kept(unfinished, grid.size) if unfinished else np.full(grid.size, np.nan)
    _fill(gains, objective, grid, progress)
    # The file has gains without a penalty, so that it serves a search with another penalty as well.
    choice = penalising.told(Choice.among(grid.weights, penalising.taken_from(gains)))
    if unfinished and not keep:
        unfinished.unlink()
    return choice


def _kept(path: Path, size: int) -> np.ndarray:
    """What an earlier run scored, NaN where it did not get to; writing to the array writes the file."""
    with suppress(FileNotFoundError, ValueError):  # none there, or cut short
        kept = np.lib.format.open_memmap(path, mode="r+")
        if kept.shape == (size,) and kept.dtype == np.float64:
            return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    require_room(path, 8 * size, "what a search has scored")  # a mapped file ends the process on a full disk
    kept = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(size,))
    kept[:] = np.nan
    return kept


def _fill(gains: np.ndarray, objective: Objective, grid: Simplex, progress: bool) -> None:
    def fill(start: int) -> None:
        numbers = np.arange(start, min(start + CHUNK, grid.size))
        gains[numbers] = objective.gains(grid.weights(numbers))

    starts = [start for start in range(0, grid.size, CHUNK) if np.isnan(gains[start : start + CHUNK]).any()]
    with ThreadPoolExecutor(usable_cores()) as pool:
        for _ in track(pool.map(fill, starts), "weight search", len(starts), shown=progress):  # raises a thread's error
            pass
