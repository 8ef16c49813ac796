"""What is decided on an ensemble's probabilities, as outputs beside them: in the graph, by the rules of the arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ensemble.decisions.decide import decide, names_of
from ensemble.results.decisions import Decisions
from ensemble.serving.fuse_outputs import Fuse, Outputs
from spine.core.problems import SpineError

__all__ = ["Decided", "decided_on_card", "deciding"]

Tensor = Any
DTYPES = {"calibrated": tf.float32, "decision": tf.int32, "prediction_set": tf.int32}


@dataclass(frozen=True)
class Decided:
    """The outputs of `fuse` and, by the `decisions` on its `probabilities` (N, C), those of them that there are:
    `calibrated` (N, C) float32, `decision` (N) int32, the label's number, and `prediction_set` (N, C) int32, 1 or 0.

    Decided in float64 on the float32 that is served, so that who has the probabilities decides the same.
    """

    fuse: Fuse
    decisions: Decisions

    def __call__(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """Fused, and decided."""
        fused = self.fuse(outputs)
        made = decide(tf.cast(fused["probabilities"], tf.float64), self.decisions)
        return {**fused, **{name: tf.cast(value, DTYPES[name]) for name, value in made.items()}}

    def members(self, outputs: Sequence[Outputs]) -> dict[str, Tensor]:
        """What each says; nothing is decided of one member."""
        return self.fuse.members(outputs)


def deciding(fuse: Fuse, decisions: Decisions | None, classes: int) -> Fuse:
    """The same with what is decided of so many classes; as it is where nothing is. SpineError where they do not fit."""
    if decisions is None or not names_of(decisions):
        return fuse
    _require_classes(decisions, classes)
    return Decided(fuse, decisions)


def _require_classes(decisions: Decisions, classes: int) -> None:
    """Lists of another length would be laid over each other in silence."""
    of_parts = {
        "calibration.knots": len(decisions.calibration.knots or [0] * classes) if decisions.calibration else classes,
        "conformal.thresholds": len(decisions.conformal.thresholds) if decisions.conformal else classes,
        "operating_point": 2 if decisions.operating_point else classes,
    }
    for part, count in of_parts.items():
        if count != classes:
            raise SpineError(
                f"the decisions' {part} is of {count} labels, and there are {classes}; run `spine search EXPERIMENT` "
                "again"
            )


def decided_on_card(decisions: Decisions | None, classes: int) -> dict[str, dict[str, Any]]:
    """What `member.json` says of the outputs of decisions on so many classes, by name."""
    shapes: dict[str, list[int | None]] = {
        "calibrated": [None, classes],
        "decision": [None],
        "prediction_set": [None, classes],
    }
    return {name: {"dtype": DTYPES[name].name, "shape": shapes[name]} for name in names_of(decisions)}
