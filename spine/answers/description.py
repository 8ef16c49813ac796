"""What a served model says of itself: the names that its numbers stand for, so that a client needs no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from spine.answers.decision_rules import DecisionRules
from spine.core.problems import SpineError
from spine.measurements import roles_of

__all__ = ["NOT_FOR_DIAGNOSIS", "Description", "disc_output"]

NOT_FOR_DIAGNOSIS = "Research software: not for diagnosis."


class Description(BaseModel):
    """The names behind the outputs of a SavedModel, which its signature `describe` gives as JSON.

    - `labels` are the classes of its boxes, of a segmentation those of its pixels, of a classification those of its
      target; `mask_labels` are the classes of pixels, background first, where it gives a mask.
    - `targets` has the labels of each target that is graded; `disc` is the label of the boxes that are, "" where the
      whole picture is.
    - `members` names those of weight above 0 of each part: "detection", "mask" or a target.
    - `roles` names what measurements look for in the mask: vertebra, disc and canal, each a label of `mask_labels`.
    - `decided` has how each target is decided, where it is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer model may say more

    name: str
    task: str  # classification, segmentation, detection or case
    labels: tuple[str, ...] = ()
    targets: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    disc: str = ""
    mask_labels: tuple[str, ...] = ()
    members: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    roles: Mapping[str, str] = Field(default_factory=dict)
    decided: Mapping[str, DecisionRules] = Field(default_factory=dict)
    note: str = NOT_FOR_DIAGNOSIS

    @model_serializer(mode="wrap")
    def _as_before_where_nothing_is_decided(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Exports are named by their description too: those that decide nothing keep their name."""
        return {key: value for key, value in dump(self).items() if key != "decided" or value}

    @classmethod
    def of_task(
        cls, name: str, task: str, labels: tuple[str, ...], target: str, members: Sequence[str] = ()
    ) -> Description:
        """Of a model for one task; `target` is what a classification grades, `members` those that are fused."""
        is_class, is_mask = task == "classification", task == "segmentation"
        part = target if is_class else "mask" if is_mask else task
        return cls(
            name=name,
            task=task,
            labels=labels,
            targets={target: labels} if is_class else {},
            mask_labels=labels if is_mask else (),
            members={part: tuple(members)} if members else {},
            roles=roles_of(labels) if is_mask else {},
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Description:
        """What a model's `describe` gave; SpineError where it is no description."""
        try:
            return cls.model_validate_json(text)
        except ValueError as error:
            raise SpineError(
                f"the model's description is not one of this project ({str(error).splitlines()[0]}); export it again "
                "with `spine export`"
            ) from None


def disc_output(output: str, target: str) -> str:
    """What a case calls a classifier's output of its discs, such as `disc_probabilities_<target>_members`."""
    suffix = "_members" if output.endswith("_members") else ""
    return f"disc_{output.removesuffix(suffix)}_{target}{suffix}"
