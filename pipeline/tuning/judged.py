"""What trials are judged by: a metric, and how many patients of validation it is measured on."""

from __future__ import annotations

from dataclasses import dataclass

from spine.core.problems import SpineError
from spine.core.words import counted
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.foresight import reason_undefined
from spine.experiment.truth import read_truth
from spine.tasks import TASKS

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged:
    """The metric with its title, and what it is measured on: `where`, of so many patients and images."""

    metric: str
    title: str
    higher_is_better: bool
    patients: int
    images: int
    where: str

    @classmethod
    def of(cls, part: Experiment, seen: Manifest) -> Judged:
        """What the trainings of an experiment, or of its first fold, are judged by; `seen` is what they see.

        SpineError where the metric has no value there.
        """
        metrics = TASKS[part.task].metrics
        metric = part.search.metric or metrics.searched
        if reason := reason_undefined(part, seen, "validation", metric):
            raise SpineError(f"search.metric is {metric}, which {reason}; tune by another metric, or split anew")
        truth = read_truth(part, seen, "validation")
        where = "validation" if part.fold is None else f"fold {part.fold}'s validation"
        found = metrics.named(metric)
        return cls(
            metric,
            found.title or metric,
            found.higher_is_better,
            len(set(truth.patients)),
            len(truth.samples),
            where,
        )

    def __str__(self) -> str:
        return f"{self.title} on {self.where} ({counted(self.patients, 'patient')}, {counted(self.images, 'image')})"
