"""What an exported model says of itself, by its signature `describe`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from spine.answers.description import Description
from spine.experiment.config import Experiment

__all__ = ["describing", "description_of"]


def describing(description: Description) -> Any:
    """The tf.function `describe(question: string [N]) -> {"json": string [N]}`, whatever the question."""
    text = description.model_dump_json()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="question")])
    def describe(question: Any) -> dict[str, Any]:
        return {"json": tf.fill(tf.shape(question), text)}

    return describe


def description_of(experiment: Experiment, members: Sequence[str]) -> Description:
    """Of an experiment's ensemble of those members."""
    name = experiment.export.name or experiment.name
    return Description.of_task(name, experiment.task, experiment.labels, experiment.target, members)
