"""The truth of a split as an experiment asks for it: of its task, its target and its labels."""

from __future__ import annotations

from spine.config import Experiment
from spine.manifest import Manifest
from spine.tasks import TASKS
from spine.truth import AnyTruth

__all__ = ["read_truth"]


def read_truth(experiment: Experiment, manifest: Manifest, split: str) -> AnyTruth:
    """What is true of `split` for the experiment's task: class indices, masks or boxes."""
    return TASKS[experiment.task].truth(manifest, split, experiment.target, experiment.labels)
