"""Training one member: `python -m classification.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from classification.config import Settings
from classification.measured.config import MeasuredSettings
from spine.experiment.config import Experiment
from spine.training.command import command
from spine.training.fitting import Fitting
from spine.training.trainer import train_member

__all__ = ["fitting_of", "main", "train"]


def fitting_of(experiment: Experiment, member: str, *of: Any) -> Fitting:
    """The training of a member: of a network, or of what measures."""
    if isinstance(experiment.members[member], MeasuredSettings):
        from classification.measured.fit import MeasuredFitting

        return MeasuredFitting.of(experiment, member, *of)
    from classification.fit import ClassifierFitting

    return ClassifierFitting.of(experiment, member, *of)


train = partial(train_member, fitting_of)
main = command(fitting_of, "classification", Settings)

if __name__ == "__main__":
    main()
