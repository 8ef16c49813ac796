"""What networks read: pictures made into it once for each kind, however many networks share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from spine.training.preprocess import NORMALISATIONS, prepare
from spine.training.view import WHOLE, View

__all__ = ["NetworkInput", "prepare_all", "prepare_each"]

Tensor = Any


class NetworkInput(NamedTuple):
    """A network's input (N, height, width, channels): grey levels stretched by `normalisation`, fitted to the size.

    The `view` says what is read of a box in a picture; of a picture alone it is the box. Where the view has no `grow`
    the network knows no boxes, as of a segmentation, or of crops whose pictures are not at hand. Its `slices` are the
    channels; a picture without neighbours is repeated.
    """

    height: int
    width: int
    normalisation: str  # a name in `NORMALISATIONS`
    view: View = WHOLE

    @classmethod
    def of(cls, settings: Any, view: View = WHOLE) -> NetworkInput:
        """By a member's settings, which name all three, and the view of its dataset."""
        return cls(settings.height, settings.width, settings.normalisation, view)

    @classmethod
    def of_model(cls, model: Any, told: Mapping[str, Any]) -> NetworkInput | None:
        """What the signature `prepared` of a SavedModel reads, by the `told` input of its card.

        None where it has no such signature, or the card does not say how to prepare for it: by older versions, or
        from elsewhere.
        """
        reads = cls._from_card(told.get("network"))
        if "prepared" not in model.signatures or reads is None:
            return None
        inputs = model.signatures["prepared"].structured_input_signature[1].get("inputs")
        fits = inputs is not None and inputs.shape.as_list() == [None, *reads.shape]
        return reads if fits and str(reads.normalisation) in NORMALISATIONS else None

    @classmethod
    def _from_card(cls, network: Any) -> NetworkInput | None:
        if not isinstance(network, Mapping) or set(network) | {"view"} != set(cls._fields):
            return None
        try:
            return cls(**{**network, "view": View.model_validate(network.get("view", {}))})
        except ValueError:
            return None

    @property
    def card(self) -> dict[str, Any]:
        """What a card says of it, as `of_model` reads."""
        told = {name: value for name, value in self._asdict().items() if name != "view"}
        return told if self.view == WHOLE else {**told, "view": self.view.model_dump()}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one input."""
        return self.height, self.width, self.view.slices

    @property
    def sees_boxes(self) -> bool:
        """Whether boxes in pictures can be made into it."""
        return self.view.grow is not None

    @property
    def sees_slices(self) -> bool:
        """Whether the slices next to a picture are a part of it."""
        return self.view.slices > 1

    @property
    def signature(self) -> list[tf.TensorSpec]:
        """Of the contract's `prepared(inputs, sizes)`."""
        return [
            tf.TensorSpec([None, *self.shape], tf.float32, name="inputs"),
            tf.TensorSpec([None, 2], tf.int32, name="sizes"),
        ]


def prepare_all(images: Tensor, reads: Sequence[NetworkInput]) -> tuple[list[Tensor], list[Tensor]]:
    """Each of the network inputs (N, height, width, channels) of images (N, H, W, C), and its sizes (N, 2) int32.

    Sizes are the height and width of what an input was made of, here of the whole image for each.
    """
    sizes = tf.repeat(tf.shape(images)[tf.newaxis, 1:3], tf.shape(images)[0], axis=0)
    return [_prepared(images, read) for read in reads], [sizes] * len(reads)


def _prepared(images: Tensor, read: NetworkInput) -> Tensor:
    channel = prepare(images, *read[:3], read.view.aspect)
    return tf.concat([channel] * read.view.slices, axis=-1) if read.sees_slices else channel


def prepare_each(
    picture_of: Callable[[Any], Tensor], elements: Any, reads: Sequence[NetworkInput]
) -> tuple[list[Tensor], list[Tensor]]:
    """As `prepare_all`, of pictures of any sizes: `picture_of` makes (H, W, 1) of one of the `elements`.

    `elements` are a tensor (N, ...), such as files, or a tuple of them.
    """

    def prepare_one(element: Any) -> tuple[Tensor, ...]:
        picture = picture_of(element)
        inputs, _ = prepare_all(picture[tf.newaxis], reads)
        return *(one[0] for one in inputs), tf.shape(picture)[:2]

    specs = (*(tf.TensorSpec(read.shape, tf.float32) for read in reads), tf.TensorSpec([2], tf.int32))
    *inputs, sizes = tf.map_fn(prepare_one, elements, fn_output_signature=specs)
    return inputs, [sizes] * len(reads)
