"""The rows of the leaderboard of one split, as the experiment's task judges them."""

from __future__ import annotations

from typing import Any

from ensemble.found_weights import FoundWeights
from ensemble.judge.classification import Classifiers
from ensemble.judge.detection import Detectors
from ensemble.judge.rows import EQUAL, Contender, Contenders
from ensemble.judge.segmentation import Segmenters
from ensemble.predictions import SplitPredictions
from spine.config import Experiment

__all__ = ["EQUAL", "JUDGES", "Contender", "Contenders", "judge"]

JUDGES: dict[str, Any] = {  # task -> its Contenders
    "classification": Classifiers,
    "segmentation": Segmenters,
    "detection": Detectors,
}


def judge(experiment: Experiment, split: SplitPredictions, weights: FoundWeights) -> Any:
    """The task's rows of a split that was read; `weights` is what `read_weights` gives."""
    return JUDGES[experiment.task].of(split, weights)
