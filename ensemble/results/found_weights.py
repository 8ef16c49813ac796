"""weights.json: what `spine search` found, as the stages after it ask for it.

What is not named here may stand in the file too, and what older versions did not write may be missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, JsonValue, StrictInt, StrictStr, field_validator, model_validator

from ensemble.fusion.fuse import Mean, without_zeros
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.results.decisions import Decisions
from ensemble.results.scores import Number, Score
from ensemble.results.weight_rules import OneSplit, PrunedMember, RuleComparison, RuleWeights, WeightShrinkage
from ensemble.results.written import Written
from ensemble.split_predictions import SplitPredictions
from spine.core.files import read_json, write_json
from spine.core.json_models import of_shape
from spine.core.problems import SpineError
from spine.core.words import enumerated
from spine.dataset.manifest import OUT_OF_FOLD
from spine.experiment.config import Experiment
from spine.experiment.stages import DecideSettings
from spine.member.member import Patients
from spine.tasks import TASKS

__all__ = [
    *("NO_SCORE", "ONE_SPLIT", "Contributions", "Counts", "FoundWeights", "KeptBudget", "NestedScore"),
    *("SearchedFolds", "SearchedPatients", "read_weights", "require_current"),
]

SEARCH_AGAIN = "run `spine search EXPERIMENT` again"
NO_SCORE = (  # why a resample has none
    "they leave no patient out, or what they draw or leave out has nothing to measure, such as no box or one class"
)
EQUAL_RULE, ONE_SPLIT = "equal", "one_split"
FUSION = ("fusion", "temperatures", "class_weights", "decisions")  # what shapes the model beside the weights
ESTIMATED = {"score", "low", "high", "equal", "single", "optimism"}  # where a resample has a score
WHERE_ASKED = (
    *FUSION,
    "undefined",
    "folds",
    "trained_on_searched",
    "flattered",
    "budget",
    "rules",
    "pruned",
)  # else not in the file

Temperature = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class NestedScore(Written):
    """The `score` of weights chosen this way on patients they were not chosen on, a mean over resamples.

    `low` to `high` holds the middle 95 %; `equal` and `single` are of equal weights and of the best single member
    there. `resamples` counts those of the `drawn` that have a score: 0 where nothing was estimated, and `why` where it
    was asked for. `step` is the grid's, `share` how often the chosen weights are a best choice, `optimism` how much
    the search's score flatters. Beside class weights, `plain` is of ordinary weights alone.
    """

    score: Number = math.nan
    low: Number = math.nan
    high: Number = math.nan
    equal: Number = math.nan
    single: Number = math.nan
    share: Number = math.nan
    resamples: StrictInt = 0
    step: Number = math.nan
    drawn: StrictInt = 0
    optimism: Number = math.nan
    plain: Number | None = None
    why: StrictStr = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = sorted(ESTIMATED - self.model_fields_set)
        if self.resamples and missing:
            raise ValueError(f"{missing[0]} is missing")
        return self

    @property
    def left_aside(self) -> str:
        """Why fewer resamples count than were drawn; empty where all do."""
        missing = self.drawn - self.resamples
        return f"{missing} of {self.drawn} drawn have no score, since {NO_SCORE}" if missing > 0 else ""

    def describe_baselines(self, task: str, metric: str, whom: str = "") -> str:
        """One sentence on what equal weights and the best single member reach on patients that the weights were not
        chosen on; empty where that was not estimated. `whom` the estimate is of, if not of the weights.

        It says who did better there, by the digits that are shown.
        """
        if not self.resamples:
            return ""
        sign = 1 if TASKS[task].metrics.named(metric).higher_is_better else -1
        scores = {"equal weights": self.equal, "the best single member": self.single}
        baselines = {f"{name} ({score:.3f})": sign * round(score, 3) for name, score in scores.items()}
        better = [name for name, score in baselines.items() if score > sign * round(self.score, 3)]
        if better:
            return f"There {enumerated(better)} did better than {whom or 'the chosen weights'}."
        return f"There neither {' nor '.join(baselines)} did better."


class MemberContribution(Written):
    """A member's score `alone`, the best score `without` it, and its `shapley` value, None of too many members."""

    alone: Score
    without: Score
    shapley: Score


