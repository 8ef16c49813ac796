"""What an experiment says of its stages after training: search, decisions, evaluation, export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PositiveInt, field_validator, model_validator

from spine.core.refusals import NAME, NAME_OR_NONE
from spine.core.strict import Strict, without_null, without_password
from spine.experiment.given_weights import require_shares

__all__ = [
    "FIXED",
    "NAME",
    "RULELESS",
    "STORAGES",
    "UNCHOSEN",
    "BatchingSettings",
    "DecideSettings",
    "EvaluateSettings",
    "ExportSettings",
    "SearchSettings",
    "StudyURL",
    "steps_of",
]

MOST = 10**6  # resamples or trials: more are days of work, and a slip of the pen
FIXED = "fixed"  # the method of weights that are given by hand
UNCHOSEN = ("equal", FIXED)  # methods that choose nothing
RULELESS = (*UNCHOSEN, "best")  # methods that decide the weights by themselves, whatever the rule
FINEST = 10_000  # steps of weights from 0 to 1
STORAGES = "sqlite:///, journal:/// or postgresql://"  # how the URL of a search's record begins
Weight = Annotated[float, Field(strict=True)]  # given by hand; neither true nor text is one


def _known_storage(url: str) -> str:
    """The URL of a study's record, or none; ValueError where it is another kind."""
    if url and not re.match(r"journal:///|(sqlite|postgresql)(\+\w+)?://", url):
        raise ValueError(f"give a URL that begins with {STORAGES}, or leave it out for study.db")
    return url


# Where a study is kept. What is written of it, into resolved copies and reports, holds no password.
StudyURL = Annotated[str, AfterValidator(_known_storage), PlainSerializer(without_password, return_type=str)]


class SearchSettings(Strict):
    """How the weights are chosen, on validation predictions only."""

    name: str = Field(default="weighted", pattern=NAME)  # the ensemble's directory
    metric: str = ""  # empty: accuracy, of segmentation dice_foreground, of detection map50
    method: Literal["grid", "line", "equal", "best", "greedy", "optuna-grid", "tpe", "cmaes", "fixed"] = "grid"
    weights: Mapping[str, Weight] = Field(default_factory=dict)  # of `fixed`: member to weight, normalised to sum 1
    step: float = 0.1
    trials: int = Field(default=200, ge=1, le=MOST)  # of tpe and cmaes
    # Of detection, thresholds of weighted boxes fusion to try: boxes above the IoU become one, boxes below the score
    # are left out.
    iou_thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.4, 0.5, 0.6, 0.7), min_length=1)
    score_thresholds: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(default=(0.0, 0.05), min_length=1)
    resamples: int = Field(default=200, ge=0, le=MOST)  # bootstrap resamples for the nested estimate; 0 disables it
    # What is made of the gains on patients and resamples; null: exponential, or optimum where the method decides
    # (equal, best, greedy), with class weights, and without resamples.
    rule: Literal["exponential", "shrunk", "optimum", "equal", "bagged", "dropped", "penalised"] | None = None
    prune: bool = True  # leave out members of small weight where that costs nothing on patients not chosen on
    max_latency_ms: float | None = Field(default=None, gt=0)  # an image: the sum over the members of weight above 0
    max_megabytes: float | None = Field(default=None, gt=0)  # the sum of those members' SavedModels
    temperature: bool = False  # first scale each member by a temperature of its own
    per_class: bool = False  # give the chosen members a weight for each class: more to choose, more to overfit
    allow_overlap: bool = False  # allow a search on patients that members were trained on; the report says so
    storage: StudyURL = ""  # URL of sqlite, journal or postgresql; empty: study.db beside weights.json

    @field_validator("step")
    @classmethod
    def _divides_one(cls, step: float) -> float:
        steps_of(step)
        return step

    @model_validator(mode="after")
    def _has_weights_where_they_are_fixed(self) -> SearchSettings:
        if self.method == FIXED and not self.weights:
            raise ValueError("method 'fixed' needs weights; give each member one, such as weights: {a: 0.6, b: 0.4}")
        if self.method != FIXED and self.weights:
            raise ValueError(
                f"weights are of method 'fixed', and the method is {self.method!r}; leave them out, or give "
                "method: fixed. To judge them beside searched ones, give them in evaluate.also"
            )
        if self.weights:
            require_shares(self.weights)
        if self.method == FIXED and self.per_class:
            raise ValueError("method 'fixed' leaves nothing to choose by class; leave per_class out")
        return self

    @model_validator(mode="after")
    def _budget_has_a_method(self) -> SearchSettings:
        if self.method == "line" and (self.max_latency_ms or self.max_megabytes):
            raise ValueError("method 'line' does not support a budget; use grid, best, greedy, tpe or cmaes")
        return self

    @model_validator(mode="after")
    def _has_what_its_rule_needs(self) -> SearchSettings:
        if self.rule in (None, "optimum"):
            return self
        if self.per_class:
            raise ValueError(
                f"per_class starts from the optimum; rule {self.rule!r} does not support it: leave one out"
            )
        if self.method in RULELESS:
            raise ValueError(f"method {self.method!r} decides the weights by itself; leave rule {self.rule!r} out")
        if not self.resamples:
            raise ValueError(f"rule {self.rule!r} needs resamples of the patients; give resamples, or rule: optimum")
        return self

    @property
    def served_rule(self) -> str:
        """The rule whose weights are served."""
        decided = self.method in (*RULELESS, "greedy") or self.per_class or not self.resamples
        return self.rule or ("optimum" if decided else "exponential")


