"""Training one member: `python -m segmentation.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from segmentation.config import Settings
from spine.training.fitting import Fitting
from spine.training.trainer import command, train_member

__all__ = ["main", "train"]


def _fitting(*of: Any) -> Fitting:
    from segmentation.fit import SegmenterFitting

    return SegmenterFitting.of(*of)


train = partial(train_member, _fitting)
main = command(train, "segmentation", Settings)

if __name__ == "__main__":
    main()
