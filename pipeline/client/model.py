"""What a model is to those who ask it, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spine.answers.answer import Answer
from spine.answers.description import Description
from spine.answers.from_outputs import answers_of
from spine.images.pictures import decode_picture
from spine.tasks import CASE

__all__ = [
    "DESCRIBE",
    "MEMBERS",
    "REGIONS",
    "SERVING",
    "SLICES",
    "Model",
    "Neighbours",
    "Spacing",
    "answer_of",
    "answers_in",
    "inputs_of_slices",
    "introduction",
]

SERVING, MEMBERS, DESCRIBE = "serving_default", "members", "describe"  # signatures
REGIONS, SLICES = "regions", "slices"
Spacing = tuple[float, float]  # row, column in mm
Neighbours = tuple[bytes, bytes]  # files of the slices before and after a picture, empty where there is none
WHOLE = (0.0, 0.0, 1.0, 1.0)  # of a picture as its own box
_TAKES_CROPS = (
    "it learned from boxes in pictures, such as discs, and takes each picture for one: give it crops; whole pictures "
    "are for a case, which finds the boxes (docs/cases.md)"
)


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

    @property
    def sees_boxes(self) -> bool:
        """Whether it answers boxes in pictures, and takes a picture without one for such a box."""
        ...

    @property
    def sees_slices(self) -> bool:
        """Whether it answers a picture together with the slices next to it."""
        ...

    def answer(
        self,
        png: bytes,
        spacing: Spacing | None = None,
        *,
        members: bool = False,
        neighbours: Neighbours | None = None,
    ) -> Answer:
        """What it says of one picture, a PNG or JPEG; `members` asks for theirs too, where the model tells them.

        With the slices next to it as `neighbours`, files of its size, where the model sees them; members are not told
        apart then. SpineError where the picture, or the model, cannot be used.
        """
        ...


def introduction(model: Model) -> str:
    """What whoever asks it reads first: its name, its version, what it is not for, and what it takes for a picture."""
    told = f"{model.description.name}, version {model.version}: {model.description.note}"
    return f"{told}\n{_TAKES_CROPS}" if model.sees_boxes else told


def inputs_of_slices(neighbours: Sequence[Neighbours], task: str) -> dict[str, Any]:
    """What the signature `slices` takes of pictures beside their own files."""
    before, after = map(list, zip(*neighbours, strict=True))
    # A case finds its boxes itself.
    boxes = {} if task == CASE else {"boxes": np.array([WHOLE] * len(neighbours), np.float32)}
    return {"before": before, "after": after, **boxes}


def answer_of(
    outputs: Mapping[str, np.ndarray], description: Description, version: str, png: bytes, spacing: Spacing | None
) -> Answer:
    """The answer in the outputs of a request with one picture."""
    pixels = decode_picture(png, Path("the picture"))
    return answers_in(outputs, description, version, [pixels], [spacing])[0]


def answers_in(
    outputs: Mapping[str, np.ndarray],
    description: Description,
    version: str,
    pictures: Sequence[np.ndarray],
    spacings: Sequence[Spacing | None],
) -> list[Answer]:
    """The answers in the outputs of a request with several pictures, of which these are the grey levels (H, W)."""
    sizes = [(int(height), int(width)) for height, width in (picture.shape for picture in pictures)]
    return answers_of(_with_mask(outputs, description), description, version, sizes, spacings, pictures)


def _with_mask(outputs: Mapping[str, np.ndarray], description: Description) -> Mapping[str, np.ndarray]:
    """A trained segmentation gives probabilities alone; its mask is the likeliest class, the first of equals."""
    if description.task == "segmentation" and "mask" not in outputs and "probabilities" in outputs:
        return {**outputs, "mask": np.argmax(outputs["probabilities"], axis=-1)}
    return outputs
