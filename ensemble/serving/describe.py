"""What an exported model says of itself, by its signature `describe`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from spine.answers.description import Description
from spine.experiment.config import Experiment
from spine.measurements import roles_of

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
    task, labels = experiment.task, experiment.labels
    part = {"classification": experiment.target, "segmentation": "mask"}.get(task, task)
    return Description(
        name=experiment.export.name or experiment.name,
        task=task,
        labels=labels,
        targets={experiment.target: labels} if task == "classification" else {},
        mask_labels=labels if task == "segmentation" else (),
        members={part: tuple(members)},
        roles=roles_of(labels) if task == "segmentation" else {},
    )
