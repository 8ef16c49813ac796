"""Training one member: `python -m segmentation.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from segmentation.config import Settings
from spine.training.command import command
from spine.training.fitting import Fitting
from spine.training.trainer import train_member

__all__ = ["fitting_of", "main", "train"]


def fitting_of(*of: Any) -> Fitting:
    """The training of a member."""
    from segmentation.fit import SegmenterFitting

    return SegmenterFitting.of(*of)


train = partial(train_member, fitting_of)
main = command(fitting_of, "segmentation", Settings)

if __name__ == "__main__":
    main()
