"""What else people take to find ensemble weights, for the score that each reaches on the same predictions."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

__all__ = ["Peer", "autogluon", "minimised"]

Score = Callable[[np.ndarray], float]  # of weights (M,) that sum to 1


class Peer(NamedTuple):
    """What one found: its name, the score of its weights, and how it was spent."""

    name: str
    score: float
    spent: str


def minimised(method: str, score: Score, members: int, starts: int = 1) -> Peer:
    """SciPy's SLSQP or Nelder-Mead on the negative score, from equal weights, and more starts at random."""
    random = np.random.default_rng(0)
    begin = [np.full(members, 1 / members), *random.dirichlet(np.ones(members), starts - 1)]
    asked = 0

    def loss(weights: np.ndarray) -> float:
        nonlocal asked
        asked += 1
        positive = np.clip(weights, 0, None)
        return -score(positive / positive.sum()) if positive.sum() > 0 else 0.0

    sums_to_one = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    extra = {"bounds": [(0, 1)] * members, "constraints": [sums_to_one]} if method == "SLSQP" else {}
    found = [minimize(loss, weights, method=method, **extra) for weights in begin]
    return Peer(f"{method}, {starts} starts", -min(one.fun for one in found), f"{asked:,} scores")


def autogluon(
    python: Path, probabilities: np.ndarray, truth: np.ndarray, metric: str, picks: int, score: Score
) -> Peer:
    """AutoGluon's greedy selection of so many picks, in the interpreter that has autogluon.core."""
    script = Path(__file__).with_name("autogluon_selection.py")
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        np.savez(problem, probabilities=probabilities, truth=truth)
        start = time.perf_counter()
        done = subprocess.run([python, script, problem, metric, str(picks)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    spent = f"{found['seconds']:.1f} s, {time.perf_counter() - start:.1f} s with its start"
    return Peer(f"AutoGluon's greedy selection, {picks} picks", score(np.array(found["weights"])), spent)
