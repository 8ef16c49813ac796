"""Experiment files of every task: `spine.experiment.loading` with the settings of what `pipeline.registry` knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.registry import task_settings
from spine.experiment import loading
from spine.experiment.config import Experiment

__all__ = ["load_experiment", "load_experiments", "load_other_datasets", "validate_experiment"]


def load_experiment(path: Path | str, overrides: Sequence[str] = (), target: str = "") -> Experiment:
    """Read an experiment file, apply `key=value` overrides (dotted keys, YAML values) and validate it.

    Of a file with `targets` it is the experiment of `target`.
    """
    return loading.load_experiment(path, overrides, task_settings, target)


def load_experiments(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Experiment, ...]:
    """The experiment of an experiment file, one for each of its targets, or all of a suite's."""
    return loading.load_experiments(path, overrides, task_settings)


def load_other_datasets(path: Path | str, overrides: Sequence[str] = ()) -> tuple[tuple[Experiment, Path], ...]:
    """A suite's experiments to be judged on another dataset too, each with its data config; none of an experiment's."""
    return loading.load_other_datasets(path, overrides, task_settings)


def validate_experiment(raw: Any, where: str) -> Experiment:
    """Validate an experiment of any task; `where` names it in the error."""
    return loading.validate_experiment(raw, where, task_settings)
