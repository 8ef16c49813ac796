"""The parts of a case, opened: the members of each, how they are fused, and whether they fit together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ensemble.case.config import GRADES, CaseSettings
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.results.decisions import Decisions
from ensemble.serving.decide_outputs import deciding
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.exported import not_exportable_reason
from ensemble.serving.fuse_outputs import TakeTheOne, fuse_for
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.json_models import of_shape
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import AnyTruth, ClassTruth, Region, pictures_of
from spine.experiment.config import Experiment
from spine.experiment.postprocess import PieceRule, PostprocessSettings
from spine.member.member import Member, NoModel, Patients
from spine.member.run_model import load_model

__all__ = ["CaseParts", "Part", "open_parts", "require_target"]

LoadExperiment = Callable[..., Experiment]  # of a file, and of which of its targets where it has several


@dataclass(frozen=True)
class Part:
    """Members with weight and their fusion: of an experiment's ensemble, or one member that answers by itself."""

    name: str
    task: str
    labels: tuple[str, ...]
    members: tuple[Member, ...]
    mean: Mean
    boxes: BoxFusion | None
    patients: Patients
    pictures: tuple[Region, ...] = ()  # whole ones of its dataset, where it has one
    target: str = ""  # of a classification, where it is known
    decisions: Decisions | None = None  # on the probabilities of a classification
    pieces: Mapping[int, PieceRule] = field(default_factory=dict)  # rules that post-process a segmentation's masks

    @classmethod
    def of_experiment(cls, name: str, experiment: Experiment) -> Part:
        """The ensemble of a run that was searched; NoModel where a member with weight has no SavedModel."""
        run = ExperimentRun(experiment)
        weights = run.weights
        if reason := not_exportable_reason(run.members, weights):
            raise NoModel(f"{name}: {reason}; choose a run whose members can be exported")
        members = tuple(run.members[member] for member in weights.kept)
        fuses_boxes = ENSEMBLE_TASKS[experiment.task].fuses_boxes
        return cls(
            name,
            experiment.task,
            experiment.labels,
            members,
            weights.mean(),
            weights.box_fusion if fuses_boxes else None,
            Patients.union([*(member.card.patients for member in members), weights.searched_patients]),
            _whole_pictures(run.manifest, run.truth(experiment.search_split)),
            experiment.target,
            weights.decisions,
            experiment.postprocess.rules(experiment.labels),
        )

    @classmethod
    def of_directory(cls, name: str, path: Path) -> Part:
        """One member's or ensemble's directory, as it answers by itself."""
        member = Member.open(path)
        card = member.card
        alone, decisions = Mean((1.0,)), _decisions_of(member)
        return cls(
            *(name, card.task, card.labels, (member,), alone, None, card.patients),
            decisions=decisions,
            pieces=_pieces_of(member),
        )

    @property
    def weights(self) -> list[float]:
        """One a member, as boxes are fused with."""
        return [float(weight) for weight in self.mean.weights if not isinstance(weight, tuple)]

    @property
    def fingerprint(self) -> list[Any]:
        """What its answers depend on."""
        models = [[member.name, member.card.model_hash] for member in self.members]
        decided = [self.decisions.model_dump(mode="json")] if self.decisions else []
        cleaned = [sorted(self.pieces.items())] if self.pieces else []
        return [models, self.mean.weights, self.mean.temperatures, repr(self.boxes), *decided, *cleaned]

    @cached_property
    def models(self) -> list[Any]:
        """Its members' SavedModels in memory, loaded once."""
        return [load_model(member) for member in self.members]

    def load(self) -> Ensemble:
        """What answers together in a graph."""
        alone = self.task == "detection" and self.boxes is None
        fuse = TakeTheOne() if alone else fuse_for(self.task, self.mean, self.boxes)
        fuse = deciding(fuse, self.decisions, len(self.labels))
        return Ensemble.of_models(self.models, fuse, [member.card.input for member in self.members])


def _whole_pictures(manifest: Manifest, truth: AnyTruth) -> tuple[Region, ...]:
    """The pictures of a truth's samples; of crops those that they were cut out of, each once."""
    if isinstance(truth, ClassTruth):
        return tuple(dict.fromkeys(region.whole for region in truth.regions))
    return pictures_of(manifest, truth.samples)


def _pieces_of(member: Member) -> dict[int, PieceRule]:
    """By which rules an ensemble post-processes masks, as its card says; SpineError where that does not hold."""
    told = member.card.details.get("postprocess", {}) if member.card.kind == "ensemble" else {}
    try:
        return of_shape(PostprocessSettings)(told).rules(member.card.labels)
    except ValueError as error:
        raise SpineError(f"{member.path / 'member.json'}: details.postprocess: {error}; export it again") from None


def _decisions_of(member: Member) -> Decisions | None:
    """What an exported ensemble decides, as its card says; SpineError where that does not hold."""
    told = member.card.details.get("decisions") if member.card.kind == "ensemble" else None
    if told is None:
        return None
    try:
        return of_shape(Decisions)(told)
    except ValueError as error:
        raise SpineError(f"{member.path / 'member.json'}: details.decisions: {error}; export it again") from None


@dataclass(frozen=True)
class CaseParts:
    """All parts of a case, which fit together."""

    detector: Part
    grades: Mapping[str, Part]
    segmentation: Part | None

    @property
    def all(self) -> list[Part]:
        """In the order of the chain."""
        return [self.detector, *self.grades.values(), *([self.segmentation] if self.segmentation else [])]


def open_parts(settings: CaseSettings, load_experiment: LoadExperiment) -> CaseParts:
    """Open what a case chains; SpineError where a part is of another task, or a label is not the detector's."""
    parts = {name: _open(name, path, load_experiment) for name, path in settings.parts.items()}
    detector = _require_task(parts["detector"], "detection")
    for cut in (settings.discs, settings.region):
        if cut and cut.label not in detector.labels:
            raise SpineError(
                f"the detector {settings.detector} has no label {cut.label!r}; its labels are "
                f"{', '.join(detector.labels)}"
            )
    grades = {target: require_target(parts[f"{GRADES}{target}"], target) for target in settings.grades}
    segmentation = _require_task(parts["segmentation"], "segmentation") if settings.segmentation else None
    return CaseParts(detector, grades, segmentation)


def _open(name: str, path: Path, load_experiment: LoadExperiment) -> Part:
    if path.is_dir():
        return Part.of_directory(name, path)
    if path.suffix in (".yaml", ".yml"):
        return Part.of_experiment(name, load_experiment(path, target=name.partition(GRADES)[2]))
    raise SpineError(
        f"{name}: {path} does not exist; give an experiment's file, or the directory of a member or an ensemble"
    )


def _require_task(part: Part, task: str) -> Part:
    if part.task != task:
        raise SpineError(f"{part.name} names a model for {part.task}; a case needs one for {task} there")
    return part


def require_target(part: Part, target: str) -> Part:
    """Grades are told by the name of their target, also in DICOM reports: it must be what the classifier learned."""
    if part.target and part.target != target:
        raise SpineError(f"{part.name} is a classifier of {part.target!r}; write grades: {{{part.target}: ...}}")
    return _require_task(part, "classification")
