"""What the cards and the checklist tell of: a run, its test, its dataset, each read once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.report.provenance import hashes_of_splits, provenance
from ensemble.results.evaluation import Evaluation
from ensemble.results.found_weights import FoundWeights
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.problems import Problem, SpineError
from spine.dataset.audit import leakage, quality
from spine.dataset.audit.privacy import Privacy
from spine.dataset.manifest import Manifest
from spine.dataset.population import Population, populations
from spine.experiment.about import AboutSettings
from spine.experiment.config import Experiment
from spine.experiment.trained import as_trained
from spine.intake.built import Built, built, describe_splits, left_out
from spine.member.member import Card, Member

__all__ = ["DataFacts", "Facts", "sources_told"]


def sources_told(names: Collection[str]) -> str:
    """Such as `the sources mine, theirs`."""
    return f"the source{'s' if len(names) > 1 else ''} {', '.join(name or 'without a name' for name in names)}"


@dataclass(frozen=True)
class DataFacts:
    """One dataset: its tables, who is in its splits, whether it may name them, and what the audit finds in tables.

    `boxes` are the labels of boxes that the experiment learns, where it learns any.
    """

    name: str
    manifest: Manifest
    boxes: tuple[str, ...] = ()

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
        checks: dict[str, Callable[[Manifest], Iterator[Problem]]] = {
            "patients in two splits": leakage.shared_patients,
            "pictures that are in two splits": leakage.equal_images,
            "targets that the source alone tells": leakage.labels_follow_source,
            "classes that a split lacks": quality.missing_classes,
            "labels of boxes that a split lacks": partial(quality.missing_boxes, labels=self.asked_boxes),
            "boxes that leave their picture": quality.boxes_outside,
            "levels of a patient with two values": quality.inconsistent_levels,
        }
        return {name: sum(1 for _ in check(self.manifest)) for name, check in checks.items()}

    @cached_property
    def built(self) -> Built | None:
        """What it was built from, where that is recorded beside it."""
        return built(self.manifest.root)

    @property
    def left_out(self) -> str:
        """Sentences on what its build did not take; "" where it took all, or left no record of that."""
        told = []
        if self.built and self.built.crop and self.built.crop.require:
            told.append(f"Boxes without a value of {self.built.crop.require} were not cropped, and are not counted.")
        if count := left_out(self.manifest.root):
            told.append(f"{count} files or annotations of the sources were left out; each has its reason in a list.")
        return " ".join(told)

    @cached_property
    def split_rule(self) -> str:
        """By which rule its patients came into the splits; "" where that is not known."""
        return describe_splits(self.manifest)

    @property
    def asked_boxes(self) -> tuple[str, ...]:
        """The labels of boxes that anything is made of: those of the experiment, or that crops are cut out of."""
        cropped = self.built.crop if self.built else None
        return self.boxes or ((cropped.label,) if cropped else ())

    @cached_property
    def generated(self) -> list[str]:
        """Its sources whose images are phantom studies."""
        known = self.built.generated if self.built else frozenset()
        return sorted(known & set(self.manifest.images["source"].fillna("")))

    @property
    def are_generated(self) -> bool:
        """Whether all its images are generated, so that nobody is shown in any."""
        return bool(self.generated) and set(self.manifest.images["source"].fillna("")) == {*self.generated}

    @property
    def origin(self) -> str:
        """A sentence on images that are generated; "" where none is known to be."""
        if not self.generated:
            return ""
        whose = "All images" if self.are_generated else f"The images of {sources_told(self.generated)}"
        return f"{whose} are generated (phantom studies), and of no patient."


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
        return self.of(self.run.manifest)

    def of(self, manifest: Manifest) -> DataFacts:
        """A dataset, as this experiment uses it."""
        boxes = self.experiment.labels if self.experiment.task == "detection" else ()
        return DataFacts(manifest.root.resolve().name, manifest, boxes)

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
