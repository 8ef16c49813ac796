"""The backbone of a detector as Model Garden builds it: grey pictures to maps by level, and what of it learns."""

from __future__ import annotations

import dataclasses
from typing import Any

import tf_keras
from official.modeling import hyperparams
from official.vision.configs import backbones
from official.vision.modeling.backbones.factory import register_backbone_builder
from tf_keras import layers

from detection.backbones.trunks import TRUNKS, Trunk, maps_of
from detection.backbones.weights import build_base
from spine.base_weights import scale_and_offset

__all__ = ["KEY", "Backbone", "GreyBackbone", "TrunkConfig", "register", "set_trainable"]

KEY = "grey"  # of Model Garden's registry


@dataclasses.dataclass
class TrunkConfig(hyperparams.Config):
    """A trunk by its name in `TRUNKS`, its weights, and the levels to give."""

    name: str = ""
    weights: str = "none"
    min_level: int = 2
    max_level: int = 5


@dataclasses.dataclass
class Backbone(backbones.Backbone):
    """Model Garden's choice of backbones, and ours."""

    type: str | None = KEY
    grey: TrunkConfig = dataclasses.field(default_factory=TrunkConfig)


class GreyBackbone(tf_keras.Model):
    """Grey pictures (N, H, W, 1) float32 in [0, 1] to {level as a string: (N, H/2**level, W/2**level, C)}.

    H and W are multiples of the largest stride. The grey is repeated to three channels in the scale, and the order,
    that the trunk was trained on.
    """

    def __init__(self, config: TrunkConfig, shape: tuple[int, int, int]) -> None:
        trunk = TRUNKS[config.name]
        base = trunk.adapted(build_base(config.name, trunk, config.weights))
        maps = maps_of(base, trunk, range(config.min_level, config.max_level + 1))
        inputs = tf_keras.Input(shape, name="image")
        x = layers.Concatenate(dtype="float32", name="three_channels")([inputs, inputs, inputs])
        scale, offset = scale_and_offset(trunk.preprocess)
        x = layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="network_scale")(x)
        trunk_of_maps = tf_keras.Model(base.inputs, maps, name="trunk")
        outputs = trunk_of_maps(x)
        super().__init__(inputs, outputs, name=config.name)
        self.trunk = trunk_of_maps
        self.output_specs = {level: features.shape for level, features in outputs.items()}
        self.stages = _stages(base, trunk, range(trunk.levels[0], config.max_level + 1))


def _stages(base: tf_keras.Model, trunk: Trunk, levels: range) -> dict[str, tuple[str, ...]]:
    """Level -> the names of the layers that its map depends on; also of levels that are not given."""
    maps = maps_of(base, trunk, levels)
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
    input_specs: layers.InputSpec, backbone_config: Backbone, norm_activation_config: Any, l2_regularizer: Any = None
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
    for layer in trunk.submodules:
        if isinstance(layer, layers.BatchNormalization) and not batch_norm:
            layer.trainable = False
