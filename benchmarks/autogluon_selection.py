"""AutoGluon's greedy ensemble selection on stored probabilities, for the benchmarks: it needs packages of its own.

    PYTHON_WITH_AUTOGLUON_CORE benchmarks/autogluon_selection.py PROBLEM.npz ... METRIC PICKS

A file holds `probabilities` (M, N, C), or (M, N) of the positive of two classes, and `truth` (N,). Prints the weights
and seconds of each as a line of JSON. METRIC is a name of autogluon.core.metrics, or `dice_foreground`.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from autogluon.core import metrics
from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection


def main() -> None:
    *paths, metric, picks = sys.argv[1:]
    for path in paths:
        with np.load(path) as problem:
            predictions, truth = list(problem["probabilities"].astype(np.float64)), problem["truth"]
        scorer = dice_foreground(predictions[0].shape[1]) if metric == "dice_foreground" else getattr(metrics, metric)
        kind = "binary" if predictions[0].ndim == 1 else "multiclass"
        selection = EnsembleSelection(ensemble_size=int(picks), problem_type=kind, metric=scorer)
        start = time.perf_counter()
        selection.fit(predictions, truth)
        print(json.dumps({"weights": np.asarray(selection.weights_).tolist(), "seconds": time.perf_counter() - start}))


def dice_foreground(classes: int) -> metrics.Scorer:
    def score(truth: np.ndarray, called: np.ndarray) -> float:
        both = [np.sum((called == c) & (truth == c)) for c in range(1, classes)]
        sizes = [np.sum(called == c) + np.sum(truth == c) for c in range(1, classes)]
        return float(np.mean([2 * b / s for b, s in zip(both, sizes, strict=True) if s]))

    return metrics.make_scorer("dice_foreground", score, optimum=1, greater_is_better=True, needs_class=True)


if __name__ == "__main__":
    main()
