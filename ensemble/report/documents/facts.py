"""What the cards and the checklist tell of: a run, its test, its dataset, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.report.provenance import hashes_of_splits, provenance
from ensemble.results.evaluation import Evaluation
from ensemble.results.found_weights import FoundWeights
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.problems import SpineError
from spine.dataset.audit import leakage, quality
from spine.dataset.audit.privacy import Privacy
from spine.dataset.manifest import Manifest
from spine.dataset.population import Population, populations
from spine.experiment.about import AboutSettings
from spine.experiment.config import Experiment
from spine.experiment.trained import as_trained
from spine.member.member import Card, Member

__all__ = ["DataFacts", "Facts"]


@dataclass(frozen=True)
class DataFacts:
    """One dataset: its tables, who is in its splits, whether it may name them, and what the audit finds in tables."""

    name: str
    manifest: Manifest

    @cached_property
    def populations(self) -> list[Population]:
        """Its splits, small groups left out."""
        return populations(self.manifest)

    @cached_property
    def privacy(self) -> Privacy:
        """Whether it may name its patients."""
        return Privacy.of(self.manifest)

    @cached_property
    def modalities(self) -> list[str]:
        """DICOM codes of the images whose header was kept."""
        return sorted(set(self.manifest.images["modality"].fillna("")) - {""})

    @cached_property
    def findings(self) -> dict[str, int]:
        """What is looked for in the tables -> how often it was found; pictures are not opened."""
        checks = {
            "patients in two splits": leakage.shared_patients,
            "pictures that are in two splits": leakage.equal_images,
            "targets that the source alone tells": leakage.labels_follow_source,
            "classes that a split lacks": quality.missing_classes,
            "labels of boxes that a split lacks": quality.missing_boxes,
            "boxes that leave their picture": quality.boxes_outside,
            "levels of a patient with two values": quality.inconsistent_levels,
        }
        return {name: sum(1 for _ in check(self.manifest)) for name, check in checks.items()}


@dataclass(frozen=True)
class Facts:
    """A run and the evaluation of its own test split."""

    run: ExperimentRun
    evaluation: Evaluation

    @property
    def experiment(self) -> Experiment:
        """The experiment."""
        return self.run.experiment

    @property
    def about(self) -> AboutSettings:
        """What people say of it."""
        return self.run.experiment.about

    @property
    def weights(self) -> FoundWeights:
        """What the search found."""
        return self.run.weights

    @property
    def members(self) -> dict[str, Member]:
        """Name -> member."""
        return self.run.members

    @cached_property
    def data(self) -> DataFacts:
        """The experiment's dataset."""
        return DataFacts(self.experiment.data.resolve().name, self.run.manifest)

    @cached_property
    def settings(self) -> dict[str, dict[str, Any]]:
        """Member -> the settings that it was trained with, in plain values."""
        found: dict[str, dict[str, Any]] = as_trained(self.experiment)["members"]
        return found

    @cached_property
    def served(self) -> Card | None:
        """The card of the exported ensemble; None where it was not exported, or with other weights."""
        member = Member.open_if_whole(self.run.directory)
        return member.card if member and self.weights.fused_as(member.card.details) else None

    @cached_property
    def learned_from(self) -> list[str]:
        """Lines on the patients of members, weights and test, in counts."""
        cards = {name: member.card for name, member in self.members.items()}
        return provenance(cards, hashes_of_splits(self.run.manifest), self.weights, self.evaluation)

    @cached_property
    def elsewhere(self) -> list[Evaluation]:
        """What `spine evaluate --data` found of the same weights on other datasets."""
        found = []
        for path in sorted(self.experiment.directory.glob("evaluation-*/metrics.json")):
            try:
                one: Evaluation = ENSEMBLE_TASKS[self.experiment.task].evaluator.EVALUATION.read(path)
            except SpineError:
                continue  # of an older version, or damaged: `spine report --data` says so
            if {row.name: row.weight for row in one.members} == self.weights.weights:
                found.append(one)
        return found

    @property
    def elsewhere_external(self) -> list[Evaluation]:
        """Those of other patients; a detector's crops of the same patients are no external test."""
        return [one for one in self.elsewhere if not one.against_own_dataset]
