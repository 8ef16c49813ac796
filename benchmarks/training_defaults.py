"""How the defaults of training were chosen: one change at a time, several seeds, judged on validation patients alone.

    python benchmarks/training_defaults.py benchmarks/segmentation_defaults.yaml
        [--only CHANGE ...] [--seeds 3] [--minutes M] [--runs runs]

The YAML is an experiment. Its first member is the baseline, each other one is the baseline with one change. Each is
trained once a seed; what was trained is kept, so a run that was killed, or ended by `--minutes`, goes on where it was.
No training begins after so many minutes. The snapshots of one training answer as one, each with the same weight.

A row tells the mean over the seeds of the experiment's `search.metric`, the lowest and highest seed, and the difference
of the means from the baseline with its 95 % interval over patients, the same resamples for every row. The interval
knows nothing of the seeds: compare it with `reseeded`, the baseline with other seeds. The second row is of the
baseline's seeds as one, their answers averaged or their boxes fused: what `seeds` of a member bring. The trainings were
stopped on these patients too, so scores are a little high, of all rows alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from ensemble.engine.scoring.images import Images
from ensemble.fusion.fuse import weighted_mean
from ensemble.fusion.fuse_boxes import fuse_boxes
from pipeline.data import build_data
from pipeline.experiments import load_experiment
from pipeline.training import train_members
from spine.core.problems import SpineError
from spine.core.quiet import silence_tensorflow
from spine.core.words import signed
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth, MaskTruth
from spine.experiment.config import Experiment
from spine.experiment.snapshots import training_of
from spine.experiment.truth import read_truth
from spine.member.member import Member
from spine.member.predict import predict_missing
from spine.metrics.matches import match_images
from spine.metrics.segmentation import count
from spine.metrics.statistics import Interval, interval, patient_resamples
from spine.metrics.table import Metric
from spine.predictions.predictions import Predictions
from spine.tasks import TASKS

SHOWN = {  # beside the experiment's own metric
    "classification": ("log_loss", "balanced_accuracy"),
    "segmentation": ("dice_foreground_per_image",),
    "detection": ("map50", "map50_95"),
}
AS_ONE = "its seeds as one"
Evidence = tuple[Any, ...]  # what a metric takes before the weights


class Scored(NamedTuple):
    """What the metrics take of each seed's member, by change; the baseline first, then its seeds as one.

    `patients` (U,) are of the units.
    """

    evidence: Mapping[str, Sequence[Evidence]]
    patients: np.ndarray


def main() -> None:
    options = parse()
    silence_tensorflow()
    experiment = with_seeds(options.experiment, options.seeds)
    if options.experiment.build:
        build_data(options.experiment, print)
    changes = chosen(options.experiment, options.only)
    trained = train(experiment, changes, options.seeds, options.minutes)
    console = Console(width=150)
    if not trained:
        raise SystemExit("not even the baseline was trained; give more --minutes")
    scored = score(experiment, trained, options.seeds)
    console.print(table_of(scored, experiment, options.resamples))
    if missing := [change for change in changes if change not in trained]:
        console.print(f"not trained yet: {', '.join(missing)}; the same command goes on")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="YAML")
    parser.add_argument("--only", nargs="+", default=[], metavar="CHANGE", help="these changes, and the baseline")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no training begins")
    parser.add_argument("--runs", help="where members are kept; else as the YAML says")
    parser.add_argument("--resamples", type=int, default=2000, help="of the patients")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds is {options.seeds}; give 1 or more")
    overrides = [] if options.runs is None else [f"runs={options.runs}"]
    options.experiment = load_experiment(options.file, overrides)
    return options


def chosen(experiment: Experiment, only: Iterable[str]) -> list[str]:
    """The baseline and the changes asked for, or all, in the YAML's order; SpineError where one is not there."""
    baseline, *others = dict.fromkeys(training_of(*member) for member in experiment.members.items())
    if unknown := set(only) - {baseline, *others}:
        raise SpineError(f"{', '.join(sorted(unknown))} is no change of {experiment.name}; it has {', '.join(others)}")
    wanted = set(only) or set(others)
    return [baseline, *(change for change in others if change in wanted)]


def with_seeds(experiment: Experiment, seeds: int) -> Experiment:
    """Each member as often as there are seeds: one's seed depends on its name."""
    settings = {
        name.replace(change := training_of(name, own), f"{change}.{seed + 1}", 1): own
        for name, own in experiment.members.items()
        for seed in range(seeds)
    }
    return experiment.model_copy(update={"members": settings})


def by_seed(experiment: Experiment, change: str, seeds: int) -> list[list[str]]:
    """The members of a change, a list for each seed: one, or one a snapshot."""
    return [
        [name for name, own in experiment.members.items() if training_of(name, own) == f"{change}.{seed + 1}"]
        for seed in range(seeds)
    ]


