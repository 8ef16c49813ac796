"""Score every weight vector of a simplex grid on all cores; the answer does not depend on their number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ensemble.engine.choice import Choice
from ensemble.engine.cores import cores
from ensemble.engine.objectives import Objective
from ensemble.engine.simplex import Simplex
from spine.problems import SpineError

__all__ = ["search_grid"]

CHUNK = 2048  # vectors a thread takes at a time
LARGEST = 50_000_000  # vectors whose scores are held: 400 MB


def search_grid(objective: Objective, grid: Simplex, *, progress: bool = False) -> Choice:
    """The exact optimum over the whole grid; SpineError where the grid is too large to enumerate."""
    if grid.size > LARGEST:
        raise SpineError(
            f"{grid.members} members at step 1/{grid.steps} make {grid.size:,} weight vectors; at most {LARGEST:,} are "
            "enumerated: take a larger step, fewer members, or method greedy, tpe or cmaes"
        )
    return Choice.among(grid.weights, _gains(objective, grid, progress))


def _gains(objective: Objective, grid: Simplex, progress: bool) -> np.ndarray:
    from rich.console import Console
    from rich.progress import track

    def chunk(start: int) -> np.ndarray:
        return objective.gains(grid.weights(np.arange(start, min(start + CHUNK, grid.size))))

    starts = range(0, grid.size, CHUNK)
    with ThreadPoolExecutor(cores()) as pool:
        chunks = pool.map(chunk, starts)
        if progress:
            chunks = iter(track(chunks, "weight search", len(starts), console=Console(stderr=True), transient=True))
        return np.concatenate(list(chunks))
