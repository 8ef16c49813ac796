"""Backbones by name, one entry each: who builds them, the scale of their pixels, and which layers end at which stride.

Cheap to import: Keras 2 comes in when a backbone is built. A new backbone is one more entry of `BACKBONES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras

__all__ = ["BACKBONES", "Backbone", "maps_of"]


Places = Mapping[int, str | int]  # level -> name or number of the layer that ends there


def _unchanged(base: tf_keras.Model) -> tf_keras.Model:
    return base


@dataclass(frozen=True)
class Backbone:
    """How to build one, its preprocessing, its levels, and the layers that give its maps.

    `build(weights=None or "imagenet")` gives the network without its top, from (N, H, W, 3); `preprocess` takes RGB
    pixels (..., 3) in [0, 255] to the scale, and the channel order, that it was trained on. `layers` are names or
    numbers, by level; empty where the network's own output is a dict of levels. `adapted` aligns it with its strides,
    weights kept.
    """

    build: Callable[..., tf_keras.Model]
    preprocess: Callable[[Any], Any]
    layers: Places
    adapted: Callable[[tf_keras.Model], tf_keras.Model] = _unchanged
    levels: range = range(2, 6)  # of its maps; a map of level l has the stride 2**l, in pixels
    imagenet: bool = True  # whether its weights are published in a form that can be downloaded
    scales_inside: bool = False  # whether its graph scales pixels by itself, from [0, 255]
    layout: str = ""  # of PyTorch's weights, a name of `pretrained.state_dict.layouts`; empty: none fit
    # Where Model Garden publishes them, as its page on vision models lists it; Keras' applications know their own.
    checkpoint: str | None = None


def maps_of(base: tf_keras.Model, backbone: Backbone, levels: range) -> dict[str, Any]:
    """The base's outputs of these levels, by the level as a string, as Model Garden keys them."""
    if not backbone.layers:
        return {str(level): base.output[str(level)] for level in levels}
    return {str(level): _layer(base, backbone.layers[level]).output for level in levels}


def _layer(base: tf_keras.Model, place: str | int) -> Any:
    return base.get_layer(place) if isinstance(place, str) else base.get_layer(index=place)


def _application(name: str, **settings: Any) -> Callable[..., tf_keras.Model]:
    """The builder of a network of Keras 2's applications, by the name of its function."""

    def build(weights: str | None) -> tf_keras.Model:
        from tf_keras import applications

        model = getattr(applications, name)
        return model(include_top=False, input_shape=(None, None, 3), weights=weights, **settings)

    return build


def _scale_of(module: str) -> Callable[[Any], Any]:
    """The preprocessing of a module of Keras 2's applications."""

    def preprocess(pixels: Any) -> Any:
        from tf_keras import applications

        return getattr(applications, module).preprocess_input(pixels)

    return preprocess


def _resnet(depth: int) -> Callable[..., tf_keras.Model]:
    """The builder of a ResNet of Model Garden's."""

    def build(weights: None) -> tf_keras.Model:
        from official.vision.modeling.backbones.resnet import ResNet

        # As Model Garden's image classifiers have it, whose weights it starts from; its detectors' own is 1e-4.
        return ResNet(depth, norm_epsilon=1e-5)

    return build


def _standardised(pixels: Any) -> Any:
    from official.vision.ops.preprocess_ops import MEAN_RGB, STDDEV_RGB

    return (pixels - MEAN_RGB) / STDDEV_RGB


def _mobilenet(alpha: float) -> Backbone:
    # Padded at the end only, which for even sizes is what 'same' does.
    places: Places = {
        level: f"conv_pw_{number}_relu" for level, number in zip(range(2, 6), (3, 5, 11, 13), strict=True)
    }
    return Backbone(_application("MobileNet", alpha=alpha), _scale_of("mobilenet"), places)


def _resnet50_v1_5(weights: None) -> tf_keras.Model:
    import tf_keras

    from spine.training.pretrained.bases.resnet import resnet50_v1_5

    return resnet50_v1_5(tf_keras, (None, None, 3))


def _torch_scale(pixels: Any) -> Any:
    from tf_keras import applications

    return applications.imagenet_utils.preprocess_input(pixels, mode="torch")


