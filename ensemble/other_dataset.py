"""The same members and weights on the test split of another dataset, and what that costs against their own.

Such as a classifier of true disc crops on the crops of a detector: the loss is the cost of imperfect detection.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.evaluators.rows import EvaluatedRow, Evaluator
from ensemble.experiment_run import ExperimentRun
from ensemble.results.evaluation import Estimate
from ensemble.split_predictions import SplitPredictions
from spine.core.problems import SpineError
from spine.core.words import signed
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.truth import read_truth
from spine.intake import detection_counts
from spine.member.predict import predict_missing
from spine.metrics.statistics import interval, patient_resamples
from spine.tasks import TASKS

__all__ = ["cost", "describe", "predict_other_dataset"]


def predict_other_dataset(run: ExperimentRun, dataset: Path) -> SplitPredictions:
    """What the members say of the test split of `dataset`; what is missing is predicted, and stored beside the others.

    SpineError where it is the experiment's own, or has another target or labels.
    """
    if dataset.resolve() == run.experiment.data.resolve():
        raise SpineError(f"{dataset} is the experiment's own dataset; leave --data out")
    manifest = Manifest.read(dataset)
    truth = read_truth(run.experiment, manifest, "test")
    # Crops may change while samples and labels stay: a truth does not tell that, the data's hash does.
    split = f"test-of-{dataset.resolve().name}-{manifest.data_hash[:8]}"
    predict_missing(run.members.values(), {split: truth}, run.experiment.measurements_directory)
    return SplitPredictions.of(truth, run.members, split, run.experiment.labels)


def cost(
    here: Evaluator[Any], own: Evaluator[Any], metric: str, resamples: int, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Each row's metric here less that on its own dataset, by row; {} where the two have other patients.

    Paired by patient, so that units which are missing here, such as discs that were not detected, are no hindrance.
    """
    if set(here.patients) != set(own.patients):
        return {}
    # One seed and the same patients: each resample draws the same of them in both.
    draws = [patient_resamples(evaluator.patients, resamples, seed) for evaluator in (here, own)]
    both = np.concatenate(draws, axis=1)
    differences = {
        first.name: interval(_difference(here, first, own, second, metric), both, confidence)
        for first, second in zip(here.rows, own.rows, strict=True)
    }
    patients = here.counts.patients
    return {name: Estimate.of(found, metric, here.TASK, patients) for name, found in differences.items()}


def _difference(
    here: Evaluator[Any], first: EvaluatedRow, own: Evaluator[Any], second: EvaluatedRow, metric: str
) -> Any:
    units = len(here.patients)

    def difference(weights: np.ndarray) -> Any:
        on_own = own.score(second, metric, weights[..., units:])
        return here.score(first, metric, weights[..., :units]) - on_own

    return difference


def describe(
    experiment: Experiment,
    dataset: Path,
    here: Evaluator[Any],
    own: Evaluator[Any],
    against: Mapping[str, Estimate],
    metric: str,
) -> list[str]:
    """The notes of an evaluation on another dataset: on which data it is, which of the true boxes a detector missed
    there, and what the ensemble loses or gains by them.
    """
    note = f"Judged on the test split of {dataset.resolve().name}; the members learned from {experiment.data.name}."
    return [note, *_missed(dataset, here.UNITS), *_compared(experiment, here, own, against, metric)]


def _missed(dataset: Path, units: str) -> list[str]:
    """What the detector that made the dataset's crops missed in the test pictures; nothing of other datasets."""
    if (counts := detection_counts(dataset, "test")) is None:
        return []
    return [
        f"Its crops are of a detector: of {counts['true']} true boxes in the test pictures {counts['matched']} were "
        f"found and {counts['missed']} missed, and {counts['unmatched']} of {counts['detected']} detected boxes match "
        f"no true one. What was missed is in no figure here: they are of the {units} that were found."
    ]


def _compared(
    experiment: Experiment, here: Evaluator[Any], own: Evaluator[Any], against: Mapping[str, Estimate], metric: str
) -> list[str]:
    if not against:
        return ["The two have other test patients, so that their figures cannot be compared one to one."]
    ahead = against[here.ensemble.name]
    if ahead.value is None:
        why = TASKS[here.TASK].metrics.why_undefined(metric)
        return [f"{here.names[metric]} of the ensemble cannot be compared with {experiment.data.name}: {why}."]
    bounds = "" if ahead.low is None or ahead.high is None else f" ({signed(ahead.low)} to {signed(ahead.high)})"
    compared = f"{here.names[metric]} of the ensemble is {signed(ahead.value)}{bounds} against {experiment.data.name}"
    sentence = f"{compared[0].upper()}{compared[1:]}, on the same {len(set(here.patients))} patients"
    first, second = (evaluator.counts.units for evaluator in (here, own))
    if first == second:
        return [f"{sentence}."]
    return [f"{sentence}, but not the same {here.UNITS}: {first} here, {second} there."]
