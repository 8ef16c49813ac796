"""The table of tasks, continued: what the ensemble's stages ask of each, beside `spine/tasks.py`.

What a report shows of a task is in `ensemble/report`: it lies above this table, so that a search loads no plots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ensemble.evaluators.classification import ClassificationEvaluator
from ensemble.evaluators.detection import DetectionEvaluator
from ensemble.evaluators.rows import Evaluator
from ensemble.evaluators.segmentation import SegmentationEvaluator
from ensemble.search_problem.base import SearchProblem
from ensemble.search_problem.classification import ClassificationProblem
from ensemble.search_problem.detection import DetectionProblem
from ensemble.search_problem.segmentation import SegmentationProblem

__all__ = ["ENSEMBLE_TASKS", "EnsembleTask"]


@dataclass(frozen=True)
class EnsembleTask:
    """A row of the table.

    - `problem` is what a search of weights is about, `evaluator` what measures the rows of a leaderboard.
    - `outputs` are what the fused SavedModel gives besides its members' outputs, or with another shape, as
      `member.json` has it; with `fuses_boxes` it fuses boxes in place of probabilities.
    - with `takes_any_sizes`, pictures of one request may differ in size: they are resized in the graph, one by one.
    """

    problem: type[SearchProblem]
    evaluator: type[Evaluator]
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fuses_boxes: bool = False
    takes_any_sizes: bool = False


ENSEMBLE_TASKS: dict[str, EnsembleTask] = {
    "classification": EnsembleTask(ClassificationProblem, ClassificationEvaluator, takes_any_sizes=True),
    "segmentation": EnsembleTask(
        SegmentationProblem, SegmentationEvaluator, outputs={"mask": {"dtype": "int32", "shape": [None, None, None]}}
    ),
    "detection": EnsembleTask(
        DetectionProblem,
        DetectionEvaluator,
        outputs={  # as many rows as all members together
            "detection_boxes": {"dtype": "float32", "shape": [None, None, 4]},
            "detection_scores": {"dtype": "float32", "shape": [None, None]},
            "detection_classes": {"dtype": "float32", "shape": [None, None]},
        },
        fuses_boxes=True,
        takes_any_sizes=True,
    ),
}
