"""What the report shows of decisions on test: reliability, the operating point's confusion, and the decision curve."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ensemble.report.confusion import matrix
from ensemble.report.plots import SQUARE, WIDE, Drawing
from ensemble.report.style import GREY, INK, new_figure
from ensemble.results.decisions_on_test import CalibrationOnTest, DecisionCurve, OperatingPointOnTest, ReliabilityOnTest
from ensemble.results.evaluation import ClassificationEvaluation

__all__ = ["decision_drawings"]

MODEL = "#4477aa"  # of the curve by the model; acting on all is grey, on none ink


def decision_drawings(evaluation: ClassificationEvaluation) -> dict[str, Drawing]:
    """The figures by name, of what was decided."""
    decisions, labels = evaluation.decisions, evaluation.labels
    if not decisions:
        return {}
    drawings: dict[str, Drawing] = {"reliability": partial(_reliability, decisions.calibration, labels)}
    if decisions.operating_point:
        drawings["confusion_decided"] = partial(_confusion, decisions.operating_point, labels)
    if decisions.curve:
        drawings["decision_curve"] = partial(_decision_curve, decisions.curve)
    return drawings


def _reliability(calibration: CalibrationOnTest, labels: tuple[str, ...]) -> Any:
    """What was said against what was observed, with intervals, before and after."""
    drawn = {"as served": calibration.before}
    if calibration.after:
        drawn["calibrated"] = calibration.after
    colours = {"as served": GREY if calibration.after else INK, "calibrated": INK}
    what = f"probability of {labels[-1]}" if len(labels) == 2 else "probability of the likeliest label"
    with new_figure(SQUARE, SQUARE + 0.17) as (figure, axis):
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, alpha=0.6)
        for name, reliability in drawn.items():
            _bins(axis, reliability, name, colours[name])
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=what, ylabel="share that is true", aspect="equal")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _bins(axis: Any, reliability: ReliabilityOnTest, name: str, colour: str) -> None:
    known = [one for one in reliability.bins if one.observed.value is not None]
    for one in known:
        if one.observed.low is not None:
            axis.plot([one.said] * 2, [one.observed.low, one.observed.high], color=colour, linewidth=1, alpha=0.6)
    said, observed = [one.said for one in known], [one.observed.value for one in known]
    axis.plot(said, observed, marker="o", markersize=4, linewidth=1.6, color=colour, label=name)


def _confusion(point: OperatingPointOnTest, labels: tuple[str, ...]) -> Any:
    with new_figure(SQUARE, SQUARE) as (figure, axis):
        matrix(axis, np.array(point.confusion), labels, small=False)
        axis.set_xlabel("decided")
    return figure


def _decision_curve(curve: DecisionCurve) -> Any:
    """Net benefit over threshold probabilities, of acting by the model, on all, and on none."""
    known = [point for point in curve.points if point.benefit.value is not None]
    thresholds = [point.threshold for point in known]
    benefits = [point.benefit.value or 0.0 for point in known]
    low, high = (
        [getattr(point.benefit, bound) if point.benefit.low is not None else np.nan for point in known]
        for bound in ("low", "high")
    )
    of_all = [point.treat_all for point in known]
    top = max([0.05, *benefits, *of_all, *(one for one in high if np.isfinite(one))])
    with new_figure(WIDE, 2.9) as (figure, axis):
        axis.fill_between(thresholds, low, high, color=MODEL, alpha=0.18, linewidth=0)
        axis.plot(thresholds, benefits, color=MODEL, linewidth=2, label="by the model")
        axis.plot(thresholds, of_all, color=GREY, linewidth=1.3, linestyle=(0, (3, 2)), label="act on all")
        axis.plot([0, 1], [0, 0], color=INK, linewidth=1, label="act on none")
        axis.set(xlim=(0, 1), ylim=(-0.25 * top, 1.08 * top), xlabel="threshold probability", title="net benefit")
        axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=3)
    return figure
