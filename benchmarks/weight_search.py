"""The exact weight search over images against a plain NumPy loop, in one run, as seconds and a ratio per vector.

    python benchmarks/weight_search.py [--members 8] [--images 40] [--size 384] [--classes 4] [--steps 0.1 0.05]
        [--autogluon PYTHON_WITH_AUTOGLUON_CORE]

Members are stored as the toolkit stores them (flat float16 files) and disagree on about 5 % of all pixels (`--noise`).
The loop works on arrays in memory, in float64 as the definition has it, on `--loop` vectors of the grid, for its rate
and to compare scores. SciPy's minimisers and AutoGluon's greedy selection are told with the score that they reach;
SciPy's get it from the engine, which is faster than the loop. Memory is the engine's peak, measured in a process of its
own; it counts the part of the stored predictions that the system keeps mapped.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import pandas as pd
from peers import Peer, autogluon, minimised
from rich.console import Console
from rich.table import Table

from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.objectives import Objective
from ensemble.search import SearchResult, search_weights
from spine.predictions.predictions import Predictions


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        directory = Path(folder)
        truth, disagreement = write_members(directory, options)
        searches = [in_a_process(directory, truth, options, step) for step in options.steps]
        loop = time_loop(directory, truth, searches[0][-1], options)
        peers = list(peers_of(directory, truth, options))
    table = Table("search", "in all", "per vector", "loop / search", title=describe(options, disagreement))
    for step, (seconds, busy, memory, found) in zip(options.steps, searches, strict=True):
        engine, told = seconds / found.evaluated, f"{seconds:.1f} s ({busy:.1f} s of CPU), peak {memory:.2f} GB"
        name = f"exact grid, step {step:g}: {found.evaluated:,} vectors"
        table.add_row(name, told, f"{engine * 1e3:.3f} ms", f"{loop / engine:,.0f}")
    table.add_row(f"NumPy loop ({options.loop} vectors)", "", f"{loop * 1e3:.0f} ms", "1")
    Console(width=110).print(table)
    for step, (*_, found) in zip(options.steps, searches, strict=True):
        single = max(found.singles.values())
        print(f"{options.metric} at step {step:g} {found.score:.6f}, best single {single:.6f}, equal {found.equal:.6f}")
    for peer in peers:
        print(f"{peer.name}: {peer.score:.6f} ({peer.spent})")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--steps", type=float, nargs="+", default=[0.1, 0.05])
    parser.add_argument("--metric", default="dice_foreground")
    parser.add_argument(
        "--noise", type=float, default=0.6, help="of each member's logits: more, and they disagree more"
    )
    parser.add_argument("--loop", type=int, default=5, help="vectors of the NumPy loop")
    parser.add_argument("--starts", type=int, default=3, help="of SciPy's minimisers")
    parser.add_argument("--autogluon", type=Path, help="an interpreter that has autogluon.core")
    parser.add_argument("--picks", type=int, default=20, help="of AutoGluon's selection")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", default=None, help="where the predictions are written (default: the system's)")
    return parser.parse_args()


def write_members(directory: Path, options: argparse.Namespace) -> tuple[np.ndarray, float]:
    """Write every member's predictions; the masks (N, H, W) and the share of pixels on which members disagree."""
    random = np.random.default_rng(options.seed)
    pixels = options.size**2
    shape = (options.images * pixels, options.classes)
    files = [np.lib.format.open_memmap(directory / f"{m}.npy", "w+", np.float16, shape) for m in range(options.members)]
    truth = np.empty((options.images, options.size, options.size), np.uint8)
    differ = 0
    for image in range(options.images):
        logits = smooth(random, options.size, options.classes, width=options.size / 16) * 24
        truth[image] = (logits + smooth(random, options.size, options.classes, options.size / 48)).argmax(axis=-1)
        shared = logits + options.noise * smooth(random, options.size, options.classes, width=options.size / 64)
        winners = []
        for file in files:
            own = options.noise * smooth(random, options.size, options.classes, width=options.size / 96)
            powers = np.exp(shared + own - (shared + own).max(axis=-1, keepdims=True))
            soft = (powers / powers.sum(axis=-1, keepdims=True)).reshape(-1, options.classes).astype(np.float16)
            file[image * pixels : (image + 1) * pixels] = soft
            winners.append(soft.argmax(axis=1))
        differ += int((np.stack(winners) != winners[0]).any(axis=0).sum())
    for member, file in enumerate(files):
        store(directory, member, file, options)
    return truth, differ / (options.images * pixels)


def smooth(random: np.random.Generator, size: int, classes: int, width: float) -> np.ndarray:
    """A random field (H, W, C) of unit variance that varies over about `width` pixels."""
    field = cv2.GaussianBlur(random.normal(size=(size, size, classes)).astype(np.float32), (0, 0), max(width, 0.5))
    return field / field.std()


