"""The stages in order: build the data, train the members, then the ensemble's stages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from pipeline import registry
from pipeline.data import build_data, build_dataset
from pipeline.fetch import Weights
from pipeline.training import train_members
from spine.core.disk import at_work
from spine.experiment.config import Experiment
from spine.experiment.loading import TwoStages

__all__ = ["awaited_of", "evaluate_other_dataset", "publish_two_stages", "run_all", "run_stage"]

Show = Callable[[str], None]
RESULTS = ("export", "evaluate", "report")  # the stages whose files a person opens


def run_all(
    experiment: Experiment, show: Show, built: Collection[Path] = (), fetched: Collection[Weights] = ()
) -> list[Path]:
    """Run every stage; what is done and unchanged is skipped, a killed run resumes. Gives the paths to open.

    Data configs that were `built` just before are not built again, and weights that were `fetched` not fetched.

    A dataset built with problems is used all the same: they are shown, and listed beside the dataset. An ensemble that
    cannot be exported, for a foreign member's sake, is told and judged all the same.
    """
    from spine.experiment.dataset import read_dataset
    from spine.experiment.foresight import warn_of_test

    if experiment.build and experiment.build not in built:
        build_data(experiment, show)
    warn_of_test(experiment, read_dataset(experiment), show)
    train_members(experiment, show, fetched=fetched)
    written = {name: _run_or_tell(experiment, name, show) for name in registry.STAGES}
    return [path for name in RESULTS for path in written[name]]


def awaited_of(experiments: Sequence[Experiment], stages: Sequence[TwoStages]) -> frozenset[Path]:
    """The directories of the two-stage detectors that are published among the members of experiments, in their turn."""
    return frozenset(one.runs / stage.output for one in experiments for stage in stages)


def publish_two_stages(experiment: Experiment, stages: Sequence[TwoStages], show: Show) -> None:
    """Publish the two-stage detectors among an experiment's members; what is unchanged is kept."""
    for one in stages:
        regions, discs, output = (experiment.runs / path for path in (one.regions, one.discs, one.output))
        if output.parent.parent == experiment.directory:
            show(f"two-stage {output.name}")
            registry.two_stage(regions, discs, output, **one.model_dump(include={"label", "grow", "confidence"}))


def evaluate_other_dataset(experiment: Experiment, config: Path, show: Show) -> tuple[Path, list[Path]]:
    """Build another dataset, such as a detector's crops, and judge the members and weights on its test split too.

    Gives the dataset and the paths that were written.
    """
    from spine.intake import load_data_config

    dataset = build_dataset(load_data_config(config), show)
    show(f"evaluate on {dataset}")
    with at_work(f"evaluate on {dataset}"):
        return dataset, [*registry.evaluate(experiment, dataset), *registry.report(experiment, dataset)]


def run_stage(experiment: Experiment, name: str, show: Show, **own: Any) -> list[Path]:
    """Run one stage of the ensemble, with settings of its `own` that are no experiment's.

    Members that were trained with other settings than the experiment's are told.
    """
    from spine.experiment.trained import warn_if_settings_changed

    show(name)
    warn_if_settings_changed(experiment, show)
    with at_work(f"{name} in {experiment.directory}"):
        return registry.stage(name)(experiment, **own)


def _run_or_tell(experiment: Experiment, name: str, show: Show) -> list[Path]:
    """Run one stage; where there can be no SavedModel to export, show why."""
    from spine.member.member import NoModel

    try:
        return run_stage(experiment, name, show)
    except NoModel as reason:
        if name != "export":
            raise
        show(f"not exported: {reason}")
        return []
