"""What decisions make of probabilities, the same functions on NumPy arrays in the search and on tensors in the graph.

Only operators are used, so arrays and tensors alike. In float64: knots of an isotonic calibration may lie so close that
float32 cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_
from typing import Any

import numpy as np

from ensemble.fusion.fuse import normalised, tempered
from ensemble.results.decisions import Calibration, Conformal, Decisions, Knots, OperatingPoint

__all__ = ["apart", "calibrated", "decide", "interpolated", "is_positive", "names_of", "prediction_set"]

NEAR_ZERO = 1e-9  # added to every class: more than rounding leaves of a 0, so that each is as likely where all are 0


def calibrated(probabilities: Any, calibration: Calibration) -> Any:
    """Probabilities (N, C) as the calibration has them."""
    if calibration.temperature is not None:
        return tempered(probabilities, calibration.temperature)
    each = [interpolated(probabilities[:, c : c + 1], knots) for c, knots in enumerate(calibration.knots)]
    return normalised(sum(one * row for one, row in zip(each, np.eye(len(each)), strict=True)) + NEAR_ZERO)


def interpolated(values: Any, knots: Knots) -> Any:
    """Values (N, 1) by the straight lines between knots, and by the first and last of them beyond; as numpy.interp."""
    x, y = np.asarray(knots, np.float64).T
    wide = np.diff(x)
    # How far a value has come in each stretch, from 0 to its width.
    come = (abs(values - x[:-1]) - abs(values - x[1:]) + wide) / 2
    return come @ (np.diff(y) / wide)[:, np.newaxis] + y[0]


def is_positive(probabilities: Any, point: OperatingPoint) -> Any:
    """Whether the last label of probabilities (N, C) is decided, (N)."""
    return probabilities[:, -1] >= point.threshold


def prediction_set(probabilities: Any, conformal: Conformal) -> Any:
    """Whether each label of probabilities (N, C) is in the set, (N, C): the likeliest always is.

    A model that is right more often than the coverage asks would leave sets empty else, and who reads them would call
    undecided what it is surest of. With it they cover no less.
    """
    each = (probabilities[:, c : c + 1] for c in range(probabilities.shape[1]))
    likeliest = reduce(and_, (probabilities >= one for one in each))
    return (1 - probabilities <= np.asarray(conformal.thresholds, np.float64)) | likeliest


# The served outputs by name: which of the decisions each follows from, and how.
_MADE: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "calibrated": ("calibration", calibrated),
    "decision": ("operating_point", is_positive),
    "prediction_set": ("conformal", prediction_set),
}


def names_of(decisions: Decisions | None) -> tuple[str, ...]:
    """The outputs that there are."""
    return tuple(name for name, (part, _) in _MADE.items() if getattr(decisions, part, None))


def apart(outputs: Mapping[str, np.ndarray], decisions: Decisions) -> dict[str, float]:
    """How far each decided output of a model, by name, is from what the decisions make of its own `probabilities`.

    Of the float32 that was served: what is near a threshold is on the same side of it then.
    """
    made = decide(outputs["probabilities"].astype(np.float64), decisions)
    far = {name: np.abs(outputs[name] - expected.astype(np.float64)) for name, expected in made.items()}
    return {name: float(values.max(initial=0)) for name, values in far.items()}


def decide(probabilities: Any, decisions: Decisions) -> dict[str, Any]:
    """Of probabilities (N, C), by the names of the served outputs, those that there are.

    `calibrated` (N, C), `decision` (N) bool, true where the last label is decided, `prediction_set` (N, C) bool.
    """
    return {name: _MADE[name][1](probabilities, getattr(decisions, _MADE[name][0])) for name in names_of(decisions)}
