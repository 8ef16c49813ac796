"""What a model is to those who ask it, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from spine.answers.answer import Answer
from spine.answers.description import Description
from spine.answers.from_outputs import answers_of
from spine.images.pictures import decode_picture

__all__ = ["DESCRIBE", "MEMBERS", "REGIONS", "SERVING", "SLICES", "Model", "Spacing", "answer_of"]

SERVING, MEMBERS, DESCRIBE = "serving_default", "members", "describe"  # signatures
REGIONS, SLICES = "regions", "slices"
Spacing = tuple[float, float]  # row, column in mm


class Model(Protocol):
    """A model that answers pictures: in this process, or behind a URL."""

    @property
    def description(self) -> Description:
        """The names behind its outputs."""
        ...

    @property
    def version(self) -> str:
        """The version that answered last, or will."""
        ...

    def answer(self, png: bytes, spacing: Spacing | None = None, *, members: bool = False) -> Answer:
        """What it says of one picture, a PNG or JPEG; `members` asks for theirs too, where the model tells them.

        SpineError where the picture, or the model, cannot be used.
        """
        ...


def answer_of(
    outputs: Mapping[str, np.ndarray], description: Description, version: str, png: bytes, spacing: Spacing | None
) -> Answer:
    """The answer in the outputs of a request with one picture."""
    pixels = decode_picture(png, Path("the picture"))
    outputs = _with_mask(outputs, description)
    return answers_of(outputs, description, version, [pixels.shape], [spacing], [pixels])[0]


def _with_mask(outputs: Mapping[str, np.ndarray], description: Description) -> Mapping[str, np.ndarray]:
    """A trained segmentation gives probabilities alone; its mask is the likeliest class, the first of equals."""
    if description.task == "segmentation" and "mask" not in outputs and "probabilities" in outputs:
        return {**outputs, "mask": np.argmax(outputs["probabilities"], axis=-1)}
    return outputs
