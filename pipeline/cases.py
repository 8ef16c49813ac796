"""Case files and what they chain: the experiments of every task are known here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.experiments import load_experiment
from spine.core.disk import at_work
from spine.core.strict import validate
from spine.core.wide_console import wide_console
from spine.core.yaml_files import read_yaml
from spine.experiment.loading import Suite

if TYPE_CHECKING:
    from ensemble.case.config import CaseSettings

__all__ = ["cases_of", "evaluate_case", "export_case", "export_cases_of", "is_case", "load_case"]

Show = Callable[[str], None]


def is_case(path: Path | str) -> bool:
    """Whether a YAML file is a case's."""
    from ensemble.case import config

    return config.is_case(path)


def load_case(path: Path | str, overrides: Sequence[str] = ()) -> CaseSettings:
    """Read a case file, apply `key=value` overrides and validate it."""
    from ensemble.case import config

    return config.load_case(path, overrides)


def export_case(path: Path | str, overrides: Sequence[str], show: Show) -> list[Path]:
    """Chain the runs of a case file into one SavedModel; the paths to open."""
    return _export(load_case(path, overrides), (), show)


def evaluate_case(path: Path | str, overrides: Sequence[str], data: Path | None, show: Show) -> list[Path]:
    """Judge an exported case on patients that no part has seen, of `data` or of its detector's dataset."""
    from ensemble.case.evaluate import evaluate_case

    settings = load_case(path, overrides)
    show(f"evaluate the case {settings.name}")
    with at_work(f"evaluate in {settings.directory}"):
        evaluation = evaluate_case(settings, load_experiment, data)
        name = f"evaluation-{data.resolve().name}.json" if data else "evaluation.json"
        written = evaluation.write(settings.directory / name)
    show(evaluation.summary)
    for part in evaluation.not_judged:
        show(f"{part} was not judged: the test pictures have no truth of it; give a dataset that has, with --data")
    wide_console().print(evaluation.table())
    return [written]


def cases_of(suite: Path | str) -> tuple[Path, ...]:
    """The case files of a suite; none of an experiment."""
    raw = read_yaml(suite)
    return validate(Suite, raw, str(suite)).cases if "experiments" in raw else ()


def export_cases_of(suite: Path | str, overrides: Sequence[str], show: Show) -> list[Path]:
    """Export the cases of a suite, nothing of an experiment; the overrides are those that its experiments ran with."""
    of_cases = [override for override in overrides if override.startswith("runs=")]
    return [written for path in cases_of(suite) for written in _export(load_case(path, of_cases), overrides, show)]


def _export(settings: CaseSettings, of_experiments: Sequence[str], show: Show) -> list[Path]:
    from ensemble.case.export import export_case

    show(f"export the case {settings.name}")
    with at_work(f"export in {settings.directory}"):
        return export_case(settings, partial(load_experiment, overrides=of_experiments))