def train(experiment: Experiment, changes: Iterable[str], seeds: int, minutes: float) -> list[str]:
    """Train the changes with every seed until the time is over; those that are complete, as they were asked for."""
    started, trained = monotonic(), []
    for change in changes:
        if monotonic() - started > 60 * minutes:
            break
        train_members(experiment, print, [*chain(*by_seed(experiment, change, seeds))])
        trained.append(change)
    return trained


def score(experiment: Experiment, changes: Iterable[str], seeds: int) -> Scored:
    """Predict the validation split by every member, and reduce that to what metrics take."""
    truth = read_truth(experiment, Manifest.read(experiment.data), "validation")
    evidence, patients = {}, np.empty(0)
    for change in changes:
        names = by_seed(experiment, change, seeds)
        members = [Member.open(experiment.member_directory(name)) for name in chain(*names)]
        predict_missing(members, {"validation": truth})
        stored = {member.name: member.predictions("validation") for member in members}
        units, true, patients = truth.with_units(stored)
        of_seeds = [as_one([units[name] for name in own]) for own in names]
        evidence[change] = [EVIDENCE[experiment.task](true, of_seed) for of_seed in of_seeds]
        if len(evidence) == 1 and seeds > 1:
            evidence[f"{change}, {AS_ONE}"] = [EVIDENCE[experiment.task](true, as_one(of_seeds))]
    return Scored(evidence, patients)


def as_one(answers: Sequence[Any]) -> Any:
    """What members answer together, each with the same weight; the answers of one are its own."""
    first, weights = answers[0], [1 / len(answers)] * len(answers)
    if len(answers) == 1:
        return first
    if isinstance(first, np.ndarray):
        return weighted_mean(answers, weights)
    if isinstance(first, Predictions):
        return replace(first, values=weighted_mean([one.values.astype(np.float32) for one in answers], weights))
    return [fuse_boxes(of_image, weights) for of_image in zip(*answers, strict=True)]


def _of_classes(truth: np.ndarray, probabilities: np.ndarray) -> Evidence:
    return truth, probabilities


def _of_masks(truth: MaskTruth, stored: Any) -> Evidence:
    images = Images.of("member", stored)
    called = (images.image(number).argmax(axis=-1).reshape(size) for number, size in enumerate(images.sizes))
    return (np.stack([count(*pair, len(truth.labels)) for pair in zip(truth, called, strict=True)]),)


def _of_boxes(truth: BoxTruth, stored: Any) -> Evidence:
    return (match_images(truth, stored),)


EVIDENCE: dict[str, Callable[..., Evidence]] = {
    "classification": _of_classes,
    "segmentation": _of_masks,
    "detection": _of_boxes,
}


def table_of(scored: Scored, experiment: Experiment, resamples: int = 2000) -> Table:
    """A line a change, in Markdown: scores, the seeds' lowest and highest, the difference from the first line."""
    table = TASKS[experiment.task].metrics
    name = experiment.search.metric or table.searched
    others = [other for other in SHOWN[experiment.task] if other != name]
    draws = patient_resamples(scored.patients, resamples, seed=0)
    baseline = next(iter(scored.evidence.values()))
    seeds = len(baseline)
    title = f"{experiment.name}: validation, {len(set(scored.patients))} patients, {seeds} seeds; not fit for reporting"
    shown = Table("change", name, "seeds", "difference (95 % over patients)", *others, title=title, box=MARKDOWN)
    for change, members in scored.evidence.items():
        of_seeds = [float(of_metric(table[name], [own])) for own in members]
        found = "" if members is baseline else told(difference(table[name], members, baseline, draws))
        means = (f"{of_metric(table[other], members):.3f}" for other in others)
        spread = f"{min(of_seeds):.3f} to {max(of_seeds):.3f}" if len(members) > 1 else ""
        shown.add_row(change, f"{np.mean(of_seeds):.3f}", spread, found, *means)
    return shown


def of_metric(metric: Metric, members: Sequence[Evidence], weights: np.ndarray | None = None) -> Any:
    """The mean of a metric over the seeds' members, () or for weights (R, U) of the units (R,)."""
    return np.mean([metric.function(*own, weights) for own in members], axis=0)


def difference(
    metric: Metric, members: Sequence[Evidence], baseline: Sequence[Evidence], draws: np.ndarray
) -> Interval:
    """How far the seeds' mean lies above the baseline's, its interval paired: on the same resamples."""
    mean = partial(of_metric, metric)
    return interval(lambda weights: mean(members, weights) - mean(baseline, weights), draws)


def told(found: Interval) -> str:
    return f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"


if __name__ == "__main__":
    main()
