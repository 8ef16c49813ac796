"""The dataset of an experiment, or how to build it where it is missing."""

from __future__ import annotations

from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment

__all__ = ["read_dataset"]


def read_dataset(experiment: Experiment) -> Manifest:
    """The experiment's dataset; SpineError names its data config where there is none, and the experiment tells."""
    if experiment.build and not (experiment.data / "dataset.json").exists():
        raise SpineError(
            f"{experiment.data.resolve()} is not a dataset (no dataset.json); build it with "
            f"`spine data build {experiment.build}`, or mend `data` where that builds another"
        )
    return Manifest.read(experiment.data)
