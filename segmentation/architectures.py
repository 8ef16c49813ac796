"""Architectures by name, one entry each: which of the encoder's features a decoder reads, and what it makes of them.

Cheap to import: Keras comes in when a network is built. A new architecture is one more entry of `ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras

__all__ = ["ARCHITECTURES", "Architecture", "Encoded"]

Tensor = Any


class Encoded(NamedTuple):
    """What a decoder is given.

    `features` are maps by what H and W are divided by; `inputs` is the tensor that all of it is computed from; `last`
    is the encoder's last layer.
    """

    inputs: Tensor
    features: Mapping[int, Tensor]
    last: keras.layers.Layer


@dataclass(frozen=True)
class Architecture:
    """A decoder: `decode(encoded, classes)` gives logits (N, H, W, classes).

    `features` are those it reads, as what they divide the input's size by; 32 is the encoder's output. `coarse` are
    layers of the decoder that deep supervision puts a head on, by the same; without them it is refused. With `any_size`
    the decoder takes features whose heights and widths are not known, as training on patches needs.
    """

    decode: Callable[[Encoded, int], Tensor]
    features: tuple[int, ...]
    multiple: int = 32  # of height and width, in pixels; the model pads to it, and un-pads
    coarse: Mapping[int, str] = field(default_factory=dict)
    any_size: bool = False


def _of_library(name: str, layer: str, stages: tuple[int, int, int]) -> Architecture:
    """An architecture of segmentation_models; `layer` names those of its maps at 1/2, 1/4 and 1/8 by their `stages`."""

    def decode(encoded: Encoded, classes: int) -> Tensor:
        from segmentation import library

        return library.decode(name, encoded.inputs, encoded.features, encoded.last, classes)

    coarse = {2 ** (1 + level): layer.format(stage) for level, stage in enumerate(stages)}
    # Keras' bilinear upsampling, the last step of its FPN, needs to know sizes.
    return Architecture(decode, (32, 16, 8, 4, 2), coarse=coarse, any_size=name != "FPN")


def _pspnet(encoded: Encoded, classes: int) -> Tensor:
    from segmentation import pspnet

    return pspnet.decode(encoded.features[8], classes)


def _deeplab(encoded: Encoded, classes: int) -> Tensor:
    from segmentation import deeplab

    return deeplab.decode(encoded.features[16], encoded.features[4], classes)


ARCHITECTURES: dict[str, Architecture] = {
    "unet": _of_library("Unet", "decoder_stage{}b_relu", (3, 2, 1)),
    "linknet": _of_library("Linknet", "decoder_stage{}_add", (3, 2, 1)),
    "fpn": _of_library("FPN", "segm_stage{}b_relu", (2, 3, 4)),
    "pspnet": Architecture(_pspnet, (8,), multiple=48),
    "deeplabv3plus": Architecture(_deeplab, (16, 4), any_size=True),
}
