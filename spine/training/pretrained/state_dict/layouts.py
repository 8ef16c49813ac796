"""Which tensor of a PyTorch network goes to which layer of the same network in Keras, one entry a network.

Only networks that give the same numbers in both are here. Not among them: torchvision's ResNet-50 as Keras'
`resnet50` (Keras strides in the 1x1 convolution, torchvision in the 3x3: here it is `resnet50v1.5`), InceptionV3
(torchvision's average pools count the padding), InceptionResNetV2 (torchvision has none) and MobileNetV2 (torchvision
pads steps of two at both ends, and its batch norm has another epsilon). Cheap to import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LAYOUTS", "Layout"]


@dataclass(frozen=True)
class Layout:
    """`modules`: Keras layer, with _ for / in its name -> PyTorch module. `scale` is that of its pixels, a name of
    `pretrained.pixel_scale`; `epsilon` that of its batch norm. `children` names the modules of a network that
    was cut into `nn.Sequential(*network.children())`, as RadImageNet's are.
    """

    modules: Mapping[str, str]
    scale: Literal["own", "torch"] = "torch"
    epsilon: float = 1e-5
    children: Mapping[str, str] = field(default_factory=dict)


def _vgg(*convolutions: int) -> Layout:
    """`features` counts convolutions, ReLUs and pools."""
    modules, place = {}, 0
    for block, count in enumerate(convolutions, start=1):
        for number in range(1, count + 1):
            modules[f"block{block}_conv{number}"] = f"features.{place}"
            place += 2
        place += 1
    return Layout(modules, children={"0": "features"})


def _densenet(*layers: int) -> Layout:
    modules = {"conv1_conv": "features.conv0", "conv1_bn": "features.norm0", "bn": "features.norm5"}
    for block, count in enumerate(layers, start=1):
        for number in range(1, count + 1):
            here, there = f"conv{block + 1}_block{number}", f"features.denseblock{block}.denselayer{number}"
            modules |= {f"{here}_{place}_bn": f"{there}.norm{place + 1}" for place in (0, 1)}
            modules |= {f"{here}_{place}_conv": f"{there}.conv{place}" for place in (1, 2)}
        if block < len(layers):
            modules[f"pool{block + 1}_bn"] = f"features.transition{block}.norm"
            modules[f"pool{block + 1}_conv"] = f"features.transition{block}.conv"
    return Layout(modules, children={"0": "features"})


def _resnet(*blocks: int) -> Layout:
    modules = {"conv1_conv": "conv1", "conv1_bn": "bn1"}
    for stage, count in enumerate(blocks, start=1):
        for number in range(count):
            here, there = f"conv{stage + 1}_block{number + 1}", f"layer{stage}.{number}"
            if not number:
                modules |= {f"{here}_0_conv": f"{there}.downsample.0", f"{here}_0_bn": f"{there}.downsample.1"}
            for place in (1, 2, 3):
                modules |= {f"{here}_{place}_conv": f"{there}.conv{place}", f"{here}_{place}_bn": f"{there}.bn{place}"}
    stages = {str(place): f"layer{place - 3}" for place in range(4, 8)}
    return Layout(modules, children={"0": "conv1", "1": "bn1", **stages})


def _efficientnet_lite(*blocks: int) -> Layout:
    """As the package efficientnet_lite_pytorch names them, whose weights are TensorFlow's; timm names otherwise."""
    modules = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}
    for place, here in enumerate(_blocks_of_efficientnet(blocks)):
        there = f"_blocks.{place}"
        if place:
            modules |= {f"{here}_expand_conv": f"{there}._expand_conv", f"{here}_expand_bn": f"{there}._bn0"}
        modules |= {f"{here}_dwconv": f"{there}._depthwise_conv", f"{here}_bn": f"{there}._bn1"}
        modules |= {f"{here}_project_conv": f"{there}._project_conv", f"{here}_project_bn": f"{there}._bn2"}
    return Layout(modules, "own", 1e-3)


def _blocks_of_efficientnet(counts: tuple[int, ...]) -> Iterator[str]:
    for stage, count in enumerate(counts, start=1):
        yield from (f"block{stage}{letter}" for letter in "abcdefgh"[:count])


LAYOUTS: dict[str, Layout] = {
    "vgg16": _vgg(2, 2, 3, 3, 3),
    "vgg19": _vgg(2, 2, 4, 4, 4),
    "densenet121": _densenet(6, 12, 24, 16),
    "densenet169": _densenet(6, 12, 32, 32),
    "densenet201": _densenet(6, 12, 48, 32),
    "resnet50v1.5": _resnet(3, 4, 6, 3),
    "efficientnetlite0": _efficientnet_lite(1, 2, 2, 3, 3, 4, 1),
}
