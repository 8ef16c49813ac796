"""What an exported model says of itself, by its signature `describe`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ensemble.decisions.decide import names_of
from ensemble.results.decisions import Decisions
from spine.answers.decision_rules import DecisionRules
from spine.answers.description import Description
from spine.experiment.config import Experiment

__all__ = ["MOST_QUESTIONS", "describing", "description_of", "rules_of"]


MOST_QUESTIONS = 256  # of one request: the answer is a hundred times as large as what asks for it


def describing(description: Description) -> Any:
    """The tf.function `describe(question: string [N]) -> {"json": string [N]}`, whatever the question.

    An error in the graph where there are more than `MOST_QUESTIONS`.
    """
    text = description.model_dump_json()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="question")])
    def describe(question: Any) -> dict[str, Any]:
        count = tf.shape(question)[0]
        told = [f"describe answers {MOST_QUESTIONS} questions a request, all of them alike; ask one, received", count]
        with tf.control_dependencies([tf.debugging.Assert(count <= MOST_QUESTIONS, told)]):
            return {"json": tf.fill([count], text)}

    return describe


def description_of(experiment: Experiment, members: Sequence[str], decisions: Decisions | None = None) -> Description:
    """Of an experiment's ensemble of those members."""
    name = experiment.exported_name
    told = Description.of_task(name, experiment.task, experiment.labels, experiment.target, members)
    return told.model_copy(update={"decided": rules_of({experiment.target: decisions})})


def rules_of(decisions: Mapping[str, Decisions | None]) -> dict[str, DecisionRules]:
    """How targets are decided, those that are, as a model tells it."""
    return {target: _rules(made) for target, made in decisions.items() if made and names_of(made)}


def _rules(decisions: Decisions) -> DecisionRules:
    point, sets, calibration = decisions.operating_point, decisions.conformal, decisions.calibration
    told: dict[str, Any] = {"notes": decisions.notes, **({"calibration": calibration.method} if calibration else {})}
    if point:
        told |= point.model_dump(include={"kind", "asked", "threshold", "bound", "confidence", "reached"})
    if sets:
        told |= sets.model_dump(include={"coverage", "per_class"})
    return DecisionRules(**told)
