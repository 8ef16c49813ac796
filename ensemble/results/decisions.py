"""What is made of the fused probabilities, part of weights.json: calibrated ones, an operating point, sets of labels.

Each applies to `probabilities` as they are served, by itself, and was fitted on the patients that the weights were
searched on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StrictBool, StrictInt, StrictStr, model_validator

from ensemble.results.scores import Number
from ensemble.results.written import Written

__all__ = ["Calibration", "Conformal", "Decisions", "Knots", "OperatingPoint", "worth_of"]

Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Knots = list[tuple[Share, Share]]  # (x, y), x rising: y is what x becomes, on a straight line between two of them


class Calibration(Written):
    """What makes probabilities as sure as they are right.

    `temperature` T: p becomes p^(1/T), normalised; it goes a `share` of the way, which the patients support, from 1 to
    the one that was `fitted`, and nowhere where that is `at_bound`, the least or the largest that is tried. `knots`: a
    list a class, of which each class's probability is interpolated (what lies outside takes the nearest knot's), and
    then they are normalised; equal shares where all are 0. Of two labels the lists mirror each other.
    """

    method: Literal["temperature", "isotonic"]
    temperature: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = None
    fitted: Number | None = None
    share: Share | None = None
    at_bound: StrictBool = False
    knots: list[Annotated[Knots, Field(min_length=1)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.method == "temperature" and self.temperature is None:
            raise ValueError("temperature is missing")
        if self.method == "isotonic" and len(self.knots) < 2:
            raise ValueError(f"knots are of {len(self.knots)} classes; there is a list for each")
        if any(right[0] <= left[0] for knots in self.knots for left, right in pairwise(knots)):
            raise ValueError("the x of knots do not rise")
        return self

    def describe(self, labels: Sequence[str]) -> str:
        """Such as `Probabilities are calibrated by a temperature of 1.43: they were too sure.`"""
        if self.temperature is None:
            return "Probabilities are calibrated by isotonic regression."
        sure = "they were too sure" if self.temperature > 1 else "they were not sure enough"
        told = f"Probabilities are calibrated by a temperature of {self.temperature:.2f}"
        if self.at_bound and self.fitted is not None:
            why = "no unit is called wrong" if self.fitted < 1 else "probabilities tell nothing of the truth"
            return f"{told}, which changes nothing: the fit ran to its bound of {self.fitted:.2f}, as where {why}."
        if self.share == 0:
            return f"{told}, which changes nothing: the patients do not support the fitted {self.fitted:.2f}."
        if self.share is None or self.fitted is None:
            return f"{told}: {sure}."
        return f"{told}: {sure}, and the patients support {100 * self.share:.0f} % of the fitted {self.fitted:.2f}."


class OperatingPoint(Written):
    """From which probability of the last label a picture is decided positive: where p >= `threshold`.

    `kind` says by what it was chosen and `asked` with which number. `sensitivity` and `specificity` are those on the
    searched patients, `bound` the lower bound of that sensitivity at the `confidence`; `reached` whether that is as
    high as was asked, where it was. There are so many `positives`, `worth` so many independent ones.
    """

    kind: Literal["sensitivity", "cost", "youden"]
    asked: Number | None = None
    threshold: Number
    bound: Share
    confidence: Share
    sensitivity: Share
    specificity: Share
    reached: StrictBool | None = None
    positives: StrictInt = 0
    worth: Number = 0.0

    def describe(self, labels: Sequence[str]) -> str:
        """The threshold, and what it reaches on the searched patients."""
        counted = f", {worth_of(self.positives, self.worth)}" if self.positives else ""  # older files do not tell
        return (
            f"{labels[-1]} is decided from a probability of {self.threshold:.3f} on, which on the patients that "
            f"were searched has a sensitivity of {self.sensitivity:.3f} (at least {self.bound:.3f} at "
            f"{100 * self.confidence:g} % confidence{counted}) and a specificity of {self.specificity:.3f}."
        )


def worth_of(positives: int, worth: float) -> str:
    """What a bound takes positive units for: those of a patient are alike, and so are fewer than they seem."""
    return f"{positives} positive units that are worth {worth:.1f} independent ones, as far as they tell"


class Conformal(Written):
    """Sets of labels that hold the true one with a probability of `coverage`, with `per_class` of every class.

    Label c is in the set where 1 - p_c <= `thresholds[c]`, and where it is the likeliest; a threshold of 1 takes it in
    always.
    """

    coverage: Share
    per_class: StrictBool
    thresholds: list[Share] = Field(min_length=2)

    def describe(self, labels: Sequence[str]) -> str:
        """From which probability on a label is in the set."""
        least = dict(zip(labels, (f"{1 - threshold:.3f}" for threshold in self.thresholds), strict=True))
        for_coverage = f"For a coverage of {100 * self.coverage:g} %"
        if not self.per_class:
            return f"{for_coverage}, sets hold the likeliest label and all of at least {least[labels[0]]}."
        told = ", ".join(f"{label} of {probability}" for label, probability in least.items())
        return f"{for_coverage} of each label, sets hold the likeliest label and all of at least: {told}."


class Decisions(Written):
    """What was `asked` for, as the experiment had it then, and could be fitted, on so many `patients` and `units`.

    `notes` say what could not, or not as asked.
    """

    asked: dict[str, JsonValue] = Field(default_factory=dict)

    calibration: Calibration | None = None
    operating_point: OperatingPoint | None = None
    conformal: Conformal | None = None
    patients: StrictInt = 0
    units: StrictInt = 0
    notes: list[StrictStr] = Field(default_factory=list)

    def describe(self, labels: Sequence[str]) -> list[str]:
        """A sentence on each, and the notes."""
        parts = (self.calibration, self.operating_point, self.conformal)
        return [*(part.describe(labels) for part in parts if part), *self.notes]
