"""The truth of a split as an experiment asks for it: of its task, its target and its labels."""

from __future__ import annotations

from typing import Any

from spine.dataset.manifest import Manifest
from spine.dataset.targets_truth import TargetsTruth
from spine.dataset.truth import AnyTruth
from spine.experiment.config import REFIT, Experiment
from spine.tasks import TASKS

__all__ = ["read_together", "read_truth", "read_truths"]


def read_truth(experiment: Experiment, manifest: Manifest, split: str) -> AnyTruth:
    """What is true of `split` for the experiment's task: class indices, masks or boxes."""
    return TASKS[experiment.task].truth(manifest, split, experiment.target, experiment.labels)


def read_truths(experiment: Experiment, manifest: Manifest) -> tuple[AnyTruth, AnyTruth | None]:
    """The truths of the training rows and of the validation split; of a refit, which nothing stops, None for that."""
    train = read_truth(experiment, manifest, "train")
    return train, None if experiment.fold == REFIT else read_truth(experiment, manifest, "validation")


def read_together(experiment: Experiment, manifest: Manifest) -> tuple[TargetsTruth, TargetsTruth | None]:
    """The same of all targets that are trained together: samples with a value of any, and the values of each."""
    order = {str(sample): number for number, sample in enumerate(manifest.images["sample"])}
    of_targets: dict[str, Any] = {one.target: read_truths(one, manifest) for one in experiment.siblings}
    train = TargetsTruth.of({target: truths[0] for target, truths in of_targets.items()}, order)
    validation = {target: truths[1] for target, truths in of_targets.items() if truths[1]}
    return train, TargetsTruth.of(validation, order) if validation else None
