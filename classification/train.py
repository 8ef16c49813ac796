"""Training one member: `python -m classification.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from classification.config import Settings
from classification.measured.config import MeasuredSettings
from spine.experiment.config import Experiment
from spine.training.fitting import Fitting
from spine.training.trainer import command, train_member

__all__ = ["main", "train"]


def _fitting(experiment: Experiment, member: str, *of: Any) -> Fitting:
    """Of a network, or of what measures."""
    if isinstance(experiment.members[member], MeasuredSettings):
        from classification.measured.fit import MeasuredFitting

        return MeasuredFitting.of(experiment, member, *of)
    from classification.fit import ClassifierFitting

    return ClassifierFitting.of(experiment, member, *of)


train = partial(train_member, _fitting)
main = command(train, "classification", Settings)

if __name__ == "__main__":
    main()
