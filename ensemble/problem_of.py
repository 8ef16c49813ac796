"""The problem of a search: members and truth as the task's kind of problem takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ensemble.engine.grid.budget import Budget
from ensemble.search_problem.base import SearchProblem
from ensemble.split_predictions import SplitPredictions
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.problems import SpineError
from spine.experiment.config import Experiment
from spine.experiment.stages import SearchSettings
from spine.tasks import TASKS

__all__ = ["problem_of", "problem_of_split"]


def problem_of(
    members: Mapping[str, Any], truth: Any, task: str, settings: SearchSettings, **known: Any
) -> SearchProblem:
    """The problem of members and truth as `search_weights` takes them; `known` are its patients and its budget.

    Nothing is read yet. SpineError on a task without a search, and where there is no mapping of members.
    """
    if task not in ENSEMBLE_TASKS:
        raise SpineError(f"task {task!r} has no weight search; it is one of {', '.join(ENSEMBLE_TASKS)}")
    if not isinstance(members, Mapping):
        raise SpineError(f"members is a {type(members).__name__}; give a mapping of name to what the member predicts")
    if not members:
        raise SpineError("no members were given; give a mapping of name to probabilities")
    metric = settings.metric or TASKS[task].metrics.searched
    return ENSEMBLE_TASKS[task].problem(members, truth, metric, settings.temperature, **known)


def problem_of_split(experiment: Experiment, split: SplitPredictions, budget: Budget | None) -> SearchProblem:
    """The problem of what the members stored of a split; the budget's costs are the members'."""
    members, truth, patients = split.to_resample()
    return problem_of(members, truth, experiment.task, experiment.search, patients=patients, budget=budget)
