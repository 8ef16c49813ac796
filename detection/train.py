"""Training one member: `python -m detection.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts. On several machines, run it on each with its TF_CONFIG.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spine.config import Experiment
from spine.manifest import Manifest
from spine.training.trainer import command, train_member

if TYPE_CHECKING:
    from detection.fit import DetectorFitting

__all__ = ["main", "train"]


def train(experiment: Experiment, member: str) -> Path:
    """Train one member, publish its directory and return it.

    A member that is complete with the same settings, data and splits is left as it is; a killed run resumes after its
    last complete epoch; with anything else changed the training starts afresh.
    """
    return train_member(experiment, member, _fitting)


def _fitting(experiment: Experiment, member: str, manifest: Manifest, seed: int) -> DetectorFitting:
    from detection.workers import Workers

    workers = Workers.from_environment()  # first: TensorFlow must not have computed anything
    from detection.data import Data
    from detection.fit import DetectorFitting

    settings = experiment.members[member]
    data = Data.of(experiment, manifest, settings, seed)
    return DetectorFitting(member, settings, data, seed, experiment.member_directory(member), workers)


_train_command = command(train, "detection")


def main() -> None:
    """The command; in its own process there is no Keras but the one that Model Garden is made of."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    _train_command()


if __name__ == "__main__":
    main()
