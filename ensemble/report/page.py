"""The report as one HTML page: what the template shows, gathered and escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import yaml

from ensemble.costs import describe_budget
from ensemble.evaluators.verdict import p_value
from ensemble.experiment_run import ExperimentRun
from ensemble.report.importance import importances
from ensemble.report.member_facts import MemberTable
from ensemble.report.members import cheapest_sets, cost_rows
from ensemble.report.plots import Figures
from ensemble.report.provenance import hashes_of_splits, provenance
from ensemble.report.rules import RulesShown
from ensemble.report.style import INK, Style, styles_of
from ensemble.report.templates import environment
from ensemble.results.evaluation import Evaluation
from ensemble.results.few_patients import caution
from ensemble.results.found_weights import FoundWeights
from ensemble.split_predictions import SplitPredictions
from spine.core.words import signed
from spine.dataset.manifest import SPLIT_NAMES, Manifest
from spine.experiment.config import Experiment
from spine.experiment.trained import as_trained, trained_otherwise
from spine.member.importance import Importance
from spine.member.member import Member
from spine.member.serving import package_versions

__all__ = ["Page", "render"]

TaskEvaluation = TypeVar("TaskEvaluation", bound=Evaluation)


@dataclass(frozen=True)
class SplitCounts:
    """How many patients and samples a split has, and how many samples, or boxes, of each class."""

    name: str
    patients: int
    samples: int
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Page(Generic[TaskEvaluation]):
    """All that the page tells: the evaluation, weights.json, the members and the dataset.

    `split` is the test split that was judged, `directory` where metrics.json and its tables lie.
    """

    run: ExperimentRun
    evaluation: TaskEvaluation
    manifest: Manifest  # of the dataset that was judged, the experiment's own or another
    split: SplitPredictions
    directory: Path

    @property
    def experiment(self) -> Experiment:
        """The experiment."""
        return self.run.experiment

    @property
    def weights(self) -> FoundWeights:
        """What the search found."""
        return self.run.weights

    @property
    def members(self) -> Mapping[str, Member]:
        """Name -> member."""
        return self.run.members

    def samples_of_splits(self, known: set[str]) -> list[tuple[str, list[str]]]:
        """Split -> its samples among the `known` ones, those with a truth."""
        splits = self.manifest.splits
        chosen = {name: splits.loc[splits["split"] == name, "sample"] for name in SPLIT_NAMES}
        return [(name, [sample for sample in samples if sample in known]) for name, samples in chosen.items()]

    def count_split(self, name: str, samples: list[str], classes: Sequence[int] = ()) -> SplitCounts:
        """A split's patients and samples, beside what is known of its classes."""
        patient_of = self.manifest.patient_of()
        return SplitCounts(name, len({patient_of[sample] for sample in samples}), len(samples), tuple(classes))

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Row -> how figures draw it."""
        return styles_of([(row.name, row.kind) for row in self.evaluation.table_rows])

    @property
    def colours(self) -> dict[str, str]:
        """Row -> CSS colour, as in the figures."""
        colours = {name: style["color"] for name, style in self.styles.items()}
        return {name: "currentColor" if colour == INK else colour for name, colour in colours.items()}

    @property
    def member_table(self) -> MemberTable:
        """What each member is, sees and was trained with."""
        return MemberTable.of(self.members, as_trained(self.experiment)["members"])

    @cached_property
    def importances(self) -> dict[str, Importance]:
        """How much each measurement matters to the members that decide by measurements."""
        return importances(self.members)

    @cached_property
    def rules(self) -> RulesShown | None:
        """The rules that weights were made by, if they were."""
        return RulesShown.of(self.weights, self.evaluation)

    @property
    def provenance(self) -> list[str]:
        """Whom members learned from, and weights were chosen on."""
        splits = hashes_of_splits(self.run.manifest)  # the members', wherever they are judged
        cards = {name: member.card for name, member in self.members.items()}
        return provenance(cards, splits, self.weights, self.evaluation)

    @property
    def hashes(self) -> dict[str, str]:
        """Fingerprints that tell this run's data, splits and models from any other's."""
        models = {f"model of {name}": member.card.model_hash for name, member in self.members.items()}
        return {"data": self.manifest.data_hash, "splits": self.manifest.splits_hash, **models}

    @property
    def versions(self) -> dict[str, str]:
        """Packages that made this report, and those of a member where they differ."""
        here = package_versions()
        other = {
            f"{package} (member {name})": version
            for name, member in self.members.items()
            for package, version in member.card.versions.items()
            if here.get(package) != version
        }
        return {**here, **other}

    @property
    def settings(self) -> str:
        """The resolved experiment as YAML, members with the settings that they were trained with."""
        return yaml.safe_dump(as_trained(self.experiment), sort_keys=False)

    @property
    def trained_otherwise(self) -> dict[str, str]:
        """Name -> how, of members that were trained with other settings than the experiment says."""
        return trained_otherwise(self.experiment)


def render(page: Page[Any], figures: Figures, template: str, context: Mapping[str, Any]) -> str:
    """The page's HTML; all text is escaped, figures are inline, nothing is fetched."""
    from markupsafe import Markup

    evaluation = page.evaluation
    own = environment()
    own.filters |= {"number": _number, "signed": _signed, "p": _p}
    return own.get_template(template).render(
        page=page,
        evaluation=evaluation,
        costs=cost_rows(evaluation),
        sets=cheapest_sets(evaluation),
        yardsticks=page.weights.describe_baselines(),
        footnotes=evaluation.footnotes(dict.fromkeys((*context.get("columns", ()), *evaluation.undefined_metrics))),
        left_aside=page.weights.nested.left_aside,
        budget=describe_budget(page.weights),
        searched_on=page.weights.split,
        few_searched=caution(len(page.weights.patients.searched), page.weights.split),
        provenance=page.provenance,
        weights=page.weights,
        rules=page.rules,
        temperatures=page.weights.temperatures,
        class_weights=page.weights.class_weights,
        names=evaluation.names,
        ensemble=evaluation.ensemble,
        # Drawn by us; matplotlib escapes the names within.
        figures={name: Markup(svg) for name, svg in figures.svg.items()},
        **context,
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:z.{digits}f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(value).replace("-", "−")


def _p(value: float | None) -> str:
    return p_value(np.nan if value is None else value).removeprefix("p ").removeprefix("= ")
