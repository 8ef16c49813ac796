"""The exact weight search against a plain NumPy loop and Optuna's GridSampler, in one run, as ratios per vector.

    python benchmarks/classification_search.py [--members 6] [--samples 2000] [--classes 4] [--step 0.05]
        [--finer 0.01 0.005] [--autogluon PYTHON_WITH_AUTOGLUON_CORE]

The loop runs over the whole grid, and its optimum and number of ties must be the engine's. GridSampler searches the
largest cube of weights that has at most `--cube` points, for `--optuna-trials` trials. Times per vector are medians.
Finer grids are solved by branch and bound; what SciPy and AutoGluon's greedy selection reach is told beside them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import optuna
from peers import Peer, autogluon, minimised
from rich.console import Console
from rich.table import Table

from ensemble.search import SearchResult, search_weights


def main() -> None:
    arguments = parse()
    members, truth = make_members(arguments.members, arguments.samples, arguments.classes, arguments.seed)
    first, found = timed(lambda: search(members, truth, arguments.step))
    repeats = [timed(lambda: search(members, truth, arguments.step))[0] for _ in range(arguments.repeats)]
    engine = median(repeats) / found.evaluated
    loop, looped = time_loop(list(members.values()), truth, round(1 / arguments.step))
    sampler, cube = time_optuna(list(members.values()), truth, arguments.cube, arguments.optuna_trials)
    table = Table("search", "per vector", "times the engine", title=describe(arguments, found))
    table.add_row(f"exact grid ({median(repeats):.2f} s; first call {first:.2f} s)", f"{engine * 1e6:.2f} us", "1")
    table.add_row(f"NumPy loop ({len(looped):,} vectors)", f"{loop * 1e6:.0f} us", f"{loop / engine:,.0f}")
    table.add_row(f"GridSampler (cube of {cube:,})", f"{sampler * 1e3:.1f} ms", f"{sampler / engine:,.0f}")
    for finer in arguments.finer:
        seconds, one = timed(partial(search, members, truth, finer))
        told = f"exact grid, step {finer:g}: {one.evaluated:,} vectors in {seconds:.1f} s, accuracy {one.score:.4f}"
        table.add_row(told, f"{seconds / one.evaluated * 1e6:.3g} us", f"{seconds / one.evaluated / engine:.2g}")
    Console(width=130).print(table)
    for peer in peers_of(members, truth, arguments):
        print(f"{peer.name}: accuracy {peer.score:.4f} ({peer.spent}); the exact grid {found.score:.4f}")
    best = looped.max()
    same = found.score == best and found.ties == np.count_nonzero(looped == best)
    print(f"optimum {found.score:.4f}, ties {found.ties}: {'equal to' if same else 'NOT EQUAL TO'} the NumPy loop's")
    raise SystemExit(not same)


def peers_of(members: dict[str, np.ndarray], truth: np.ndarray, arguments: argparse.Namespace) -> Iterator[Peer]:
    arrays = list(members.values())
    reached = partial(score, members=arrays, truth=truth)
    yield minimised("SLSQP", reached, len(arrays), arguments.starts)
    yield minimised("Nelder-Mead", reached, len(arrays), arguments.starts)
    if arguments.autogluon:
        yield autogluon(arguments.autogluon, np.stack(arrays), truth, "accuracy", round(1 / arguments.step), reached)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=6)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--step", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=5, help="of the engine")
    parser.add_argument("--cube", type=int, default=50_000, help="most points of GridSampler's cube")
    parser.add_argument("--optuna-trials", type=int, default=200)
    parser.add_argument("--finer", type=float, nargs="*", default=[0.01, 0.005], help="steps of finer grids")
    parser.add_argument("--starts", type=int, default=5, help="of SciPy's minimisers")
    parser.add_argument("--autogluon", type=Path, help="an interpreter that has autogluon.core")
    return parser.parse_args()


def make_members(count: int, samples: int, classes: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Members whose errors are partly shared: each alone is right on about three of four samples."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, samples)
    shared = 2 * np.eye(classes)[truth] + random.normal(0, 0.9, (samples, classes))
    powers = np.exp(shared + random.normal(0, 0.8, (count, samples, classes)))
    probabilities = powers / powers.sum(axis=2, keepdims=True)
    return {f"member{index}": array for index, array in enumerate(probabilities)}, truth


def search(members: dict[str, np.ndarray], truth: np.ndarray, step: float) -> SearchResult:
    return search_weights(members, truth, metric="accuracy", method="grid", step=step)


def timed(work: Callable[[], SearchResult]) -> tuple[float, SearchResult]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def score(weights: Sequence[float] | np.ndarray, members: list[np.ndarray], truth: np.ndarray) -> float:
    """What people write: average, argmax, mean."""
    fused = sum(weight * probabilities for weight, probabilities in zip(weights, members, strict=True))
    return float(np.mean(np.argmax(fused, axis=1) == truth))


def time_loop(members: list[np.ndarray], truth: np.ndarray, steps: int) -> tuple[float, np.ndarray]:
    """Median seconds a vector, and the score of every vector of the grid."""
    seconds, scores = [], []
    for vector in integers(len(members), steps):
        start = time.perf_counter()
        scores.append(score(tuple(whole / steps for whole in vector), members, truth))
        seconds.append(time.perf_counter() - start)
    return median(seconds), np.array(scores)


def integers(members: int, total: int) -> Iterator[tuple[int, ...]]:
    """All vectors of non-negative integers with this sum."""
    if members == 1:
        yield (total,)
        return
    for whole in range(total + 1):
        yield from ((whole, *others) for others in integers(members - 1, total - whole))


def time_optuna(members: list[np.ndarray], truth: np.ndarray, most: int, trials: int) -> tuple[float, int]:
    """Median seconds a trial of GridSampler over the largest cube of at most `most` points, and its points."""
    levels = max(2, int(most ** (1 / len(members)) + 1e-9))
    names = [f"member{index}" for index in range(len(members))]
    space = {name: np.linspace(0, 1, levels).tolist() for name in names}

    def objective(trial: optuna.Trial) -> float:
        raw = [trial.suggest_float(name, 0, 1) for name in names]
        return score(tuple(weight / (sum(raw) or 1) for weight in raw), members, truth)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GridSampler(space, seed=0))
    ends = [time.perf_counter()]
    study.optimize(objective, trials, callbacks=[lambda *_: ends.append(time.perf_counter())])
    return median(np.diff(ends).tolist()), levels ** len(members)


def describe(arguments: argparse.Namespace, found: SearchResult) -> str:
    return (
        f"{arguments.members} members, {arguments.samples} samples, {arguments.classes} classes, "
        f"step {arguments.step}: {found.evaluated:,} vectors"
    )


if __name__ == "__main__":
    main()
