"""The one table of names -> packages: tasks and stages are imported when they are asked for, not before."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spine.core.near_names import unknown_name
from spine.core.problems import SpineError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.table import Table

    from spine.experiment.config import Experiment, TaskSettings
    from spine.member.member import Member

__all__ = [
    *("STAGES", "Stage", "Train"),
    *("evaluate", "fetch_weights", "join_folds", "leaderboard", "package_of", "report", "search_summary"),
    *("stage", "task_settings", "train", "two_stage", "watched"),
]

STAGES = ("predict", "search", "export", "evaluate", "report")


class Train(Protocol):
    """`<task>.train.train`: trains one member, publishes its directory and returns it; resumes what was killed."""

    def __call__(self, experiment: Experiment, member: str) -> Path:
        """Train `member` of `experiment`."""
        ...


class Stage(Protocol):
    """`ensemble.<stage>.run`: reads earlier files, writes its own, gives their paths; skips what is unchanged."""

    def __call__(self, experiment: Experiment) -> list[Path]:
        """Run the stage."""
        ...


def task_settings(task: str) -> type[BaseModel]:
    """The settings model of a task's members."""
    return import_module(f"{package_of(task)}.config").Settings


def train(task: str) -> Train:
    """The training function of a task; importing it brings in its framework."""
    return import_module(f"{package_of(task)}.train").train


def fetch_weights(task: str, settings: TaskSettings) -> None:
    """Download or read the weights that a member starts from; SpineError where they cannot be had."""
    import_module(f"{package_of(task)}.model").fetch_weights(settings)


def watched(task: str, settings: TaskSettings, classes: int, ordinal: bool, saved: Any) -> Any:
    """The network of a member whose layers can be watched, of its loaded SavedModel; SpineError where there is none."""
    return import_module(f"{package_of(task)}.explain").WatchedClassifier.of(settings, classes, saved, ordinal=ordinal)


def evaluate(experiment: Experiment, dataset: Path | None = None) -> list[Path]:
    """The evaluate stage, on the test split of another dataset where one is given."""
    return import_module("ensemble.evaluate").run(experiment, dataset)


def report(experiment: Experiment, dataset: Path | None = None) -> list[Path]:
    """The report stage, on the evaluation of another dataset where one is given."""
    return import_module("ensemble.report").run(experiment, dataset)


def stage(name: str) -> Stage:
    """A stage of the ensemble."""
    return import_module(f"ensemble.{_known(name, STAGES, 'stage')}").run


def search_summary(experiment: Experiment) -> str:
    """One sentence on what the search found, and on what that is worth."""
    return import_module("ensemble.search").summary(experiment)


def leaderboard(experiment: Experiment, dataset: Path | None = None) -> Table:
    """The table that `spine run` and `spine evaluate` print at the end."""
    return import_module("ensemble.evaluate").leaderboard(experiment, dataset)


def join_folds(experiment: Experiment, names: Sequence[str]) -> list[Path]:
    """Make members of their trained folds; gives their directories."""
    return import_module("ensemble.join_folds").run(experiment, names)


def two_stage(regions: Path, discs: Path, output: Path, **settings: Any) -> Member:
    """Publish a region detector and a disc detector as one; settings as of `ensemble.serving.two_stage.publish`."""
    return import_module("ensemble.serving.two_stage").publish(regions, discs, output, **settings)


def package_of(task: str) -> str:
    """The package that trains a task's members."""
    from spine.tasks import TASKS  # slow to import

    return TASKS[_known(task, tuple(TASKS), "task")].package or task


def _known(name: str, names: tuple[str, ...], what: str) -> str:
    if name not in names:
        raise SpineError(unknown_name(what, name, names))
    return name
