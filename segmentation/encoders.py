"""Encoders by name: who builds them, the scale their pixels have, and where their features lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import applications

from segmentation import library

__all__ = ["ENCODERS", "Encoder", "features_of"]

SCALES = (16, 8, 4, 2)  # the features' sizes: the input's over these


@dataclass(frozen=True)
class Encoder:
    """How to build one (`weights` and `input_shape` by name), its preprocessing of [0, 255], and its features.

    `features` are the names or numbers of the layers that give the maps at 1/16, 1/8, 1/4 and 1/2 of the input.
    """

    build: Callable[..., keras.Model]
    preprocess: Callable[[Any], Any]
    features: tuple[str | int, ...]


def features_of(base: keras.Model, encoder: Encoder, scales: Sequence[int]) -> list[Any]:
    """The base's maps at 1/16, 1/8, 1/4 and 1/2 of its input, as asked, and its output for 32."""
    maps = {scale: _layer(base, place).output for scale, place in zip(SCALES, encoder.features, strict=True)}
    return [{**maps, 32: base.output}[scale] for scale in scales]


def _layer(base: keras.Model, place: str | int) -> Any:
    return base.get_layer(place) if isinstance(place, str) else base.get_layer(index=place)


def _as_it_is(pixels: Any) -> Any:
    return pixels


_RESNET = ("stage4_unit1_relu1", "stage3_unit1_relu1", "stage2_unit1_relu1", "relu0")
_EFFICIENTNET = tuple(f"block{block}a_expand_activation" for block in (6, 4, 3, 2))
_MOBILENETV2 = tuple(f"block_{block}_expand_relu" for block in (13, 6, 3, 1))


def _own(model: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    return partial(model, include_top=False)


def _library(name: str) -> Encoder:
    return Encoder(partial(library.backbone, name), _as_it_is, _RESNET)  # their first batch norm scales


def _vgg(model: Callable[..., keras.Model], convolutions: int) -> Encoder:
    deep = tuple(f"block{block}_conv{convolutions}" for block in (5, 4, 3))
    return Encoder(_own(model), applications.vgg16.preprocess_input, (*deep, "block2_conv2"))


# Keras' own where it has them; its ResNet-18, -34 and ResNeXt it lacks, and the maps of its InceptionV3 do not align
# with strides, those of the library's do.
ENCODERS: Mapping[str, Encoder] = {
    "vgg16": _vgg(applications.VGG16, 3),
    "vgg19": _vgg(applications.VGG19, 4),
    "resnet18": _library("resnet18"),
    "resnet34": _library("resnet34"),
    "resnet50": _library("resnet50"),
    "resnext50": _library("resnext50"),
    "densenet121": Encoder(
        _own(applications.DenseNet121),
        applications.densenet.preprocess_input,
        ("pool4_relu", "pool3_relu", "pool2_relu", "conv1_relu"),
    ),
    "inceptionv3": Encoder(
        partial(library.backbone, "inceptionv3"), applications.inception_v3.preprocess_input, (228, 86, 16, 9)
    ),
    "mobilenetv2": Encoder(_own(applications.MobileNetV2), applications.mobilenet_v2.preprocess_input, _MOBILENETV2),
    # Width 0.25: the smallest encoder with published weights.
    "mobilenet0.25": Encoder(
        partial(applications.MobileNet, include_top=False, alpha=0.25),
        applications.mobilenet.preprocess_input,
        ("conv_pw_11_relu", "conv_pw_5_relu", "conv_pw_3_relu", "conv_pw_1_relu"),
    ),
    "efficientnetb0": Encoder(_own(applications.EfficientNetB0), _as_it_is, _EFFICIENTNET),
    "efficientnetb7": Encoder(_own(applications.EfficientNetB7), _as_it_is, _EFFICIENTNET),
}
