"""Residual blocks that are left out of some pictures' steps at random: in training only, the more often the deeper.

Huang et al. 2016, "Deep networks with stochastic depth".
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from spine.core.problems import SpineError

__all__ = ["copy_weights", "with_stochastic_depth"]

ADDITIONS = ("Add", "CustomScaleLayer")  # of two maps: by a layer or by +, and InceptionResNetV2's own
ONE_A_PICTURE = (None, 1, 1, 1)  # what is drawn: whether all of a picture's map stays


def with_stochastic_depth(base: keras.Model, rate: float) -> keras.Model:
    """A base as it is, weights included, but for its residual blocks: block l of L is left out at a rate of l / L.

    That is times `rate`. What is left out is a block's branch, a picture at a time; its shortcut, projected or not,
    stays. Where the branch stays it counts 1 / (1 - its rate) times, and in inference always once. What a network
    itself leaves out of its blocks, as EfficientNets do, is replaced. SpineError where it has no residual blocks.
    """
    blocks = sum(map(_is_residual, base.operations))
    if not blocks:
        raise SpineError(f"stochastic_depth is {rate:g}, but {base.name} has no residual blocks; leave it out")
    found = keras.models.clone_model(base, call_function=_Walk(rate, blocks))
    copy_weights(base, found)
    return found


class _Walk:
    """Calls a network's operations in order, each residual addition with a branch that may be left out."""

    def __init__(self, rate: float, blocks: int) -> None:
        self.rate, self.blocks, self.block = rate, blocks, 0
        self.depths: dict[int, int] = {}  # of a tensor: the operations that it took, one after the other

    def __call__(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, layers.Dropout) and operation.noise_shape == ONE_A_PICTURE:
            return args[0]
        tensors = _tensors((args, kwargs))
        depth = {id(tensor): self.depths.get(id(tensor), 0) for tensor in tensors}
        if type(operation).__name__ in ADDITIONS and len(tensors) == 2:
            # From where both began the shortcut takes fewer operations: none, or a projection.
            branch = max(tensors, key=lambda tensor: depth[id(tensor)])
            drop = self._next_drop()
            args, kwargs = keras.tree.map_structure(
                lambda given: drop(given) if given is branch else given, (args, kwargs)
            )
        outputs = operation(*args, **kwargs)
        for tensor in _tensors(outputs):
            self.depths[id(tensor)] = 1 + max(depth.values(), default=0)
        return outputs

    def _next_drop(self) -> layers.Layer:
        self.block += 1
        rate = self.rate * self.block / self.blocks
        return layers.Dropout(rate, noise_shape=ONE_A_PICTURE, name=f"stochastic_depth{self.block}")


def _is_residual(operation: Any) -> bool:
    return type(operation).__name__ in ADDITIONS and len(_tensors(operation.input)) == 2


def _tensors(structure: Any) -> list[keras.KerasTensor]:
    return [value for value in keras.tree.flatten(structure) if isinstance(value, keras.KerasTensor)]


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Give a network another's weights by the names of layers, since their order may have changed.

    Each as from a file, which a normalisation settles then.
    """
    there = {layer.name: layer for layer in target.layers}
    for layer in source.layers:
        if layer.name not in there:
            continue
        if isinstance(layer, keras.Model):
            copy_weights(layer, there[layer.name])
        elif layer.weights:
            stored: dict[str, Any] = {}
            layer.save_own_variables(stored)
            there[layer.name].load_own_variables(stored)
