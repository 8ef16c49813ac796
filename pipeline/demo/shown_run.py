"""A run or a case -> the model that the page asks, and the networks that it can look into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cases import is_case, load_case
from pipeline.client import LocalModel
from pipeline.experiments import load_experiment, load_experiments
from pipeline.registry import watched
from spine.core.problems import SpineError
from spine.core.yaml_files import read_yaml
from spine.experiment.config import Experiment
from spine.training.view import View

if TYPE_CHECKING:
    from ensemble.case.config import CaseSettings
    from ensemble.case.parts import Part
    from spine.member.member import Member

__all__ = ["Grader", "ShownRun"]


@dataclass(frozen=True)
class Grader:
    """What grades one target: members' networks that can be watched, and how they are fused."""

    part: Part
    networks: tuple[Any, ...]


@dataclass(frozen=True)
class ShownRun:
    """A model, the graders of its targets, and of the other targets why there is none."""

    model: LocalModel
    graders: Mapping[str, Grader] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | str, overrides: Sequence[str] = ()) -> ShownRun:
        """Open the YAML file of a run or a case, or the directory of a member, an ensemble or a case.

        SpineError where it is none of these, or has not been exported.
        """
        path = Path(path)
        if path.is_dir():
            return cls(LocalModel.open(path))
        if is_case(path):
            return _of_case(path, load_case(path, overrides), overrides)
        return _of_experiment(path, overrides)


def _of_case(path: Path, settings: CaseSettings, overrides: Sequence[str]) -> ShownRun:
    model = _exported(settings.directory, path)
    experiments = {
        target: None if part.is_dir() else _chained(part, overrides, target) for target, part in settings.grades.items()
    }
    return _with_graders(model, experiments, settings.discs.grow)


def _chained(path: Path, overrides: Sequence[str], target: str) -> Experiment:
    """A case's experiment where it was searched: below the `runs` of the case as a suite has it, or below its own."""
    elsewhere = load_experiment(path, [override for override in overrides if override.startswith("runs=")], target)
    was_searched = (elsewhere.ensemble_directory / "weights.json").exists()
    return elsewhere if was_searched else load_experiment(path, target=target)


def _of_experiment(path: Path, overrides: Sequence[str]) -> ShownRun:
    if cases := read_yaml(path).get("cases"):
        raise SpineError(f"{path} is a suite; show one of its cases, such as {cases[0]}, or one of its experiments")
    experiments = load_experiments(path, overrides)
    if len(experiments) > 1:
        if experiments[0].heads:
            known = ", ".join(head.target for head in experiments[0].heads)
            raise SpineError(f"{path} has several targets; add target=NAME for one of {known}")
        names = ", ".join(experiment.name for experiment in experiments)
        raise SpineError(f"{path} is a suite of {names}; show one of them by its own file")
    model = _exported(experiments[0].ensemble_directory, path)
    targets = model.description.targets
    return _with_graders(model, dict.fromkeys(targets, experiments[0]), 0.0) if targets else ShownRun(model)


def _exported(directory: Path, given: Path) -> LocalModel:
    if not (directory / "member.json").exists():
        raise SpineError(f"{given} has no model in {directory} yet; run `spine export {given}`")
    return LocalModel.open(directory)


def _with_graders(model: LocalModel, experiments: Mapping[str, Experiment | None], grow: float) -> ShownRun:
    """Grad-CAM needs the members' networks; without them the model is shown all the same, and the reason is kept."""
    graders, reasons = {}, {}
    for target, experiment in experiments.items():
        if experiment is None:
            reasons[target] = "its classifier is given as a directory, which does not tell the networks in it"
            continue
        try:
            graders[target] = _grader(target, experiment, grow)
        except SpineError as error:
            reasons[target] = str(error)
    return ShownRun(model, graders, reasons)


def _grader(target: str, experiment: Experiment, grow: float) -> Grader:
    from ensemble.case.parts import Part

    part = Part.of_experiment(target, experiment)
    networks = [
        watched(
            experiment.task, _as_served(experiment, member, grow), len(experiment.labels), experiment.ordinal, model
        )
        for member, model in zip(part.members, part.models, strict=True)
    ]
    return Grader(part, tuple(networks))


def _as_served(experiment: Experiment, member: Member, grow: float) -> Any:
    """A member's settings with the view that its card tells; where that knows no boxes, of what is cut out for it."""
    settings: Any = experiment.members[member.name]
    view = View.model_validate(member.card.input.get("network", {}).get("view", {}))
    return settings.model_copy(update={"view": view if view.grow is not None else view.of_cut(grow)})
