"""Encoders by name, one entry each: who builds them, the scale their pixels have, and where their features lie.

Cheap to import: Keras comes in when an encoder is built. A new encoder is one more entry of `ENCODERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

__all__ = ["ENCODERS", "SCALES", "Encoder", "features_of"]

SCALES = (16, 8, 4, 2)  # the features' sizes: the input's over these


@dataclass(frozen=True)
class Encoder:
    """How to build one, its preprocessing, and its features.

    `build(weights="imagenet" or None, input_shape=(H, W, 3))` gives the network without its top. `preprocess` takes
    RGB pixels (..., 3) in [0, 255] to the scale, and the channel order, that it was trained on. `features` are the
    names or numbers of the layers that give the maps at 1/16, 1/8, 1/4 and 1/2 of the input.
    """

    build: Callable[..., keras.Model]
    preprocess: Callable[[Any], Any]
    features: tuple[str | int, ...]
    least_size: int = 32  # height and width, in pixels; the model pads up to it
    layout: str = ""  # of PyTorch's weights, a name of `pretrained.state_dict.layouts`; empty: none fit
    imagenet: bool = True  # whether its weights are published in a form that can be downloaded
    residual: bool = False  # whether it has blocks whose branch is added to a shortcut, by a layer of its own
    scales_inside: bool = False  # whether its graph scales pixels by itself, from [0, 255]


def features_of(base: keras.Model, encoder: Encoder, scales: Sequence[int]) -> list[Any]:
    """The base's maps at 1/16, 1/8, 1/4 and 1/2 of its input, as asked, and its output for 32."""
    maps = {scale: _layer(base, place).output for scale, place in zip(SCALES, encoder.features, strict=True)}
    return [{**maps, 32: base.output}[scale] for scale in scales]


def _layer(base: keras.Model, place: str | int) -> Any:
    return base.get_layer(place) if isinstance(place, str) else base.get_layer(index=place)


_OF_RESNET = (*(f"conv{stage}_block{last}_out" for stage, last in ((4, 6), (3, 4), (2, 3))), "conv1_relu")
_OF_EFFICIENTNET = tuple(f"block{block}a_expand_activation" for block in (6, 4, 3, 2))


def _of_applications(name: str, **settings: Any) -> Callable[..., keras.Model]:
    """The builder of a network of keras.applications, by the name of its function."""

    def build(**kwargs: Any) -> keras.Model:
        from keras import applications

        return getattr(applications, name)(include_top=False, **settings, **kwargs)

    return build


def _of_library(name: str) -> Callable[..., keras.Model]:
    """The builder of a network of segmentation_models."""

    def build(**kwargs: Any) -> keras.Model:
        from segmentation import library

        return library.backbone(name, **kwargs)

    return build


def _scale_of(module: str) -> Callable[[Any], Any]:
    """The preprocessing of a module of keras.applications."""

    def preprocess(pixels: Any) -> Any:
        from keras import applications

        return getattr(applications, module).preprocess_input(pixels)

    return preprocess


def _as_it_is(pixels: Any) -> Any:
    return pixels


def _resnet(name: str, *, residual: bool = True) -> Encoder:
    features = ("stage4_unit1_relu1", "stage3_unit1_relu1", "stage2_unit1_relu1", "relu0")
    # Their first batch norm scales.
    return Encoder(_of_library(name), _as_it_is, features, residual=residual, scales_inside=True)


def _vgg(name: str, convolutions: int) -> Encoder:
    deep = tuple(f"block{block}_conv{convolutions}" for block in (5, 4, 3))
    return Encoder(_of_applications(name), _scale_of("vgg16"), (*deep, "block2_conv2"), layout=name.lower())


def _efficientnet(name: str) -> Encoder:
    return Encoder(_of_applications(name), _as_it_is, _OF_EFFICIENTNET, residual=True, scales_inside=True)


def _efficientnet_lite0(*, weights: None, input_shape: tuple[int, int, int]) -> keras.Model:
    import keras

    from spine.training.pretrained.bases.efficientnet_lite import efficientnet_lite0

    return efficientnet_lite0(keras, input_shape)


def _resnet50_v1_5(*, weights: None, input_shape: tuple[int, int, int]) -> keras.Model:
    import keras

    from spine.training.pretrained.bases.resnet import resnet50_v1_5

    return resnet50_v1_5(keras, input_shape)


def _torch_scale(pixels: Any) -> Any:
    from keras import applications

    return applications.imagenet_utils.preprocess_input(pixels, mode="torch")


def _efficientnet_lite_scale(pixels: Any) -> Any:
    from spine.training.pretrained.bases.efficientnet_lite import preprocess_input

    return preprocess_input(pixels)


# Keras' own where it has them; its ResNet-18, -34 and ResNeXt it lacks, and the maps of its InceptionV3 do not align
# with strides, those of the library's do.
ENCODERS: dict[str, Encoder] = {
    "vgg16": _vgg("VGG16", 3),
    "vgg19": _vgg("VGG19", 4),
    "resnet18": _resnet("resnet18"),
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
    # The library writes the groups of ResNeXt, and the sums of InceptionResNetV2, as functions that Keras cannot clone.
    "resnext50": _resnet("resnext50", residual=False),
    # keras.applications' own, and torchvision's: "resnet50" above is of another order of batch norm and convolution.
    "resnet50v1": Encoder(_of_applications("ResNet50"), _scale_of("resnet50"), _OF_RESNET, residual=True),
    "resnet50v1.5": Encoder(
        _resnet50_v1_5, _torch_scale, _OF_RESNET, layout="resnet50v1.5", imagenet=False, residual=True
    ),
    "densenet121": Encoder(
        _of_applications("DenseNet121"),
        _scale_of("densenet"),
        ("pool4_relu", "pool3_relu", "pool2_relu", "conv1_relu"),
        layout="densenet121",
    ),
    "inceptionv3": Encoder(_of_library("inceptionv3"), _scale_of("inception_v3"), (228, 86, 16, 9), least_size=75),
    "inceptionresnetv2": Encoder(
        _of_library("inceptionresnetv2"),
        _scale_of("inception_resnet_v2"),
        (594, 260, 16, 9),
        least_size=75,
    ),
    "mobilenetv2": Encoder(
        _of_applications("MobileNetV2"),
        _scale_of("mobilenet_v2"),
        tuple(f"block_{block}_expand_relu" for block in (13, 6, 3, 1)),
        residual=True,
    ),
    # Width 0.25: the smallest encoder with published weights.
    "mobilenet0.25": Encoder(
        _of_applications("MobileNet", alpha=0.25),
        _scale_of("mobilenet"),
        tuple(f"conv_pw_{block}_relu" for block in (11, 5, 3, 1)),
    ),
    "efficientnetb0": _efficientnet("EfficientNetB0"),
    "efficientnetb7": _efficientnet("EfficientNetB7"),
    "efficientnetlite0": Encoder(
        _efficientnet_lite0,
        _efficientnet_lite_scale,
        _OF_EFFICIENTNET,
        layout="efficientnetlite0",
        imagenet=False,
        residual=True,
        scales_inside=True,
    ),
}