def _efficientnet_lite0(weights: None) -> tf_keras.Model:
    import tf_keras

    from spine.training.pretrained.bases.efficientnet_lite import efficientnet_lite0

    return efficientnet_lite0(tf_keras, (None, None, 3))


def _efficientnet_lite_scale(pixels: Any) -> Any:
    from spine.training.pretrained.bases.efficientnet_lite import preprocess_input

    return preprocess_input(pixels)


def _inception_v2(weights: None) -> tf_keras.Model:
    from detection.backbones.inception_v2 import inception_v2

    return inception_v2()


def _same_padding(base: tf_keras.Model) -> tf_keras.Model:
    from detection.backbones.aligned import rebuilt, same_padding

    return rebuilt(base, same_padding)


def _dilated(base: tf_keras.Model) -> tf_keras.Model:
    from detection.backbones.aligned import atrous, rebuilt, same_padding

    dilated = atrous(base, first="block35_10_ac", reduced="mixed_6a", last="block17_20_ac")
    return rebuilt(base, same_padding, dilated)


_OF_RESNET: Places = {2: "conv2_block3_out", 3: "conv3_block4_out", 4: "conv4_block6_out", 5: "conv5_block3_out"}

# The layers of both Inceptions' stems have numbers for names, which depend on what was built before.
_INCEPTION_RESNET = (_application("InceptionResNetV2"), _scale_of("inception_resnet_v2"))

BACKBONES: dict[str, Backbone] = {
    "resnet18": Backbone(_resnet(18), _standardised, {}, imagenet=False),
    "resnet50": Backbone(
        _resnet(50),
        _standardised,
        {},
        checkpoint="https://storage.googleapis.com/tf_model_garden/vision/resnet/resnet-50-i224.tar.gz",
    ),
    "vgg16": Backbone(
        _application("VGG16"),
        _scale_of("vgg16"),
        {2: "block3_conv3", 3: "block4_conv3", 4: "block5_conv3", 5: "block5_pool"},
        layout="vgg16",
    ),
    # keras.applications' own, and torchvision's; "resnet50" is Model Garden's.
    "resnet50v1": Backbone(_application("ResNet50"), _scale_of("resnet50"), _OF_RESNET),
    "resnet50v1.5": Backbone(_resnet50_v1_5, _torch_scale, _OF_RESNET, imagenet=False, layout="resnet50v1.5"),
    "densenet121": Backbone(
        _application("DenseNet121"),
        _scale_of("densenet"),
        {2: "pool2_relu", 3: "pool3_relu", 4: "pool4_relu", 5: "relu"},
        layout="densenet121",
    ),
    "mobilenet": _mobilenet(1.0),
    "mobilenet0.25": _mobilenet(0.25),
    # The ends of its stages, as EfficientDet reads them (Tan et al. 2020, arXiv:1911.09070).
    "efficientnetlite0": Backbone(
        _efficientnet_lite0,
        _efficientnet_lite_scale,
        {2: "block2b_add", 3: "block3b_add", 4: "block5c_add", 5: "block7a_project_bn"},
        imagenet=False,
        scales_inside=True,
        layout="efficientnetlite0",
    ),
    "inception_v2": Backbone(
        _inception_v2,
        _scale_of("inception_v3"),
        {2: "conv_2c_relu", 3: "mixed_3c", 4: "mixed_4e", 5: "mixed_5c"},
        imagenet=False,
    ),
    "inception_v3": Backbone(
        _application("InceptionV3"),
        _scale_of("inception_v3"),
        {2: 16, 3: "mixed2", 4: "mixed7", 5: "mixed10"},
        _same_padding,
    ),
    "inception_resnet_v2": Backbone(
        *_INCEPTION_RESNET, {2: 16, 3: "block35_10_ac", 4: "block17_20_ac", 5: "conv_7b_ac"}, _same_padding
    ),
    # Huang et al. 2017, arXiv:1611.10012: the proposals' map at stride 8.
    "inception_resnet_v2_atrous": Backbone(
        *_INCEPTION_RESNET, {2: 16, 3: "block17_20_ac"}, _dilated, levels=range(2, 4)
    ),
}
