"""Epoch time of each task's training against a bare loop: the same network, pictures in memory, one run.

    python benchmarks/training.py [--tasks classification segmentation detection] [--augmentation] [--share 1]
        [--epochs 3] [--rounds 3]

The bare loop of classification and segmentation is Keras' `fit` on arrays, that of detection Model Garden's trainer on
a tf.data.Dataset of arrays, whose anchors are labelled as they come, as Model Garden does it. With `--augmentation`
both augment by the same graph; without it neither does. Ours does all that a training does: it shuffles so that a
resumed run is the same, and keeps a checkpoint, history and TensorBoard's logs of every epoch. Keras' loops are
validated after every epoch; detection is not, on either side, and what our validation takes is told apart.

Ours and bare alternate, `--rounds` times so many epochs; the first epoch of each, in which graphs are made, is left
out. An epoch lasts until the next one begins. Told are medians, and the median of the rounds' ratios: by the clock,
whose goal is at most 1.15, and by the time that the cores worked, which a busy machine changes less. Each task runs in
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from spine.core.quiet import silence_tensorflow

GOAL = 1.15
TASKS = ("classification", "segmentation", "detection")


class Measured(NamedTuple):
    """An epoch's seconds (clock, cores) in the rounds of a task's two loops; of our `validation` where told apart."""

    name: str
    ours: list[tuple[float, float]]
    bare: list[tuple[float, float]]
    validation: float | None = None

    def ratios(self, of: int) -> list[float]:
        """Of each round, by the clock (0) or the cores (1)."""
        return [ours[of] / bare[of] for ours, bare in zip(self.ours, self.bare, strict=True)]


def main() -> None:
    options = parse()
    if options.inside:
        print(json.dumps(measured(options)._asdict()))
        return
    rows = []
    for task in options.tasks:
        rows.append(in_own_process(task))
        Console(width=170, stderr=True).print(table_of(rows[-1:]))  # the others take a while
    Console(width=170).print(table_of(rows))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--augmentation", action="store_true")
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures that SPIDER's datasets have")
    parser.add_argument("--epochs", type=int, default=3, help="that are measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # in the process of one task
    options = parser.parse_args(arguments)
    if min(options.share, options.epochs, options.rounds) <= 0:
        parser.error("give --share, --epochs and --rounds above 0")
    return options


def in_own_process(task: str) -> Measured:
    command = [sys.executable, __file__, *sys.argv[1:], "--tasks", task, "--inside"]
    keras = {"TF_USE_LEGACY_KERAS": "1"} if task == "detection" else {}  # Model Garden is made of it
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **keras})
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def measured(options: argparse.Namespace) -> Measured:
    """Both loops of one task, in turns."""
    silence_tensorflow()
    (task,) = options.tasks
    if task == "detection":
        from training_model_garden import loops as make
    else:
        from training_keras import loops as make
    name, ours, bare, validation = make(task, options)
    rounds = [(ours(), bare()) for _ in range(options.rounds)]
    own, peer = (list(seconds) for seconds in zip(*rounds, strict=True))
    return Measured(name, own, peer, validation() if validation else None)


def table_of(rows: Sequence[Measured]) -> Table:
    """A line a task, in Markdown."""
    heads = ("training", "ours, s", "bare, s", "ratio", "of rounds", "goal", "by cores", "our validation, s")
    table = Table(*heads, box=MARKDOWN)
    for row in rows:
        ratios, cores = row.ratios(0), row.ratios(1)
        seconds = (f"{median(clock for clock, _ in own):.2f}" for own in (row.ours, row.bare))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        reached = "reached" if median(ratios) <= GOAL else "missed"
        apart = "" if row.validation is None else f"{row.validation:.2f}"
        table.add_row(row.name, *seconds, f"{median(ratios):.2f}", spread, reached, f"{median(cores):.2f}", apart)
    return table


if __name__ == "__main__":
    main()
