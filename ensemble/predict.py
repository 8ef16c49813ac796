"""The predict stage: every member's SavedModel over the validation and test pictures, stored for later stages.

With folds, out-of-fold predictions take the place of validation.
"""

from __future__ import annotations

from pathlib import Path

from ensemble.experiment_run import ExperimentRun
from ensemble.out_of_fold import predict_out_of_fold
from spine.experiment.config import Experiment
from spine.member.predict import predict_missing

__all__ = ["SPLITS", "run"]

SPLITS = ("validation", "test")


def run(experiment: Experiment, some: slice = slice(None)) -> list[Path]:
    """Predict both splits with every member, or with `some` in their order; what is up to date is kept."""
    run = ExperimentRun(experiment)
    members = list(run.members.values())[some]
    splits = ("test",) if experiment.folds else SPLITS
    predict_missing(members, {split: run.truth(split) for split in splits}, experiment.measurements_directory)
    if experiment.folds:
        predict_out_of_fold(experiment, run.manifest, members)
    return [member.path / "predictions" / split for member in members for split in (experiment.search_split, "test")]
