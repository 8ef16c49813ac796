"""A trained network of any task as its SavedModel serves it: the contract's two signatures, and what the card says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import tensorflow as tf

from spine.member.serving import for_any_number

__all__ = ["Served", "signature"]

Tensor = Any
Answer = Callable[[Tensor], dict[str, Tensor]]


class Served(tf.Module):
    """A network with its preprocessing inside; a request without any image has an answer of no rows.

    `serving_default(image_bytes: string [N])` takes PNG or JPEG files, as `of_files` answers them;
    `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` takes decoded images, as `of_images` answers them.
    """

    def __init__(self, name: str, variables: Iterable[Any], of_files: Answer, of_images: Answer) -> None:
        super().__init__(name=name)
        # Only the variables are tracked: the saved graph then holds no Keras object, and loads where there is none.
        self.variables_of_network = list(variables)
        self.serving_default = tf.function(
            for_any_number(of_files), input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")]
        )
        self.image = tf.function(
            for_any_number(of_images),
            input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")],
        )


class NetworkInput(Protocol):
    """What a network reads, of a member's settings: pixels, and how grey levels are normalised."""

    height: int
    width: int
    normalisation: Any  # minmax, percentile or none


def signature(
    settings: NetworkInput, outputs: Mapping[str, list[int | None]], content: str = "PNG or JPEG"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs; `outputs` are shapes by name, None where any size goes."""
    inputs = {
        "serving_default": {"image_bytes": {"dtype": "string", "shape": [None], "content": content}},
        "image": {"image": {"dtype": "float32", "shape": [None, None, None, None], "range": [0, 1]}},
        "network": {"height": settings.height, "width": settings.width, "normalisation": settings.normalisation},
    }
    return inputs, {name: {"dtype": "float32", "shape": shape} for name, shape in outputs.items()}
