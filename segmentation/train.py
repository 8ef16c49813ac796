"""Training one member: `python -m segmentation.train EXPERIMENT.yaml --member NAME [key=value ...]`.

Cheap to import: TensorFlow comes in when training starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spine.config import Experiment
from spine.manifest import Manifest
from spine.training.trainer import command, train_member

if TYPE_CHECKING:
    from segmentation.fit import SegmenterFitting

__all__ = ["main", "train"]


def train(experiment: Experiment, member: str) -> Path:
    """Train one member, publish its directory and return it.

    A member that is complete with the same settings, data and splits is left as it is; a killed run resumes after its
    last complete epoch; with anything else changed the training starts afresh.
    """
    return train_member(experiment, member, _fitting)


def _fitting(experiment: Experiment, member: str, manifest: Manifest, seed: int) -> SegmenterFitting:
    from segmentation.data import Data
    from segmentation.fit import SegmenterFitting

    settings = experiment.members[member]
    data = Data.of(experiment, manifest, settings, seed)
    return SegmenterFitting(member, settings, data, seed, experiment.member_directory(member))


main = command(train, "segmentation")

if __name__ == "__main__":
    main()
