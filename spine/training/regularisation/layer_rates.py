"""Learning rates of a base's layers: the nearer to the input, the lower, so that what holds for any picture stays.

Howard and Ruder 2018 (discriminative fine-tuning), Bao et al. 2022 (layer-wise learning rate decay).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["rates_of", "stages_of", "with_rates"]

SIDE = 256  # pixels: enough for every halving of a base to be seen


def stages_of(base: keras.Model) -> list[int]:
    """The stage of each of a base's layers, from 0: a new one begins where maps are half as large or nearly so.

    A stage is what lies between two halvings, as VGG's five blocks. Layers without maps of more than one pixel, such
    as those of squeeze-and-excitation, belong to the stage that they lie in.
    """
    stages, stage, side = [], 0, 0
    for shape in _shapes_of(base):
        longest = max((size or 0 for size in shape[1:-1]), default=0) if len(shape) == 4 else 0
        # Convolutions without padding take a few pixels off each side, and 7 pixels are halved to 4 or 3.
        if side and 1 < longest <= side * 2 / 3:
            stage += 1
        if longest > 1 and (not side or longest <= side * 2 / 3):
            side = longest
        stages.append(stage)
    return stages


def _shapes_of(base: keras.Model) -> list[tuple[int | None, ...]]:
    """The shape of what each layer gives; of a base without a size, such as that of patches, for pictures of `SIDE`."""
    outputs = keras.Model(base.inputs, [keras.tree.flatten(layer.output)[0] for layer in base.layers])
    _, *sizes, channels = base.input_shape
    shapes: list[tuple[int | None, ...]] = outputs.compute_output_shape(
        (1, *(size or SIDE for size in sizes), channels)
    )
    return shapes


def rates_of(variables: Sequence[keras.Variable], base: keras.Model, decay: float) -> list[float]:
    """What the rate of each variable is multiplied by.

    `decay` for the base's last stage that has weights (a pool follows VGG's), its square for the one before, and so on;
    1 for what is not the base's.
    """
    stages = stages_of(base)
    last = max((stage for layer, stage in zip(base.layers, stages, strict=True) if layer.weights), default=0)
    own = {
        id(variable): decay ** (last - stage + 1)
        for layer, stage in zip(base.layers, stages, strict=True)
        for variable in layer.weights
    }
    return [own.get(id(variable), 1.0) for variable in variables]


def with_rates(kind: type[keras.optimizers.Optimizer], rates: Sequence[float]) -> type[keras.optimizers.Optimizer]:
    """An optimizer whose steps are as `kind`'s, those of each variable at so many times the rate.

    `rates` are in the order of the variables that it is built with. Updates are scaled, not gradients: Adam and RMSprop
    divide by the gradients' size and would undo that.
    """

    class WithRates(kind):  # type: ignore[misc, valid-type]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * rates[self._get_variable_index(variable)])

    return WithRates
