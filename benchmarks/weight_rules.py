"""The rules that make weights, beside greedy selection and CMA-ES: what each is worth on patients it has not seen.

    python benchmarks/weight_rules.py RUN ... [--draws 200] [--sizes 8 15 25] [--resamples 200]
        [--spreads 0.1 0.2 0.3 0.6] [--autogluon PYTHON_WITH_AUTOGLUON_CORE] [--jobs 2]

A RUN is the directory of an experiment that was predicted, such as runs/spider_degeneration, its dataset where the
experiment has it. Again and again, weights are chosen on so many patients drawn at random, and judged on the others; no
member learned from any of them. Simulated members (weight_rules_pools.py) are judged on 300 patients more. Told is the
score (AUC, foreground Dice, mAP50) less that of equal weights, times 1,000: its mean, the 5 % quantile in brackets, and
the mean share of the way from equal weights that `shrunk` goes.

Images get a quarter of the draws, boxes a tenth, both a quarter of the resamples; AutoGluon a quarter of the draws.

Three goals of the default rule are checked: nowhere a mean below -1; at 15 patients no 5 % quantile below -5; and where
the optimum gains 20 or more, at least 80 % of that.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from cmaes import CMA
from rich.console import Console
from rich.table import Table
from weight_rules_pools import Draw, Simulated, Stored, stored

from ensemble.engine.grid.greedy import search_greedy
from ensemble.engine.nested.resampled_gains import Draws, ResampledGains
from ensemble.engine.rules.rules import RULES, Evidence, Ruled
from spine.experiment.stages import SearchSettings

PICKS = 25  # of greedy selection
TRIALS = 100  # of CMA-ES
# By what the draws and the resamples of a task are divided: boxes are fused and matched again for every weight vector.
FEWER = {"classification": (1, 1), "segmentation": (4, 4), "detection": (10, 4)}
AUTOGLUON_EVERY = 4
AUTOGLUON = f"AutoGluon, {PICKS} picks"
DEFAULT = SearchSettings().served_rule


class Cell(NamedTuple):
    """Differences from equal weights (D,) by rule, of D draws of so many patients; and the shares of `shrunk`."""

    name: str
    size: int
    differences: dict[str, np.ndarray]
    shares: np.ndarray


def main() -> None:
    options, start = parse(), time.perf_counter()
    for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(threads, "1")  # the processes to come share the cores
    sources = [*options.runs, *options.spreads]
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        found = pool.starmap(cells_of, [(source, options) for source in sources], chunksize=1)
    cells = [cell for of_source in found for cell in of_source]
    console = Console(width=190)
    console.print(table(cells))
    for goal in goals(cells):
        console.print(goal)
    print(f"{time.perf_counter() - start:.0f} s with {options.jobs} processes")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 15, 25], help="patients that weights are chosen on")
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--spreads", type=float, nargs="*", default=[0.1, 0.2, 0.3, 0.6], help="of simulated members")
    parser.add_argument("--members", type=int, default=6, help="that are simulated")
    parser.add_argument("--autogluon", type=Path, help="an interpreter that has autogluon.core")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    for run in options.runs:
        if not (run / "experiment.yaml").is_file():
            parser.error(f"{run} has no experiment.yaml; give directories of experiments that were predicted")
    return options


def cells_of(source: Path | float, options: argparse.Namespace) -> list[Cell]:
    """Of all sizes that a run's patients suffice for, or of simulated members that differ so much."""
    pool = stored(source) if isinstance(source, Path) else Simulated(source, options.members)
    cells = [cell(pool, size, options) for size in options.sizes if pool and pool.can(size)]
    return [one for one in cells if len(one.shares)]  # without a draw that has a score there is nothing to tell


