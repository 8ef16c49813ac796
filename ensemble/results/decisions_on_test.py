"""What decisions are worth on patients that they were not fitted on, part of metrics.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import StrictInt, StrictStr

from ensemble.results.decisions import worth_of
from ensemble.results.estimate import Estimate
from ensemble.results.scores import Number
from ensemble.results.written import Written

__all__ = [
    *("CalibrationOnTest", "DecisionCurve", "DecisionsOnTest", "NetBenefit", "OperatingPointOnTest"),
    *("ReliabilityBin", "ReliabilityOnTest", "SetsOnTest"),
]

_ROUNDING = 1e-9  # of probabilities that a calibration leaves as they are


class ReliabilityBin(Written):
    """Of so many `units`: what was `said` on average, and the share that was `observed`."""

    said: Number
    observed: Estimate
    units: StrictInt


class ReliabilityOnTest(Written):
    """Expected calibration error, Brier score, and the points of the reliability curve, of bins of equally many units.

    Of two labels of the positive one's probability, of more of the likeliest label's. `ece_by_chance` is what
    calibrated probabilities would show on as few units.
    """

    ece: Estimate
    ece_by_chance: Number
    brier: Estimate
    bins: tuple[ReliabilityBin, ...]


class CalibrationOnTest(Written):
    """Of the probabilities as they are served; calibrated by the `method`, where there is one; what that changes."""

    before: ReliabilityOnTest
    method: StrictStr | None = None
    after: ReliabilityOnTest | None = None
    ece_change: Estimate | None = None
    brier_change: Estimate | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether a calibration leaves probabilities as they are, as a temperature of 1 does, but for rounding."""
        changes = [one for one in (self.ece_change, self.brier_change) if one]
        bounds = [bound for one in changes for bound in (one.value, one.low, one.high) if bound is not None]
        return bool(bounds) and max(map(abs, bounds)) < _ROUNDING

    @property
    def shown_intervals(self) -> Iterator[Estimate]:
        """Those that the sentence tells."""
        yield from (self.before.ece, self.before.brier)
        if not self.changes_nothing:
            yield from filter(None, (self.ece_change, self.brier_change))

    def describe(self) -> str:
        """In a sentence; of what a calibration changes only where it changes something."""
        error = f"{self.before.ece.describe()}, where chance alone makes {self.before.ece_by_chance:.3f},"
        brier = self.before.brier.describe()
        if self.ece_change is None or self.brier_change is None or self.changes_nothing:
            return f"The calibration error is {error} the Brier score {brier}."
        changed, brier_changed = self.ece_change.describe_difference(), self.brier_change.describe_difference()
        return (
            f"Calibration ({self.method}) changes the calibration error from {error} by {changed}, the Brier score "
            f"from {brier} by {brier_changed}."
        )


class OperatingPointOnTest(Written):
    """What is decided from the `threshold` on; `confusion` counts units: rows true, columns decided labels.

    `bound` is the lower bound of the sensitivity as the search has it, which few patients do not flatter: at the
    `confidence`, of positive units that are `worth` so many independent ones. Older files tell neither of these.
    """

    threshold: Number
    sensitivity: Estimate
    bound: Number | None
    confidence: Number | None = None
    worth: Number | None = None
    specificity: Estimate
    confusion: tuple[tuple[StrictInt, StrictInt], tuple[StrictInt, StrictInt]]

    def describe(self, labels: Sequence[str]) -> str:
        """In a sentence."""
        (_, alarms), (missed, found) = self.confusion
        return (
            f"Decided {labels[-1]} from {self.threshold:.3f} on: sensitivity {self.sensitivity.describe()}"
            f"{self._at_least}, specificity {self.specificity.describe()}; {found} units found, {missed} missed, "
            f"{alarms} false alarms."
        )

    @property
    def of_the_bound(self) -> str:
        """Of how many units the bound is, and what repeated units of a patient count; "" where there is none."""
        if self.bound is None:
            return ""
        if self.worth is None:
            return "units of a patient count for less the more alike they are"
        return worth_of(sum(self.confusion[1]), self.worth)

    @property
    def _at_least(self) -> str:
        if self.bound is None:
            return ""
        sure = "" if self.confidence is None else f" at {100 * self.confidence:g} % confidence"
        return f" and at least {self.bound:.3f}{sure} ({self.of_the_bound})"


class SetsOnTest(Written):
    """How often sets hold the true label, all units and those of each label, every patient counting the same.

    And the mean `size` of the units' sets, the share that is `undecided`, of other than one label, and how many units
    have sets of none, one and so on (`units_of_size`). `asked` is the coverage that was asked for.
    """

    asked: Number
    coverage: Estimate
    coverage_of_label: dict[str, Estimate]
    size: Estimate
    undecided: Estimate
    units_of_size: tuple[StrictInt, ...]

    def describe(self) -> str:
        """In a sentence."""
        return (
            f"Sets hold the true label with a share of {self.coverage.describe()}, asked {self.asked:g}; they have "
            f"{self.size.describe()} labels, and {self.undecided.describe()} of the units are undecided."
        )


class NetBenefit(Written):
    """Of acting from a `threshold` probability on, of acting on all, and how far the former is above all and none."""

    threshold: Number
    benefit: Estimate
    treat_all: Number
    ahead: Estimate


class DecisionCurve(Written):
    """Net benefit over threshold probabilities, of the `probabilities` as served or `calibrated`."""

    of: StrictStr
    points: tuple[NetBenefit, ...]

    def describe(self) -> str:
        """From where to where acting by the model is better than acting on all and on none, by the intervals."""
        ahead = [point.threshold for point in self.points if point.ahead.low is not None and point.ahead.low > 0]
        if not ahead:
            return "At no threshold probability is acting by the model clearly better than acting on all or on none."
        count = f"{len(ahead)} of {len(self.points)} threshold probabilities"
        return (
            f"At {count}, between {min(ahead):g} and {max(ahead):g}, acting by the model has a higher net benefit than "
            "acting on all and on none."
        )


class DecisionsOnTest(Written):
    """All of it; what was not asked for, or could not be fitted, is not there."""

    calibration: CalibrationOnTest
    operating_point: OperatingPointOnTest | None = None
    sets: SetsOnTest | None = None
    curve: DecisionCurve | None = None

    def describe(self, labels: Sequence[str]) -> list[str]:
        """A sentence on each."""
        told = [self.calibration.describe()]
        if self.operating_point:
            told.append(self.operating_point.describe(labels))
        return [*told, *(part.describe() for part in (self.sets, self.curve) if part)]

    @property
    def shown_intervals(self) -> Iterator[Estimate]:
        """Those that the sentences tell."""
        yield from self.calibration.shown_intervals
        if point := self.operating_point:
            yield from (point.sensitivity, point.specificity)
        if sets := self.sets:
            yield from (sets.coverage, sets.size, sets.undecided)
