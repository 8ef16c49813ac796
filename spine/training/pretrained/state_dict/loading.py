"""A state dict of PyTorch into a Keras network: names, the order of a kernel's axes, the order in a batch norm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spine.training.pretrained.state_dict.files import read_tensors
from spine.training.pretrained.state_dict.layouts import LAYOUTS, Layout
from spine.training.pretrained.state_dict.opcodes import BadStateDict

__all__ = ["load_state_dict"]

_WRAPPERS = ("module.", "model.", "backbone.", "encoder.")  # what others put before a network's own names
_HEADS = ("fc.", "_fc.", "classifier.", "head.")  # of the whole network; a base has none
_PARTS = {"weight": 0, "bias": 1, "running_mean": 2, "running_var": 3}  # in Keras' order
# torchvision's DenseNets of 2017 have `norm.1` where those of today have `norm1`.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")


def load_state_dict(base: Any, path: Path, layout: str) -> None:
    """Give the base, of either Keras, the numbers of a file whose network is `LAYOUTS[layout]`.

    BadStateDict where the file is none, lacks a tensor, has one of another shape, or one that belongs nowhere. Nothing
    is assigned before all of it fits.
    """
    if layout not in LAYOUTS:
        raise BadStateDict(
            f"a PyTorch network of this kind has no equal here; those that have: {', '.join(sorted(LAYOUTS))}"
        )
    known = LAYOUTS[layout]
    tensors = _by_module(read_tensors(path), known)
    layers = [layer for layer in base.layers if layer.trainable_weights]
    modules = [known.modules[layer.name.replace("/", "_")] for layer in layers]
    if foreign := sorted(tensors.keys() - set(modules)):
        raise BadStateDict(f"it also has {', '.join(foreign[:3])}{' ...' * (len(foreign) > 3)}; it is another network")
    new = [
        _fitted(layer, module, tensors.get(module, {}), known) for layer, module in zip(layers, modules, strict=True)
    ]
    for layer, arrays in zip(layers, new, strict=True):
        layer.set_weights(arrays)


def _by_module(tensors: Mapping[str, np.ndarray], layout: Layout) -> dict[str, dict[str, np.ndarray]]:
    """Module -> part, such as weight -> array; the head and the counts of batches left out."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    for name, value in _unwrapped(tensors).items():
        child, dot, rest = _OLD_DENSENET.sub(r"\1\2", name).partition(".")
        module, _, part = f"{layout.children.get(child, child)}{dot}{rest}".rpartition(".")
        if part != "num_batches_tracked" and not f"{module}.".startswith(_HEADS):
            modules.setdefault(module, {})[part] = value
    return modules


def _unwrapped(tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in tensors):
            return _unwrapped({name.removeprefix(prefix): value for name, value in tensors.items()})
    return tensors


def _fitted(layer: Any, module: str, parts: Mapping[str, np.ndarray], layout: Layout) -> list[np.ndarray]:
    """The layer's arrays, in Keras' order and axes."""
    wanted = [value.shape for value in layer.get_weights()]
    names = list(_PARTS)[: len(wanted)]
    _require(sorted(parts) == sorted(names), module, f"has {_listed(parts)} where {layer.name} takes {_listed(names)}")
    arrays = [np.asarray(parts[name], np.float32) for name in names]
    if arrays[0].ndim == 4:
        # (out, in, height, width); depthwise (in, 1, height, width), and Keras (height, width, in, 1)
        arrays[0] = arrays[0].transpose((2, 3, 0, 1) if type(layer).__name__ == "DepthwiseConv2D" else (2, 3, 1, 0))
    if len(arrays) == 4:
        arrays[3] = arrays[3] + np.float32(layout.epsilon - layer.epsilon)  # the layer adds its own
    found = [value.shape for value in arrays]
    _require(found == wanted, module, f"gives the shapes {found} where {layer.name} takes {wanted}")
    _require(all(np.isfinite(value).all() for value in arrays), module, "holds numbers that are not finite")
    return arrays


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names, key=lambda name: _PARTS.get(name, 9))) or "nothing"


def _require(holds: bool, module: str, complaint: str) -> None:
    if not holds:
        raise BadStateDict(f"{module} {complaint}")
