"""Two experiments on the same test patients, of any task: the ensemble of one against that of the other.

    python benchmarks/paired.py configs/spider_segmentation.yaml configs/spider_segmentation_plain.yaml

Both must have been searched and predicted (`spine run`), on one dataset with one split. An experiment with one member
is that member. The 95 % interval of each difference is a paired bootstrap over patients; the tests are the task's own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from rich.console import Console
from rich.table import Table

from ensemble.evaluators.rows import Evaluator
from ensemble.experiment_run import ExperimentRun
from pipeline.experiments import load_experiment
from spine.core.problems import SpineError
from spine.core.words import signed
from spine.experiment.config import Experiment
from spine.metrics.statistics import Interval, interval, patient_resamples

Judged = Evaluator[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs=2, metavar="EXPERIMENT")
    first, second = map(load_experiment, parser.parse_args().experiments)
    Console(width=110).print(paired(first, second))


def paired(first: Experiment, second: Experiment) -> Table:
    """What each ensemble scores and by how much the first is above; SpineError where their test images differ."""
    ours, theirs = (ExperimentRun(experiment).evaluator("test") for experiment in (first, second))
    if ours.truth.hash != theirs.truth.hash:
        raise SpineError(
            f"{first.name} and {second.name} are tested on other images; build both from one dataset with one split"
        )
    title = f"{ours.counts.patients} patients, {ours.counts.rows} images"
    told = [f"{test.label} p = {test.p:.2g}" for test in ours.tests(theirs.ensemble)]
    table = Table("", first.name, second.name, "difference (95 %)", title="; ".join([title, *told]))
    draws = patient_resamples(ours.patients, first.evaluate.resamples, first.seed)
    for metric in metrics_of(ours):
        scores = [judged.score(judged.ensemble, metric) for judged in (ours, theirs)]
        found = difference(ours, theirs, metric, draws, first.evaluate.confidence)
        ahead = f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"
        table.add_row(ours.names[metric], *(f"{score:.3f}" for score in scores), ahead)
    return table


def metrics_of(judged: Judged) -> list[str]:
    """What the leaderboard compares; of masks and boxes that of each class, too, but for the background."""
    rates = {"segmentation": ("dice", "iou"), "detection": ("ap50",)}.get(judged.TASK, ())
    labels = judged.truth.labels[1:] if judged.TASK == "segmentation" else judged.truth.labels
    of_classes = [f"{rate}.{label}" for rate in rates for label in labels]
    return [*judged.compared, *(metric for metric in of_classes if metric in judged.reported)]


def difference(ours: Judged, theirs: Judged, metric: str, draws: np.ndarray, confidence: float) -> Interval:
    return interval(
        lambda weights: ours.score(ours.ensemble, metric, weights) - theirs.score(theirs.ensemble, metric, weights),
        draws,
        confidence,
    )


if __name__ == "__main__":
    main()
