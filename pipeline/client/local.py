"""A member's SavedModel, asked in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.client.model import (
    DESCRIBE,
    MEMBERS,
    REGIONS,
    SERVING,
    SLICES,
    Neighbours,
    Spacing,
    answer_of,
    answers_in,
    inputs_of_slices,
)
from spine.answers.answer import Answer
from spine.answers.description import Description
from spine.core.files import read_json
from spine.core.json_models import of_shape
from spine.core.problems import SpineError, brief, one_file
from spine.images.pictures import decode_picture, encode_png
from spine.member.member import Card, Member
from spine.tasks import CASE

if TYPE_CHECKING:
    from pipeline.client.pictures import SentPicture

__all__ = ["LocalModel", "described_by", "read_description"]

Box = tuple[float, float, float, float]
_DISC = "disc"  # what a box is called that a classifier is asked about


class LocalModel:
    """The newest SavedModel of a member, an ensemble or a case; open it with `LocalModel.open`."""

    def __init__(self, model: Any, description: Description, version: str) -> None:
        self._model = model
        self.description = description
        self.version = version

    @classmethod
    def open(cls, directory: Path | str) -> LocalModel:
        """Load the model of a directory that has a `member.json`.

        SpineError where there is none, it was not made or trusted in this project, or it cannot be asked.
        """
        import tensorflow as tf

        member = Member.open(directory)
        path = member.trusted_model
        with one_file(path, "export or train it again"):
            model = tf.saved_model.load(str(path))
        if SERVING not in model.signatures:
            raise SpineError(f"the SavedModel {path} has no signature {SERVING}; export it with `spine export`")
        return cls(model, _description(model, member.card), path.name)

    @property
    def sees_boxes(self) -> bool:
        """Whether it answers boxes in pictures, each in its own way."""
        return REGIONS in self._model.signatures

    @property
    def sees_slices(self) -> bool:
        """Whether it answers a picture together with the slices next to it."""
        return SLICES in self._model.signatures

    def answer(
        self,
        png: bytes,
        spacing: Spacing | None = None,
        *,
        members: bool = False,
        neighbours: Neighbours | None = None,
        box: Box | None = None,
    ) -> Answer:
        """What it says of one picture; see `Model`. Where it `sees_boxes`, of one disc, whose `box` is in pixels.

        That answer does not tell the members apart.
        """
        if box is not None:
            answer = answer_of(self._of_boxes([png], box), self.description, self.version, png, spacing)
            return replace(answer, findings=tuple(replace(one, label=_DISC, box=box) for one in answer.findings))
        if neighbours and self.sees_slices:
            inputs = inputs_of_slices([neighbours], self.description.task)
            return answer_of(self._ask(SLICES, [png], **inputs), self.description, self.version, png, spacing)
        asked = MEMBERS if members and MEMBERS in self._model.signatures else SERVING
        return answer_of(self.outputs(png, asked), self.description, self.version, png, spacing)

    def outputs_of(self, pictures: Sequence[SentPicture]) -> dict[str, np.ndarray]:
        """The outputs of one request with several pictures, of one size where it `needs_one_size`.

        With the slices next to them where it sees those, and the pictures have them: all or none of them.
        """
        pngs = [picture.png for picture in pictures]
        beside = [picture.neighbours for picture in pictures if picture.neighbours] if self.sees_slices else []
        if not beside:
            return self._ask(SERVING, pngs)
        return self._ask(SLICES, pngs, **inputs_of_slices(beside, self.description.task))

    def read(self, outputs: Mapping[str, np.ndarray], pictures: Sequence[SentPicture]) -> list[Answer]:
        """The answers in those outputs."""
        return answers_in(
            outputs,
            self.description,
            self.version,
            [picture.pixels for picture in pictures],
            [picture.spacing for picture in pictures],
        )

    @property
    def needs_one_size(self) -> bool:
        """Whether a request takes pictures of one size, as where every pixel has an answer."""
        return self.description.task in ("segmentation", CASE)

    def outputs(self, png: bytes, signature: str = SERVING) -> dict[str, np.ndarray]:
        """The outputs of a signature for one picture, with an axis of one picture first."""
        return self._ask(signature, [png])

    def _of_boxes(self, pngs: Sequence[bytes], box: Box) -> dict[str, np.ndarray]:
        """The outputs of `regions` for the same box of pictures of one size."""
        height, width = decode_picture(pngs[0], Path("the picture")).shape
        x0, y0, x1, y1 = box
        corners = [y0 / height, x0 / width, y1 / height, x1 / width]
        return self._ask(REGIONS, pngs, boxes=np.array([corners] * len(pngs), np.float32))

    def _ask(self, signature: str, pngs: Sequence[bytes], **inputs: Any) -> dict[str, np.ndarray]:
        import tensorflow as tf

        given = {name: tf.constant(value) for name, value in inputs.items()}
        try:
            answer = self._model.signatures[signature](image_bytes=tf.constant(list(pngs)), **given)
        except tf.errors.OpError as error:
            raise SpineError(
                f"the model cannot answer the picture ({brief(error.message)}); send a PNG or JPEG of a usual size"
            ) from None
        return {name: value.numpy() for name, value in answer.items()}

    def outputs_of_images(self, images: np.ndarray, box: Box | None = None) -> dict[str, np.ndarray]:
        """The outputs of the signature `image` for grey pictures (N, H, W) in [0, 1], an axis of N first.

        With a `box`, x0 y0 x1 y1 in pixels, those of `regions` for that disc in each of them.
        """
        import tensorflow as tf

        if box is not None:
            return self._of_boxes([encode_png(np.rint(one * 65535).astype(np.uint16)) for one in images], box)
        batch = tf.constant(images[..., np.newaxis], tf.float32)
        return {name: value.numpy() for name, value in self._model.signatures["image"](image=batch).items()}


def described_by(card: Card) -> Description:
    """The description of a model whose SavedModel has none: of a trained member, or of one that was exported before."""
    if told := card.details.get("description"):
        return Description.model_validate(told)
    return Description.of_task(card.name, card.task, card.labels, target=card.name)  # the card does not name it


def read_description(path: Path) -> Description:
    """The same of a `member.json`; SpineError where it is none."""
    return described_by(read_json(path, "give the member.json of the model that is served", of_shape(Card)))


def _description(model: Any, card: Card) -> Description:
    import tensorflow as tf

    if DESCRIBE not in model.signatures:
        return described_by(card)
    return Description.from_json(model.signatures[DESCRIBE](question=tf.constant([""]))["json"].numpy()[0])
