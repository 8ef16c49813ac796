"""What decisions are worth on a split: each measured with intervals over its patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ensemble.decisions.decide import calibrated, is_positive, prediction_set
from ensemble.decisions.decision_curve import THRESHOLDS, net_benefit, treat_all
from ensemble.decisions.operating_point import sensitivity_bound, units_worth
from ensemble.decisions.reliability import Reliability
from ensemble.decisions.shares import every_patient_alike, share
from ensemble.results.decisions import Conformal, Decisions, OperatingPoint
from ensemble.results.decisions_on_test import (
    CalibrationOnTest,
    DecisionCurve,
    DecisionsOnTest,
    NetBenefit,
    OperatingPointOnTest,
    ReliabilityBin,
    ReliabilityOnTest,
    SetsOnTest,
)
from ensemble.results.estimate import Estimate
from spine.metrics.classification import brier
from spine.metrics.statistics import interval

__all__ = ["DecidedUnits"]


@dataclass(frozen=True)
class DecidedUnits:
    """Fused probabilities (U, C) of units, their classes (U,) and patients (U,), and `draws` (R, U) of the patients."""

    probabilities: np.ndarray
    truth: np.ndarray
    patients: np.ndarray
    draws: np.ndarray
    confidence: float

    def judge(self, decisions: Decisions, labels: Sequence[str]) -> DecisionsOnTest:
        """Measure what was decided."""
        parts: dict[str, Any] = {"calibration": self._calibration(decisions)}
        if decisions.operating_point:
            parts["operating_point"] = self._operating_point(decisions.operating_point, labels)
        if decisions.conformal:
            parts["sets"] = self._sets(decisions.conformal, labels)
        if len(labels) == 2:
            parts["curve"] = self._curve(decisions)
        return DecisionsOnTest(**parts)

    def _calibration(self, decisions: Decisions) -> CalibrationOnTest:
        before = Reliability.of(self.probabilities, self.truth)
        if decisions.calibration is None:
            return CalibrationOnTest(before=self._reliability(self.probabilities, before))
        probabilities = calibrated(self.probabilities, decisions.calibration)
        after = Reliability.of(probabilities, self.truth)
        return CalibrationOnTest(
            before=self._reliability(self.probabilities, before),
            method=decisions.calibration.method,
            after=self._reliability(probabilities, after),
            ece_change=self._measured(lambda drawn: after.error(drawn) - before.error(drawn)),
            brier_change=self._measured(
                lambda drawn: brier(self.truth, probabilities, drawn) - brier(self.truth, self.probabilities, drawn)
            ),
        )

    def _reliability(self, probabilities: np.ndarray, reliability: Reliability) -> ReliabilityOnTest:
        bins = [
            ReliabilityBin(said=said, observed=self._measured(partial(reliability.observed, number)), units=units)
            for number, (said, units) in enumerate(zip(reliability.mean_said(), reliability.units(), strict=True))
        ]
        return ReliabilityOnTest(
            ece=_reflected(self._measured(reliability.error)),
            ece_by_chance=reliability.by_chance(),
            brier=self._measured(partial(brier, self.truth, probabilities)),
            bins=tuple(bins),
        )

    def _operating_point(self, point: OperatingPoint, labels: Sequence[str]) -> OperatingPointOnTest:
        called, positive = is_positive(self.probabilities, point), self.truth == 1
        worth = units_worth(self.probabilities[positive, 1], self.patients[positive]) if positive.any() else None
        of_negative, of_positive = (np.bincount(called[units], minlength=2).tolist() for units in (~positive, positive))
        return OperatingPointOnTest(
            threshold=point.threshold,
            sensitivity=self._share(called, positive, f"no unit is {labels[1]}"),
            bound=None if worth is None else float(sensitivity_bound(called[positive].mean(), worth, point.confidence)),
            confidence=point.confidence,
            worth=worth,
            specificity=self._share(~called, ~positive, f"every unit is {labels[1]}"),
            confusion=((of_negative[0], of_negative[1]), (of_positive[0], of_positive[1])),
        )

    def _sets(self, conformal: Conformal, labels: Sequence[str]) -> SetsOnTest:
        sets = prediction_set(self.probabilities, conformal)
        inside, size = sets[np.arange(len(self.truth)), self.truth], sets.sum(axis=1)
        of_label = {
            label: self._share(inside, self.truth == number, f"no unit is {label}", by_patient=True)
            for number, label in enumerate(labels)
        }
        every = np.ones(len(self.truth), bool)
        return SetsOnTest(
            asked=conformal.coverage,
            coverage=self._share(inside, every, by_patient=True),
            coverage_of_label=of_label,
            size=self._share(size, every),
            undecided=self._share(size != 1, every),
            units_of_size=tuple(np.bincount(size, minlength=len(labels) + 1).tolist()),
        )

    def _curve(self, decisions: Decisions) -> DecisionCurve:
        probabilities, positive = self.probabilities, self.truth == 1
        if decisions.calibration:
            probabilities = calibrated(probabilities, decisions.calibration)
        points = []
        for threshold in THRESHOLDS:
            benefit = partial(net_benefit, probabilities[:, 1], positive, threshold)
            of_all = partial(treat_all, positive, threshold)
            points.append(
                NetBenefit(
                    threshold=threshold,
                    benefit=self._measured(benefit),
                    treat_all=float(of_all(np.ones(len(positive)))),
                    ahead=self._measured(partial(_ahead, benefit, of_all)),
                )
            )
        return DecisionCurve(of="calibrated" if decisions.calibration else "probabilities", points=tuple(points))

    def _share(self, what: np.ndarray, among: np.ndarray, why: str = "", *, by_patient: bool = False) -> Estimate:
        """The mean of `what` (U,) among some units; `by_patient` every patient who has some counts the same."""
        counted = every_patient_alike(self.patients, among) if by_patient else among
        return self._measured(share(what, counted), why)

    def _measured(self, statistic: Callable[[np.ndarray], Any], why: str = "there is nothing to measure") -> Estimate:
        found = interval(statistic, self.draws, self.confidence)
        return Estimate.because(found, why, len(np.unique(self.patients)))


def _reflected(error: Estimate) -> Estimate:
    """The basic bootstrap interval of a calibration error (Davison and Hinkley 1997, section 5.2).

    Drawing units again adds scatter to every bin, so that the drawn errors lie above the one that was measured.
    """
    if error.value is None or error.low is None or error.high is None:
        return error
    low, high = max(0.0, 2 * error.value - error.high), max(error.value, 2 * error.value - error.low)
    return error.model_copy(update={"low": low, "high": high})


def _ahead(benefit: Callable[[np.ndarray], Any], of_all: Callable[[np.ndarray], Any], drawn: np.ndarray) -> Any:
    """Of the better of acting on all and on none, whichever that is among those drawn."""
    return benefit(drawn) - np.maximum(of_all(drawn), 0)