class Contributions(Written):
    """What each of the `members` adds, by a grid of that `step`; of few members the best score of all `sets`.

    A set is its members' names joined by " + ".
    """

    step: Number | None = None
    members: dict[str, MemberContribution] = Field(default_factory=dict)
    sets: dict[str, Score] = Field(default_factory=dict)


class KeptBudget(Written):
    """The `limits` by name, such as "ms an image", and what each member costs by it.

    Of a grid, how many of its `vectors` the budget `left` to choose from.
    """

    limits: dict[str, Number]
    costs: dict[str, dict[str, Number]]
    left: StrictInt | None = None
    vectors: StrictInt | None = None


class SearchedFolds(Written):
    """The experiment's folds, and what readers must know of weights that were searched on out-of-fold predictions."""

    count: StrictInt
    stop_on: StrictStr
    served: StrictStr
    notes: list[StrictStr] = Field(default_factory=list)


class SearchedPatients(Written):
    """The salted hashes of the patients that the weights were searched on."""

    salt: StrictStr
    searched: list[StrictStr]


class Counts(Written):
    """How much the weights were searched on."""

    samples: StrictInt
    units: StrictInt
    patients: StrictInt


class FoundWeights(Written):
    """The `weights` of the members (sum 1, zeros included), how they were found, and what they are worth.

    They are those of the `rule`. `evaluated` to `why`, `nested` and `contributions` are of the optimum.
    Of detection, `fusion` holds the thresholds; with options of the search `temperatures` a number a member and
    `class_weights` for each member one a class. `predictions` are the hashes of what was searched on.
    """

    name: StrictStr = ""
    settings: dict[str, JsonValue] = Field(
        default_factory=dict
    )  # as the experiment had them then; other versions have others
    task: StrictStr = ""
    metric: StrictStr
    method: StrictStr
    step: Number
    weights: dict[str, Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]] = Field(min_length=1)
    fusion: dict[str, Number] = Field(default_factory=dict)
    temperatures: dict[str, Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict
    )
    class_weights: dict[str, list[Number]] = Field(default_factory=dict)
    score: Score
    singles: dict[str, Score] = Field(default_factory=dict)
    equal: Score = None
    undefined: dict[str, StrictStr] = Field(default_factory=dict)  # why scores are null
    evaluated: StrictInt | None = None
    scored: StrictInt | None = None
    ties: StrictInt | None = None
    listed: StrictInt | None = None  # in search.csv
    why: StrictStr = ""
    split: StrictStr
    rule: StrictStr = "optimum"
    rules: dict[str, RuleWeights] = Field(default_factory=dict)
    shrinkage: WeightShrinkage | None = None
    kappa: Number | None = None
    comparison: RuleComparison = RuleComparison()
    pruned: dict[str, PrunedMember] = Field(default_factory=dict)
    one_split: OneSplit | None = None
    folds: SearchedFolds | None = None
    trained_on_searched: dict[str, StrictInt] = Field(default_factory=dict)
    flattered: list[StrictStr] = Field(default_factory=list)
    counts: Counts | None = None
    predictions: dict[str, StrictStr]
    patients: SearchedPatients
    nested: NestedScore = NestedScore()
    contributions: Contributions = Contributions()
    budget: KeptBudget | None = None
    decisions: Decisions | None = None
    inputs_hash: StrictStr = ""
    # Name -> weights that a person gives to be judged beside these (evaluate.also); the experiment's, not the file's.
    given: dict[str, dict[str, float]] = Field(default_factory=dict, exclude=True)

    @field_validator("weights")
    @classmethod
    def _are_shares(cls, weights: dict[str, float]) -> dict[str, float]:
        if not math.isclose(total := sum(weights.values()), 1, abs_tol=1e-6):
            raise ValueError(f"the weights sum to {total:g}; they must sum to 1")
        return weights

    @model_validator(mode="after")
    def _others_are_of_the_same_members(self) -> Self:
        for name, one in self._others.items():
            if set(one.weights) != set(self.weights):
                raise ValueError(f"weights of {name} are of {', '.join(one.weights)}, not of {', '.join(self.weights)}")
        return self

    @classmethod
    def read(cls, experiment: Experiment) -> Self:
        """What the search wrote; SpineError where it is missing, or damaged by the keys that do not hold."""
        path = _path(experiment)
        if not path.exists():
            raise SpineError(f"{path} does not exist; run `spine search EXPERIMENT` first")
        return read_json(path, SEARCH_AGAIN, of_shape(cls))

    def write(self, path: Path) -> None:
        """Write it, atomically."""
        write_json(self.as_json(), path)

    def as_json(self) -> dict[str, JsonValue]:
        """What the file holds."""
        content = self.model_dump(mode="json", exclude_unset=True)
        return {key: value for key, value in content.items() if value or key not in WHERE_ASKED}

    @property
    def kept(self) -> dict[str, float]:
        """The members of weight above 0, in order."""
        return without_zeros(self.weights)

    @property
    def fusion_settings(self) -> dict[str, JsonValue]:
        """What the fusion is told beside the weights, and what is decided on it, where there is any."""
        return {key: value for key, value in self.as_json().items() if key in FUSION}

    @property
    def is_out_of_fold(self) -> bool:
        """Whether they were searched on out-of-fold predictions."""
        return self.split == OUT_OF_FOLD

    @property
    def searched_patients(self) -> Patients:
        """Whom they were searched on, as members' cards name patients."""
        return Patients(salt=self.patients.salt, searched=tuple(self.patients.searched))

    def fused_as(self, details: Mapping[str, JsonValue]) -> bool:
        """Whether a card's details are of an ensemble that was exported with these weights."""
        settings = {key: details[key] for key in FUSION if key in details}
        return (details.get("weights"), settings) == (self.kept, self.fusion_settings)

    def mean(self, names: Iterable[str] = ()) -> Mean:
        """The weighted mean of these members; unless given, of all whose weight is above 0."""
        names = list(names) or list(self.kept)
        weights = tuple(tuple(self.class_weights[name]) if self.class_weights else self.weights[name] for name in names)
        return Mean(weights, tuple(self.temperatures[name] for name in names if self.temperatures))

    @property
    def box_fusion(self) -> BoxFusion:
        """The thresholds that boxes are fused with; SpineError where there are none."""
        if not self.fusion:
            raise SpineError("weights.json has no thresholds of box fusion; run `spine search EXPERIMENT` again")
        return BoxFusion(**self.fusion)

    def without_each(self) -> list[Self]:
        """These without each member of weight above 0, in order; nothing where there is one such member only."""
        return [self.without(name) for name in self.kept] if len(self.kept) > 1 else []

    def without(self, member: str) -> Self:
        """These without one member, the others' weights renormalised, of every class apart."""
        shares = {name: 0.0 if name == member else weight for name, weight in self.weights.items()}
        weights = {name: share / sum(shares.values()) for name, share in shares.items()}
        if not self.class_weights:
            return self.model_copy(update={"weights": weights})
        table = {name: np.asarray(row) * (name != member) for name, row in self.class_weights.items()}
        total = sum(table.values())  # where only this member told of a class, the others do so by their weights
        by_class = {
            name: np.where(total > 0, row / np.where(total > 0, total, 1), weights[name]).tolist()
            for name, row in table.items()
        }
        return self.model_copy(update={"weights": weights, "class_weights": by_class})

    def alternatives(self) -> dict[str, Self]:
        """Rule -> these with its weights and thresholds, of those that have no row in a leaderboard; in order.

        `one_split` are the weights of the validation split alone.
        """
        return {
            name: self._with(one)
            for name, one in self._others.items()
            if name != self.rule and not self._is_row_of_equal(name, one)
        }

    def of_given(self) -> list[Self]:
        """These with each of the given weights: members as they are, and of boxes the thresholds that these have."""
        plain: dict[str, Any] = {"temperatures": {}, "class_weights": {}}
        return [
            self.model_copy(update={**plain, "weights": {name: one[name] for name in self.weights}})
            for one in self.given.values()
        ]

    @property
    def _others(self) -> dict[str, RuleWeights | OneSplit]:
        return {**self.rules, **({ONE_SPLIT: self.one_split} if self.one_split else {})}

    def _is_row_of_equal(self, name: str, one: RuleWeights | OneSplit) -> bool:
        """Under a budget the rule may leave members out, and of boxes it has thresholds of its own."""
        equal = all(math.isclose(weight, 1 / len(self.weights)) for weight in one.weights.values())
        return name == EQUAL_RULE and equal and one.fusion == self.fusion

    def _with(self, one: RuleWeights | OneSplit) -> Self:
        weights = {name: one.weights[name] for name in self.weights}
        return self.model_copy(update={"weights": weights, "fusion": one.fusion, "class_weights": {}})

    def of_served_rule(self) -> Self:
        """The same without what other rules made, where nobody asks what that is worth."""
        return self.model_copy(update={"rules": {}, "one_split": None})

    def of_members(self, names: Iterable[str]) -> Self:
        """The same with the weights in the order of these names."""
        return self.model_copy(update={"weights": {name: self.weights[name] for name in names}})

    def describe_baselines(self) -> str:
        """What equal weights and the best single member reach on patients that the weights were not chosen on."""
        return self.nested.describe_baselines(self.task, self.metric, "the optimum" if self.rules else "")


