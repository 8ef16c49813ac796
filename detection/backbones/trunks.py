"""Trunks by name: who builds them, the scale their pixels have, and which of their layers end at which stride."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tf_keras
from official.vision.modeling.backbones.resnet import ResNet
from official.vision.ops.preprocess_ops import MEAN_RGB, STDDEV_RGB
from tf_keras import applications

from detection.backbones.aligned import atrous, same_padding
from detection.backbones.inception_v2 import inception_v2

__all__ = ["TRUNKS", "Trunk", "maps_of"]


Places = Mapping[int, str | int]  # level -> name or number of the layer that ends there


@dataclass(frozen=True)
class Trunk:
    """How to build one, its preprocessing of [0, 255], and the layers that give its maps.

    `build(weights=None or "imagenet")` gives the network without its top, from (N, H, W, 3). `layers` are names or
    numbers, by level; empty where the network's own output is a dict of levels. `adapted` aligns it with its strides,
    weights kept.
    """

    build: Callable[..., tf_keras.Model]
    preprocess: Callable[[Any], Any]
    layers: Places
    adapted: Callable[[tf_keras.Model], tf_keras.Model] = lambda base: base


def maps_of(base: tf_keras.Model, trunk: Trunk, levels: range) -> dict[str, Any]:
    """The base's outputs of these levels, by the level as a string, as Model Garden keys them."""
    if not trunk.layers:
        return {str(level): base.output[str(level)] for level in levels}
    return {str(level): _layer(base, trunk.layers[level]).output for level in levels}


def _layer(base: tf_keras.Model, place: str | int) -> Any:
    return base.get_layer(place) if isinstance(place, str) else base.get_layer(index=place)


def _application(model: Callable[..., tf_keras.Model], **settings: Any) -> Callable[..., tf_keras.Model]:
    return partial(model, include_top=False, input_shape=(None, None, 3), **settings)


def _resnet(depth: int) -> Callable[..., tf_keras.Model]:
    # As Model Garden's image classifiers have it, whose weights it starts from; its detectors' own is 1e-4.
    return lambda weights: ResNet(depth, norm_epsilon=1e-5)


def _standardised(pixels: np.ndarray) -> np.ndarray:
    return (pixels - MEAN_RGB) / STDDEV_RGB


def _mobilenet(alpha: float) -> Trunk:
    # Padded at the end only, which for even sizes is what 'same' does.
    places: Places = {
        level: f"conv_pw_{number}_relu" for level, number in zip(range(2, 6), (3, 5, 11, 13), strict=True)
    }
    build = _application(applications.MobileNet, alpha=alpha)
    return Trunk(build, applications.mobilenet.preprocess_input, places)


_VGG16: Places = {2: "block3_conv3", 3: "block4_conv3", 4: "block5_conv3", 5: "block5_pool"}
# The layers of both Inceptions' stems have numbers for names, which depend on what was built before.
_INCEPTION_V3: Places = {2: 16, 3: "mixed2", 4: "mixed7", 5: "mixed10"}
_INCEPTION_RESNET_V2: Places = {2: 16, 3: "block35_10_ac", 4: "block17_20_ac", 5: "conv_7b_ac"}
_INCEPTION_RESNET = (_application(applications.InceptionResNetV2), applications.inception_resnet_v2.preprocess_input)


def _dilated(base: tf_keras.Model) -> tf_keras.Model:
    return atrous(same_padding(base), first="block35_10_ac", reduced="mixed_6a", last="block17_20_ac")


TRUNKS: Mapping[str, Trunk] = {
    "resnet18": Trunk(_resnet(18), _standardised, {}),
    "resnet50": Trunk(_resnet(50), _standardised, {}),
    "vgg16": Trunk(_application(applications.VGG16), applications.vgg16.preprocess_input, _VGG16),
    "mobilenet": _mobilenet(1.0),
    "mobilenet0.25": _mobilenet(0.25),
    "inception_v2": Trunk(
        lambda weights: inception_v2(),
        applications.inception_v3.preprocess_input,
        {2: "conv_2c_relu", 3: "mixed_3c", 4: "mixed_4e", 5: "mixed_5c"},
    ),
    "inception_v3": Trunk(
        _application(applications.InceptionV3),
        applications.inception_v3.preprocess_input,
        _INCEPTION_V3,
        same_padding,
    ),
    "inception_resnet_v2": Trunk(*_INCEPTION_RESNET, _INCEPTION_RESNET_V2, same_padding),
    # Huang et al. 2017, arXiv:1611.10012: the proposals' map at stride 8.
    "inception_resnet_v2_atrous": Trunk(*_INCEPTION_RESNET, {2: 16, 3: "block17_20_ac"}, _dilated),
}
