"""Building datasets: an experiment's own, and others that it is judged on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spine.core.disk import at_work
from spine.core.problems import SpineError
from spine.experiment.config import Experiment

if TYPE_CHECKING:
    from spine.intake import DataConfig

__all__ = ["build_ahead", "build_data", "build_dataset", "is_there", "warn_if_config_changed"]

Show = Callable[[str], None]


def build_ahead(experiments: Sequence[Experiment], others: Iterable[Path], show: Show) -> frozenset[Path]:
    """Build the datasets of experiments that run one after another, and of other data configs, before any of it trains.

    Those that crop by a detector, or what is made of these, wait: the detector may be one of those that train. Gives
    the data configs that were built. SpineError where a dataset has nothing of an experiment's target or labels.
    """
    configs = {experiment.build: _config_of(experiment) for experiment in experiments if experiment.build}
    built, waiting = set[Path](), set[Path]()
    for file, config in {**configs, **{file: _load(file) for file in others}}.items():
        if _needs_detector(config) or (config.dataset and config.dataset.resolve() in waiting):
            waiting.add(config.output.resolve())
        else:
            build_dataset(config, show)
            built.add(file)
    trained = {one.name: one for experiment in experiments for one in experiment.siblings}
    for one in trained.values():
        if is_there(one, built):
            _require_truth(one)
    return frozenset(built)


def is_there(experiment: Experiment, built: Collection[Path]) -> bool:
    """Whether the dataset is there as its trainings will read it: just `built`, or given without a data config."""
    return (experiment.data / "dataset.json").exists() and (not experiment.build or experiment.build in built)


def _needs_detector(config: DataConfig) -> bool:
    return config.crop is not None and config.crop.detector is not None


def _require_truth(experiment: Experiment) -> None:
    """Read what is true of each split once: a wrong label or target ends it now, not in days."""
    from spine.core.problems import within
    from spine.dataset.manifest import SPLIT_NAMES
    from spine.experiment.dataset import read_dataset
    from spine.experiment.truth import read_truth

    dataset = read_dataset(experiment)
    present = [split for split in SPLIT_NAMES if (dataset.splits["split"] == split).any()]
    with within(f"experiment {experiment.name}"):
        for split in dict.fromkeys([*present, "test"]):
            read_truth(experiment, dataset, split)


def build_data(experiment: Experiment, show: Show) -> Path:
    """Build the experiment's dataset from its data config and check that it lies where the experiment reads it."""
    return build_dataset(_config_of(experiment), show)


def _load(file: Path) -> DataConfig:
    from spine.intake import load_data_config

    return load_data_config(file)


def _config_of(experiment: Experiment) -> DataConfig:
    assert experiment.build is not None
    config = _load(experiment.build)
    if config.output.resolve() != experiment.data.resolve():
        raise SpineError(
            f"{experiment.build} builds {config.output}, but the experiment reads {experiment.data}; make them the same"
        )
    return config


def build_dataset(config: DataConfig, show: Show) -> Path:
    """Build a dataset where it is missing or changed, and show its problems; gives its directory."""
    from spine.core.problems import print_problems
    from spine.intake import build

    show("build")
    with at_work(f"build of {config.name}"):
        result = build(config)
    print_problems(result.problems)
    return result.root


def warn_if_config_changed(experiment: Experiment, show: Show) -> None:
    """Show, as a warning, what a dataset that is used as it is was built with, where its data config says otherwise."""
    from spine.intake.built import built_otherwise

    if not experiment.build or not experiment.data.exists():
        return
    try:
        changed = built_otherwise(_load(experiment.build))
    except SpineError:
        return  # the dataset may have come without its config, or its images lie elsewhere
    if changed:
        advice = f"build it again with `spine data build {experiment.build}`"
        show(f"warning: {experiment.data} was built from {experiment.build} with {', '.join(changed)}; {advice}")