def store(directory: Path, member: int, values: np.ndarray, options: argparse.Namespace) -> None:
    names = [f"image{number}" for number in range(options.images)]
    index = pd.DataFrame({"sample": names, "patient": names, "height": options.size, "width": options.size})
    index["offset"] = np.arange(options.images) * options.size**2
    labels = tuple(f"class{number}" for number in range(options.classes))
    Predictions.write(
        directory / f"member{member}",
        values,
        index,
        task="segmentation",
        labels=labels,
        split="validation",
        model_hash=str(member),
        truth_hash="generated",
    )
    (directory / f"{member}.npy").unlink()


def in_a_process(
    directory: Path, truth: np.ndarray, options: argparse.Namespace, step: float
) -> tuple[float, float, float, SearchResult]:
    """Seconds, seconds of CPU, peak GB and result of the search; compiling its loops for the first time is not in."""
    settings = (directory, truth, options, step)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        pool.apply(search, (directory, truth[:1], options, step, 1))  # compiles, where nothing is kept on disk yet
        return pool.apply(search, settings)


def search(
    directory: Path, truth: np.ndarray, options: argparse.Namespace, step: float, images: int | None = None
) -> tuple[float, float, float, SearchResult]:
    stored = {f"member{m}": Predictions.open(directory / f"member{m}") for m in range(options.members)}
    members: dict[str, Predictions | np.ndarray] = dict(stored)
    if images:
        members = {name: first_images(one, images, options) for name, one in stored.items()}
    start, busy = time.perf_counter(), time.process_time()
    found = search_weights(members, truth, "segmentation", options.metric, step=step, progress=not images)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return time.perf_counter() - start, time.process_time() - busy, memory, found


def first_images(stored: Predictions, images: int, options: argparse.Namespace) -> np.ndarray:
    return stored.values[: images * options.size**2].reshape(images, options.size, options.size, -1)


def time_loop(directory: Path, truth: np.ndarray, found: SearchResult, options: argparse.Namespace) -> float:
    """Median seconds a vector of what people write; SystemExit where its score is not the engine's."""
    members = [Predictions.open(directory / f"member{m}").values.astype(np.float64) for m in range(options.members)]
    flat, seconds = truth.ravel(), []
    grid = Simplex(options.members, round(1 / options.steps[0]))
    rows = grid.weights(np.linspace(0, grid.size - 1, options.loop - 1).astype(int))
    for weights in [list(found.weights.values()), *rows.tolist()]:
        start = time.perf_counter()
        score = dice(members, weights, flat, options.classes)
        seconds.append(time.perf_counter() - start)
        if len(seconds) == 1 and options.metric == "dice_foreground" and abs(score - found.score) > 1e-12:
            raise SystemExit(f"the loop's score {score} is not the engine's {found.score}")
        if score > found.score + 1e-12 and options.metric == "dice_foreground":
            raise SystemExit(f"the loop found {score}, better than the engine's {found.score}")
    return median(seconds)


def peers_of(directory: Path, truth: np.ndarray, options: argparse.Namespace) -> Iterator[Peer]:
    stored = {f"member{m}": Predictions.open(directory / f"member{m}") for m in range(options.members)}
    presolved = reduce_images(stored, truth, options.metric.endswith("_per_image"))
    objective = Objective.of_images(options.metric, presolved, vectors=1_000_000)
    yield minimised("SLSQP", objective.reference, options.members, options.starts)
    yield minimised("Nelder-Mead", objective.reference, options.members, options.starts)
    if options.autogluon:
        probabilities = np.stack([one.values for one in stored.values()])
        yield autogluon(
            options.autogluon, probabilities, truth.ravel(), options.metric, options.picks, objective.reference
        )


def dice(members: Sequence[np.ndarray], weights: Sequence[float], truth: np.ndarray, classes: int) -> float:
    """Average, argmax, mean Dice of the foreground."""
    fused = sum(weight * member for weight, member in zip(weights, members, strict=True))
    called = np.argmax(fused, axis=1)
    both = [np.sum((called == c) & (truth == c)) for c in range(1, classes)]
    sizes = [np.sum(called == c) + np.sum(truth == c) for c in range(1, classes)]
    return float(np.mean([2 * b / s for b, s in zip(both, sizes, strict=True) if s]))


def describe(options: argparse.Namespace, disagreement: float) -> str:
    return (
        f"{options.members} members, {options.images} images of {options.size}x{options.size}, {options.classes} "
        f"classes,\n{disagreement:.1%} of pixels disagreed on"
    )


if __name__ == "__main__":
    main()
