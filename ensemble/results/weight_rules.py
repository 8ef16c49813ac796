"""What weights.json tells of the rules: what each of them made of the searched patients, and how they were compared."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, StrictInt, StrictStr

from ensemble.engine.grid.choice import SAME
from ensemble.results.scores import Number, Score
from ensemble.results.written import Written
from spine.core.words import signed
from spine.experiment.stages import RULELESS

__all__ = ["Ahead", "ComparedRule", "OneSplit", "PrunedMember", "RuleComparison", "RuleWeights", "WeightShrinkage"]


class RuleWeights(Written):
    """A rule's weights, of detection the thresholds that go with them, and their score on the searched patients."""

    weights: dict[str, Number]
    fusion: dict[str, Number] = Field(default_factory=dict)
    score: Score


class WeightShrinkage(Written):
    """The `share` of the way from equal weights to the resamples' optima that the rule `shrunk` goes, lambda.

    `served` is how much of that way the served weights go, where their rule goes part of it. `resamples` counts those
    in which that could be looked at; older files do not tell.
    """

    share: Number
    served: Number | None = None
    resamples: StrictInt | None = None

    def describe(self) -> str:
        """In a sentence; empty where the served rule does not go by it."""
        if self.served is None:
            return ""
        if self.resamples == 0:
            return "Whether the patients support leaving equal weights was not tested: no resample of them has a score."
        if round(self.served, 2) <= 0:
            return "The patients do not support leaving equal weights."
        if self.served > 2:  # a share of a way that is next to none says nothing
            return "Resamples of the patients prefer weights nearer to equal ones than these."
        if round(self.served, 2) >= 1:
            return "The patients support going all the way from equal weights to what resamples of them prefer."
        return f"The patients support going {100 * self.served:.0f} % of the way from equal weights."


class Ahead(Written):
    """A difference of scores on the same patients, its 95 % interval and its standard error over their resamples."""

    value: Score
    low: Score
    high: Score
    error: Score

    def describe(self) -> str:
        """Such as `+0.003 (95 % interval -0.002 to +0.008)`."""
        if self.value is None:
            return "undefined"
        inside = (
            "no interval"
            if self.low is None or self.high is None
            else f"95 % interval {signed(self.low)} to {signed(self.high)}"
        )
        return f"{signed(self.value)} ({inside})"


class ComparedRule(Written):
    """A rule's score on patients that it had not seen, ahead of equal weights' there, and of the served rule's."""

    score: Score
    from_equal: Ahead
    from_served: Ahead


class RuleComparison(Written):
    """Rules judged by cross-validation: in so many `folds` of the patients, and `resamples` of the others in each.

    Empty, and `why`, where that was not possible.
    """

    folds: StrictInt = 0
    resamples: StrictInt = 0
    rows: dict[str, ComparedRule] = Field(default_factory=dict)
    why: StrictStr = ""

    def describe(self, served: str, metric: str) -> str:
        """What the served rule reaches on patients that it had not seen, beside equal weights."""
        row, equal = self.rows.get(served), self.rows.get("equal")
        if row is None or equal is None:
            return ""
        if row.score is None or equal.score is None:
            return f"On patients that weights were not chosen on, {metric} is undefined."
        on = f"On patients that they were not chosen on ({self.folds}-fold cross-validation by patient)"
        if served == "equal":
            return f"{on}, {metric} is {row.score:.3f}."
        return f"{on}, {metric} is {row.score:.3f}, with equal weights {equal.score:.3f}: {row.from_equal.describe()}."

    def better(self, served: str, *, higher_is_better: bool) -> Mapping[str, Ahead]:
        """The rules that were ahead of the served one by more than the standard error of that, the best first."""
        sign = 1 if higher_is_better else -1
        gains = {name: sign * (row.from_served.value or 0.0) for name, row in self.rows.items()}
        return {
            name: self.rows[name].from_served
            for name in sorted(gains, key=gains.__getitem__, reverse=True)
            if (error := self.rows[name].from_served.error) is not None and gains[name] > max(error, SAME)
        }

    def describe_better(self, served: str, metric: str, *, higher_is_better: bool, method: str = "") -> str:
        """A sentence on the rules that were better; empty where none was. `method` is the search's."""
        better = self.better(served, higher_is_better=higher_is_better)
        if not better:
            return ""
        first, ahead = next(iter(better.items()))
        *named, last = map(repr, better)
        others = f", as did {' and '.join(filter(None, [', '.join(named[1:]), last]))}" if named else ""
        setting = f"search.method=grid search.rule={first}" if method in RULELESS else f"search.rule={first}"
        return (
            f"There the rule {first!r} did better than {served!r} by more than the standard error ({metric} "
            f"{signed(ahead.value or 0.0)}, standard error {ahead.error:.3f}){others}; {setting} would serve it."
        )


class PrunedMember(Written):
    """A member that the rule gave a small `weight`, and what leaving it out changed on patients not seen."""

    weight: Number
    difference: Score


class OneSplit(Written):
    """What the same rule makes of the validation split's `patients` alone, where weights are of out-of-fold ones."""

    weights: dict[str, Number]
    fusion: dict[str, Number] = Field(default_factory=dict)
    patients: StrictInt
