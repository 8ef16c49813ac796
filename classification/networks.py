"""Networks by name, one entry each: what the settings are checked by, and how the base is built.

Cheap to import: Keras comes in when a network is built. A new network is one more entry of `NETWORKS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spine.training.pretrained.state_dict.layouts import LAYOUTS

if TYPE_CHECKING:
    import keras

    from classification.config import Settings

__all__ = ["NETWORKS", "Network"]

Shape = tuple[int, int, int]
# How names of keras.applications begin whose networks have residual blocks; NASNet's cells add, but to no shortcut.
RESIDUAL = ("ConvNeXt", "EfficientNet", "InceptionResNet", "MobileNetV2", "MobileNetV3", "ResNet", "Xception")


SCALES_INSIDE = ("ConvNeXt", "EfficientNet", "MobileNetV3")


@dataclass(frozen=True)
class Network:
    """How to build a base, its preprocessing, and what can be asked of it.

    `build(settings, weights="imagenet" or None, input_shape=(H, W, 3))` gives the network without its top.
    `preprocess` takes RGB pixels (..., 3) in [0, 255] to the scale, and the channel order, that it was trained on.
    """

    build: Callable[..., keras.Model]
    preprocess: Callable[[Any], Any]
    least_size: int = 32  # height and width, in pixels; smaller inputs are resized up inside the model
    imagenet: bool = True  # whether its weights are published
    alphas: tuple[float, ...] = ()  # the widths whose weights are published; none where it has one width only
    residual: bool = False  # whether it has blocks whose branch is added to a shortcut
    scales_inside: bool = False  # whether its graph scales pixels by itself, from [0, 255]
    layout: str = ""  # of PyTorch's weights, a name of `pretrained.state_dict.layouts`; empty: none fit


def _application(name: str, least_size: int = 32, alphas: tuple[float, ...] = ()) -> Network:
    """A network of keras.applications, by the name of its function."""
    residual = name.startswith(RESIDUAL)
    layout = name.lower() if name.lower() in LAYOUTS else ""

    def build(settings: Settings, **kwargs: Any) -> keras.Model:
        width = {"alpha": settings.alpha} if alphas else {}
        return _of_keras(name)(include_top=False, **width, **kwargs)

    def preprocess(pixels: Any) -> Any:
        return sys.modules[_of_keras(name).__module__].preprocess_input(pixels)

    inside = name.startswith(SCALES_INSIDE)
    return Network(build, preprocess, least_size, alphas=alphas, residual=residual, scales_inside=inside, layout=layout)


def _of_keras(name: str) -> Callable[..., keras.Model]:
    from keras import applications

    return getattr(applications, name)


def _squeezenet(settings: Settings, **kwargs: Any) -> keras.Model:
    from classification.squeezenet import SqueezeNet

    return SqueezeNet(**kwargs)


def _squeezenet_scale(pixels: Any) -> Any:
    from classification.squeezenet import preprocess_input

    return preprocess_input(pixels)


def _efficientnet_lite0(settings: Settings, *, weights: None, input_shape: Shape) -> keras.Model:
    import keras

    from spine.training.pretrained.bases.efficientnet_lite import efficientnet_lite0

    return efficientnet_lite0(keras, input_shape)


def _efficientnet_lite_scale(pixels: Any) -> Any:
    from spine.training.pretrained.bases.efficientnet_lite import preprocess_input

    return preprocess_input(pixels)


def _resnet50_v1_5(settings: Settings, *, weights: None, input_shape: Shape) -> keras.Model:
    import keras

    from spine.training.pretrained.bases.resnet import resnet50_v1_5

    return resnet50_v1_5(keras, input_shape)


def _plain_cnn(settings: Settings, *, weights: None, input_shape: Shape) -> keras.Model:
    """Convolution, batch norm and ReLU, halved after each: the simplest network worth comparing with."""
    import keras
    from keras import layers

    x = inputs = keras.Input(input_shape)
    for filters in settings.filters:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(padding="same")(x)
    return keras.Model(inputs, x)


def _torch_scale(pixels: Any) -> Any:
    from keras import applications

    return applications.imagenet_utils.preprocess_input(pixels, mode="torch")


def _signed(pixels: Any) -> Any:
    return pixels / 127.5 - 1


NETWORKS: dict[str, Network] = {
    **{
        name.lower(): _application(name)
        for name in (
            *("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"),
            *("DenseNet121", "DenseNet169", "DenseNet201"),
            *(f"EfficientNetB{size}" for size in range(8)),
            *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "L", "M", "S")),
            *("NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50"),
            *("ResNet50V2", "VGG16", "VGG19"),
        )
    },
    "inceptionresnetv2": _application("InceptionResNetV2", least_size=75),
    "inceptionv3": _application("InceptionV3", least_size=75),
    "xception": _application("Xception", least_size=71),
    "mobilenet": _application("MobileNet", alphas=(0.25, 0.5, 0.75, 1.0)),
    "mobilenetv2": _application("MobileNetV2", alphas=(0.35, 0.5, 0.75, 1.0, 1.3, 1.4)),
    "mobilenetv3small": _application("MobileNetV3Small", alphas=(0.75, 1.0)),
    "mobilenetv3large": _application("MobileNetV3Large", alphas=(0.75, 1.0)),
    "squeezenet": Network(_squeezenet, _squeezenet_scale, least_size=31),
    "efficientnetlite0": Network(
        _efficientnet_lite0,
        _efficientnet_lite_scale,
        imagenet=False,
        residual=True,
        scales_inside=True,
        layout="efficientnetlite0",
    ),
    "resnet50v1.5": Network(_resnet50_v1_5, _torch_scale, imagenet=False, residual=True, layout="resnet50v1.5"),
    "plain_cnn": Network(_plain_cnn, _signed, least_size=16, imagenet=False),
}
