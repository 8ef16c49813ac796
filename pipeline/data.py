"""Building datasets: an experiment's own, and others that it is judged on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spine.core.disk import at_work
from spine.core.problems import SpineError
from spine.experiment.config import Experiment

if TYPE_CHECKING:
    from spine.intake import DataConfig

__all__ = ["build_data", "build_dataset"]

Show = Callable[[str], None]


def build_data(experiment: Experiment, show: Show) -> Path:
    """Build the experiment's dataset from its data config and check that it lies where the experiment reads it."""
    from spine.intake import load_data_config

    assert experiment.build is not None
    config = load_data_config(experiment.build)
    if config.output.resolve() != experiment.data.resolve():
        raise SpineError(
            f"{experiment.build} builds {config.output}, but the experiment reads {experiment.data}; make them the same"
        )
    return build_dataset(config, show)


def build_dataset(config: DataConfig, show: Show) -> Path:
    """Build a dataset where it is missing or changed, and show its problems; gives its directory."""
    from spine.core.problems import print_problems
    from spine.intake import build

    show("build")
    with at_work(f"build of {config.name}"):
        result = build(config)
    print_problems(result.problems)
    return result.root
