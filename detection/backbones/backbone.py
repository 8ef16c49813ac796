"""The backbone of a detector as Model Garden builds it: grey pictures to maps by level, and what of it learns."""

from __future__ import annotations

import dataclasses
from typing import Any

import tf_keras
from official.modeling import hyperparams
from official.vision.configs import backbones
from official.vision.modeling.backbones.factory import register_backbone_builder
from tf_keras import layers

from detection.backbones.table import BACKBONES, Backbone, maps_of
from detection.backbones.weights import build_base
from detection.batch_norm import norms_of
from spine.training.pretrained.pixel_scale import scale_of

__all__ = ["KEY", "GardenBackbone", "GreyBackbone", "GreyConfig", "register", "set_trainable"]

KEY = "grey"  # of Model Garden's registry


@dataclasses.dataclass
class GreyConfig(hyperparams.Config):
    """A backbone by its name in `BACKBONES`, its weights and the scale of their pixels, and the levels to give."""

    name: str = ""
    weights: str = "none"
    pixel_scale: str = "own"
    min_level: int = 2
    max_level: int = 5


@dataclasses.dataclass
class GardenBackbone(backbones.Backbone):
    """Model Garden's choice of backbones, and ours."""

    type: str | None = KEY
    grey: GreyConfig = dataclasses.field(default_factory=GreyConfig)


class GreyBackbone(tf_keras.Model):
    """Grey pictures (N, H, W, 1) float32 in [0, 1] to {level as a string: (N, H/2**level, W/2**level, C)}.

    H and W are multiples of the largest stride. The grey is repeated to three channels in the scale, and the order,
    that the `trunk`, the network of three channels, was trained on.
    """

    def __init__(self, config: GreyConfig, shape: tuple[int, int, int]) -> None:
        backbone = BACKBONES[config.name]
        base = backbone.adapted(build_base(config.name, backbone, config.weights))
        maps = maps_of(base, backbone, range(config.min_level, config.max_level + 1))
        inputs = tf_keras.Input(shape, name="image")
        x = layers.Concatenate(dtype="float32", name="three_channels")([inputs, inputs, inputs])
        scale, offset = scale_of(config.pixel_scale, backbone.preprocess)
        x = layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="network_scale")(x)
        trunk = tf_keras.Model(base.inputs, maps, name="trunk")
        outputs = trunk(x)
        super().__init__(inputs, outputs, name=config.name)
        self.trunk = trunk
        self.output_specs = {level: features.shape for level, features in outputs.items()}
        self.stages = _stages(base, backbone, range(backbone.levels[0], config.max_level + 1))


def _stages(base: tf_keras.Model, backbone: Backbone, levels: range) -> dict[str, tuple[str, ...]]:
    """Level -> the names of the layers that its map depends on; also of levels that are not given."""
    maps = maps_of(base, backbone, levels)
    return {
        level: tuple(layer.name for layer in tf_keras.Model(base.inputs, own).layers) for level, own in maps.items()
    }


def register() -> None:
    """Make the backbone known to Model Garden's factory, under `KEY`; once a process."""
    try:
        register_backbone_builder(KEY)(_build)
    except KeyError:
        return  # it was, by an earlier call


def _build(
    input_specs: layers.InputSpec,
    backbone_config: GardenBackbone,
    norm_activation_config: Any,
    l2_regularizer: Any = None,
) -> GreyBackbone:
    return GreyBackbone(backbone_config.grey, tuple(input_specs.shape[1:]))


def set_trainable(backbone: GreyBackbone, frozen_stages: int, *, batch_norm: bool) -> None:
    """Let the trunk learn, but for its layers up to the level `frozen_stages`; 0 freezes none.

    Without `batch_norm` no batch norm of it learns: each uses the statistics that it came with.
    """
    trunk = backbone.trunk
    trunk.trainable = True
    for level, names in backbone.stages.items():
        for name in names if int(level) <= frozen_stages else ():
            trunk.get_layer(name).trainable = False
    if not batch_norm:
        for norm in norms_of(trunk):
            norm.trainable = False