def cell(pool: Stored | Simulated, size: int, options: argparse.Namespace) -> Cell:
    random, (draws, resamples) = np.random.default_rng(size), FEWER[pool.task]
    differences, shares, problems = defaultdict(list), [], []
    for number in range(max(1, options.draws // draws)):
        draw = pool.draw(size, random)
        evidence = evidence_of(draw, options.resamples // resamples, number)
        equal = draw.judged(np.full(pool.members, 1 / pool.members), 0) if evidence else np.nan
        if evidence is None or np.isnan(equal):
            continue  # one class only
        if not number % AUTOGLUON_EVERY and draw.rows:
            problems.append((draw, equal))
        for name, ruled in ruled_by(evidence, number).items():
            differences[name].append(draw.judged(ruled.weights, ruled.setting))
        for name in differences:
            differences[name][-1] -= differences["equal"][-1] if name != "equal" else 0
        shares.append(evidence.shrinkage.share)
    if options.autogluon and problems:
        differences[AUTOGLUON] = [*autogluon(problems, options.autogluon)]
    differences.pop("equal", None)
    print(f"{pool.name} on {size}: {len(shares)} draws", file=sys.stderr)
    return Cell(pool.name, size, {name: np.array(values) for name, values in differences.items()}, np.array(shares))


def evidence_of(draw: Draw, resamples: int, seed: int) -> Evidence | None:
    """What rules see of the patients that weights are chosen on; None where these have one class."""
    draws = Draws.of_patients(draw.patients, resamples, seed, own=draw.own)
    (gains,) = ResampledGains.of(draw.scorers, draw.grid, [draws], higher_is_better=True)
    return Evidence(gains) if gains.is_defined and gains.resamples else None


def ruled_by(evidence: Evidence, seed: int) -> dict[str, Ruled]:
    """The weights of every rule, and of the peers under the optimum's setting of the fusion."""
    gains = evidence.gains

    members, setting = gains.members, evidence.of_grid(evidence.optimum).setting

    def best_of(weights: np.ndarray) -> np.ndarray:
        found = gains.scorers[setting](weights, gains.draws.own[None].astype(np.float64))
        return np.nan_to_num(np.concatenate([*found]), nan=-np.inf)

    greedy = search_greedy(SimpleNamespace(gains=best_of), members, PICKS)  # type: ignore[arg-type]
    peers = {
        "best single": np.eye(members)[best_of(np.eye(members)).argmax()],
        f"greedy, {PICKS} picks": greedy.weights[0],
        "CMA-ES": cma_es(best_of, members, seed),
    }
    ruled = {name: rule(evidence) for name, rule in RULES.items()}
    return ruled | {name: Ruled(weights, setting, np.nan) for name, weights in peers.items()}


def cma_es(gains_of: Callable[[np.ndarray], np.ndarray], members: int, seed: int) -> np.ndarray:
    """The best weights of so many trials, from equal ones; negative ones are cut off, and the others sum to 1."""
    optimiser = CMA(mean=np.full(members, 1 / members), sigma=0.2, seed=seed)
    best, found = -np.inf, np.full(members, 1 / members)
    for _ in range(TRIALS // optimiser.population_size):
        asked = [optimiser.ask() for _ in range(optimiser.population_size)]
        weights = np.array([normalised(one) for one in asked])
        gains = gains_of(weights)
        if gains.max() > best:
            best, found = gains.max(), weights[gains.argmax()]
        optimiser.tell([(one, -gain) for one, gain in zip(asked, gains.tolist(), strict=True)])
    return found


def normalised(weights: np.ndarray) -> np.ndarray:
    positive = np.clip(weights, 0, None)
    return positive / positive.sum() if positive.any() else np.full(len(weights), 1 / len(weights))


def autogluon(problems: Sequence[tuple[Draw, float]], python: Path) -> Iterator[float]:
    """What AutoGluon's selection is ahead of equal weights, draw by draw, in the interpreter that has it."""
    script = Path(__file__).with_name("autogluon_selection.py")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.npz" for number in range(len(problems))]
        for path, (draw, _) in zip(paths, problems, strict=True):
            assert draw.rows is not None, "only draws of rows come here"
            probabilities, truth = draw.rows
            np.savez(path, probabilities=probabilities, truth=truth)
        command = [*map(str, [python, script, *paths]), "roc_auc", str(PICKS)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    for line, (draw, equal) in zip(lines[-len(problems) :], problems, strict=True):
        yield draw.judged(np.array(json.loads(line)["weights"]), 0) - equal


def table(cells: Sequence[Cell]) -> Table:
    """A row a cell, a column a rule."""
    names = list(dict.fromkeys(name for cell in cells for name in cell.differences))
    found = Table("", "chosen on", "draws", *names, "share of shrunk", title="less equal weights, times 1,000")
    for cell in cells:
        told = [
            f"{1000 * values.mean():+.1f} ({worst(values):.0f})" if values is not None and len(values) else ""
            for values in map(cell.differences.get, names)
        ]
        found.add_row(cell.name, str(cell.size), str(len(cell.shares)), *told, f"{cell.shares.mean():.2f}")
    return found


def worst(values: np.ndarray) -> float:
    """The 5 % quantile, times 1,000."""
    return 1000 * float(np.quantile(values, 0.05))


def goals(cells: Sequence[Cell], rule: str = DEFAULT) -> Iterator[str]:
    """A line a goal: kept, or where not."""
    means = {place(cell): 1000 * cell.differences[rule].mean() for cell in cells}
    tails = {place(cell): worst(cell.differences[rule]) for cell in cells if cell.size == 15}
    gains = {place(cell): 1000 * cell.differences["optimum"].mean() for cell in cells}
    kept = {name: means[name] / gain for name, gain in gains.items() if gain >= 20}
    yield judged(f"the mean of {rule} is at least -1", means, -1)
    yield judged("its worst 5 % at 15 patients is at least -5", tails, -5)
    yield judged("it keeps 80 % of the optimum's gain, where that is 20 or more", kept, 0.8)


def place(cell: Cell) -> str:
    return f"{cell.name} on {cell.size}"


def judged(goal: str, found: dict[str, float], least: float) -> str:
    missed = ", ".join(f"{name} ({value:.2f})" for name, value in found.items() if value < least)
    lowest = f"lowest {min(found.values()):.2f} of {len(found)}" if found else "nothing to judge"
    return f"FAIL: {goal}: {missed}" if missed else f"PASS: {goal}: {lowest}"


if __name__ == "__main__":
    main()