class EvaluateSettings(Strict):
    """How the test split is judged."""

    resamples: int = Field(default=2000, ge=100, le=MOST)  # bootstrap resamples of patients
    confidence: float = Field(default=0.95, gt=0, lt=1)
    allow_overlap: bool = False  # allow test patients that were trained or searched on; the report says so
    # Name -> weights given by hand (member to weight, normalised to sum 1): judged beside the searched ones.
    also: Mapping[Annotated[str, Field(pattern=NAME)], Mapping[str, Weight]] = Field(default_factory=dict)

    @field_validator("also", mode="before", json_schema_input_type=Mapping[str, Mapping[str, float] | None] | None)
    @classmethod
    def _leaves_out_null(cls, also: Any) -> Any:
        """A file that extends another leaves the other's weights out so, as it does members."""
        return without_null(also)

    @field_validator("also")
    @classmethod
    def _are_shares(cls, also: Mapping[str, Mapping[str, float]]) -> Mapping[str, Mapping[str, float]]:
        for weights in also.values():
            require_shares(weights)
        return also


class DecideSettings(Strict):
    """What is made of the ensemble's probabilities: calibrated ones, a decision, sets of labels; nothing unless asked.

    All of it is fitted on the patients that the weights are searched on.
    """

    calibration: Literal["none", "temperature", "isotonic"] = "none"
    sensitivity: float | None = Field(default=None, gt=0, lt=1)  # an operating point with at least that
    cost: float | None = Field(default=None, gt=0, le=MOST)  # or the cheapest one, a missed positive costing so many
    youden: bool = False  # false alarms; or the one of highest sensitivity + specificity
    confidence: float = Field(default=0.95, gt=0, lt=1)  # of the lower bound of that point's sensitivity
    coverage: float | None = Field(default=None, gt=0, lt=1)  # how often sets of classes hold the true one
    coverage_per_class: bool = False  # of every class, rather than of all together

    @model_validator(mode="after")
    def _fits_together(self) -> DecideSettings:
        if len(self.operating_points) > 1:
            raise ValueError(f"{' and '.join(self.operating_points)} each ask for an operating point; give one of them")
        if self.coverage_per_class and self.coverage is None:
            raise ValueError("coverage_per_class needs a coverage; set it, such as coverage: 0.9")
        return self

    @property
    def operating_points(self) -> list[str]:
        """By which of the three an operating point is asked for."""
        asked = {"sensitivity": self.sensitivity is not None, "cost": self.cost is not None, "youden": self.youden}
        return [name for name, is_asked in asked.items() if is_asked]

    @property
    def operating_point(self) -> tuple[Literal["sensitivity", "cost", "youden"], float | None] | None:
        """By what it is chosen and with which number; None where none is asked for."""
        if self.sensitivity is not None:
            return "sensitivity", self.sensitivity
        if self.cost is not None:
            return "cost", self.cost
        return ("youden", None) if self.youden else None

    @property
    def asks_for_nothing(self) -> bool:
        """Whether the ensemble gives its probabilities and no more."""
        return self.calibration == "none" and not self.operating_points and self.coverage is None


class BatchingSettings(Strict):
    """How TF Serving answers requests together that wait at the same time; its guide's values for CPUs."""

    enabled: bool | None = None  # null: of classification and detection, whose pictures may have any size
    max_batch_size: int = Field(default=16, ge=1, le=4096)  # pictures, and the most that one request may have
    batch_timeout_micros: int = Field(default=0, ge=0, le=10**7)  # how long a thread that is free waits for more
    max_enqueued_batches: int = Field(default=64, ge=1, le=MOST)  # more requests are refused as unavailable
    num_batch_threads: int = Field(default=4, ge=1, le=1024)  # the serving machine's cores


class ExportSettings(Strict):
    """How the fused SavedModel is published, and how TF Serving is told to serve it."""

    name: str = Field(default="", pattern=NAME_OR_NONE)  # empty: the experiment's name
    stable: Literal["newest", "previous"] | int = "newest"  # the version labelled so
    versions: int = Field(default=2, ge=1, le=100)  # how many of the newest stay loaded
    batching: BatchingSettings = BatchingSettings()
    frozen: bool = False  # weights as constants: faster on CPUs, by rounding of its own apart from the members

    @field_validator("stable", mode="before", json_schema_input_type=Literal["newest", "previous"] | PositiveInt)
    @classmethod
    def _names_a_version(cls, stable: Any) -> Any:
        if stable in ("newest", "previous") or (type(stable) is int and stable > 0):
            return stable
        raise ValueError("it is newest, previous, or the number of a version")


def steps_of(step: float) -> int:
    """n = 1/step, of the steps that weights are whole multiples of; ValueError where the step does not divide 1, or is
    finer than 1/FINEST.
    """
    steps = round(1 / step) if 0 < step <= 1 else 0
    if not steps or abs(steps * step - 1) > 1e-9:
        raise ValueError(f"step {step!r} does not divide 1; give 1/n such as 0.1, 0.05 or 0.02")
    if steps > FINEST:
        raise ValueError(
            f"step {step!r} is finer than {1 / FINEST:g}; use that, or method 'line' for continuous weights "
            "(not for detection)"
        )
    return steps
