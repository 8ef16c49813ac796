"""Training one member: `python -m detection.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts. On several machines, run it on each with its TF_CONFIG.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from detection.config import Settings
from spine.training.command import command
from spine.training.fitting import Fitting
from spine.training.trainer import train_member

__all__ = ["fitting_of", "main", "train"]


def fitting_of(*of: Any) -> Fitting:
    """The training of a member."""
    from detection.workers import Workers

    workers = Workers.from_environment()  # first: TensorFlow must not have computed anything
    from detection.fit import DetectorFitting

    return DetectorFitting.of(*of, workers=workers)


train = partial(train_member, fitting_of)
_train_command = command(fitting_of, "detection", Settings)


def main() -> None:
    """The command; in its own process there is no Keras but the one that Model Garden is made of."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    _train_command()


if __name__ == "__main__":
    main()