def read_weights(experiment: Experiment) -> FoundWeights:
    """What the search wrote; SpineError where it is missing, or searched other members or settings.

    Whether it searched the predictions of now is what `require_current` checks.
    """
    weights, path = FoundWeights.read(experiment), _path(experiment)
    if set(weights.weights) != set(experiment.members):
        raise SpineError(
            f"{path} has weights for {', '.join(weights.weights)}, but the experiment's members are "
            f"{', '.join(experiment.members)}; {SEARCH_AGAIN}"
        )
    _require_asked_for(weights, experiment)
    return weights


def _path(experiment: Experiment) -> Path:
    return experiment.ensemble_directory / "weights.json"


def _require_asked_for(weights: FoundWeights, experiment: Experiment) -> None:
    """Weights that were found by other settings than the experiment now has are not those it tells of."""
    # The metric that was meant before an empty one.
    recorded = {**weights.settings, **weights.model_dump(include={"metric", "method", "step", "split"})}
    asked = experiment.search.model_dump(mode="json", exclude={"name", "storage", "allow_overlap"})
    asked = {key: value for key, value in asked.items() if key in recorded and value != ""}
    asked["split"] = experiment.search_split
    decided = weights.decisions.asked if weights.decisions else DecideSettings().model_dump(mode="json")
    recorded |= {f"decide.{key}": value for key, value in decided.items()}
    decide = {f"decide.{key}": value for key, value in experiment.decide.model_dump(mode="json").items()}
    asked |= {key: value for key, value in decide.items() if key in recorded}
    differing = {key: value for key, value in asked.items() if recorded.get(key) != value}
    if other := [f"{key} {recorded.get(key)}, not {value}" for key, value in differing.items()]:
        raise SpineError(
            f"{_path(experiment)} was searched with {enumerated(other)} as the experiment now asks; "
            f"{SEARCH_AGAIN}, or put the settings back"
        )


def require_current(weights: FoundWeights, split: SplitPredictions, experiment: Experiment) -> None:
    """Weights that were found on predictions which have changed since say nothing of the members as they are now."""
    stale = [name for name, predictions in split.stored.items() if weights.predictions.get(name) != predictions.hash]
    if stale:
        raise SpineError(
            f"{_path(experiment)} was searched on earlier predictions of {', '.join(stale)}, which have changed since; "
            f"{SEARCH_AGAIN}"
        )
