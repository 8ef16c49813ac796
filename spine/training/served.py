"""A trained network of any task as its SavedModel serves it: the contract's signatures, and what the card says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from spine.core.tracing import without_autograph
from spine.member.serving import for_any_number
from spine.training.network_input import NetworkInput, prepare_all, prepare_each
from spine.training.preprocess import decode, decode_alike
from spine.training.see_boxes import BOXES, or_itself, prepare_boxes, require_boxes, slices_of_files

__all__ = ["FILES", "IMAGES", "NEIGHBOURS", "REGIONS", "SLICES", "Served", "signature", "told_of_boxes"]

Tensor = Any
Answer = Callable[[Tensor, Tensor], dict[str, Tensor]]

FILES = tf.TensorSpec([None], tf.string, name="image_bytes")
IMAGES = tf.TensorSpec([None, None, None, None], tf.float32, name="image")
NEIGHBOURS = [tf.TensorSpec([None], tf.string, name=side) for side in ("before", "after")]
REGIONS = {  # what a card says of `regions`
    "image_bytes": {"dtype": "string", "shape": [None], "content": "PNG or JPEG"},
    "boxes": {"dtype": "float32", "shape": [None, 4], "content": "y0 x0 y1 x1", "range": [0, 1]},
}


_FILE_OR_NONE = {"dtype": "string", "shape": [None], "content": "PNG or JPEG of the next slice, or empty"}
SLICES = {**REGIONS, "before": _FILE_OR_NONE, "after": _FILE_OR_NONE}  # what a card says of `slices`


class Served(tf.Module):
    """A network with its preprocessing inside; a request without any image has an answer of no rows.

    `serving_default(image_bytes: string [N])` takes PNG or JPEG files, each of its own size, or with `alike` of one;
    `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` takes decoded images; `prepared(inputs: float32 [N, height,
    width, channels], sizes: int32 [N, 2])` takes what both make of them, and the heights and widths of what that was
    made of. All answer by `answer(inputs, sizes)`. A network that sees boxes has `regions(image_bytes: string [N],
    boxes: float32 [N, 4])` too, y0 x0 y1 x1 in [0, 1] of the file of the same row; a picture alone is its own box. One
    that sees neighbouring slices has `slices(image_bytes, boxes, before: string [N], after: string [N])`: files of the
    slices next to the picture, empty where there is none. Without them a picture is its own neighbour.
    """

    def __init__(
        self, name: str, variables: Iterable[Any], reads: NetworkInput, answer: Answer, *, alike: bool = False
    ) -> None:
        super().__init__(name=name)
        # One graph that all signatures call.
        answer = tf.function(without_autograph(answer), input_signature=reads.signature)

        def of_images(images: Tensor) -> dict[str, Tensor]:
            (inputs,), (sizes,) = prepare_all(images, [reads])
            return answer(inputs, sizes)

        def of_files(files: Tensor) -> dict[str, Tensor]:
            if alike:
                return of_images(decode_alike(files))
            (inputs,), (sizes,) = prepare_each(decode, files, [reads])
            return answer(inputs, sizes)

        def of_boxes(files: Tensor, boxes: Tensor) -> dict[str, Tensor]:
            (inputs,), (sizes,) = prepare_boxes(slices_of_files, (files,), require_boxes(boxes), [reads])
            return answer(inputs, sizes)

        def of_slices(files: Tensor, boxes: Tensor, before: Tensor, after: Tensor) -> dict[str, Tensor]:
            rows = or_itself(before, files), files, or_itself(after, files)
            (inputs,), (sizes,) = prepare_boxes(slices_of_files, rows, require_boxes(boxes), [reads])
            return answer(inputs, sizes)

        # Only the variables are tracked: the saved graph then holds no Keras object, and loads where there is none.
        self.variables_of_network = list(variables)
        self.serving_default = tf.function(for_any_number(of_files), input_signature=[FILES])
        self.image = tf.function(for_any_number(of_images), input_signature=[IMAGES])
        self.prepared = tf.function(for_any_number(answer), input_signature=reads.signature)
        if reads.sees_boxes:
            self.regions = tf.function(for_any_number(of_boxes), input_signature=[FILES, BOXES])
        if reads.sees_slices:
            self.slices = tf.function(for_any_number(of_slices), input_signature=[FILES, BOXES, *NEIGHBOURS])


def signature(
    reads: NetworkInput | None,
    outputs: Mapping[str, list[int | None]],
    content: str = "PNG or JPEG",
    *,
    sees_boxes: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs; `outputs` are shapes by name, None where any size goes.

    `reads` is None of what has no network input of its own; `sees_boxes` then says whether it has `regions`.
    """
    sees_boxes = reads.sees_boxes if reads else sees_boxes
    inputs = {
        "serving_default": {"image_bytes": {"dtype": "string", "shape": [None], "content": content}},
        "image": {"image": {"dtype": "float32", "shape": [None, None, None, None], "range": [0, 1]}},
        **told_of_boxes(sees_boxes, reads is not None and reads.sees_slices),
        **({"network": reads.card} if reads else {}),
    }
    return inputs, {name: {"dtype": "float32", "shape": shape} for name, shape in outputs.items()}


def told_of_boxes(sees_boxes: bool, sees_slices: bool) -> dict[str, Any]:
    """What `member.json` says of the signatures that take boxes."""
    return {**({"regions": REGIONS} if sees_boxes else {}), **({"slices": SLICES} if sees_slices else {})}
