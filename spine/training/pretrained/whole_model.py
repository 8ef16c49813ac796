"""The base's part of a whole model that Keras saved as .h5: its layers come first, or lie in one layer that holds them.

Only the arrays of the file's weight groups are read, by h5py; the stored graph is never looked at.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

__all__ = ["OtherNetwork", "load_base_of", "text_of"]


class OtherNetwork(ValueError):
    """A model that is none with this base; its text says where it differs."""


Layers = dict[str, list[h5py.Dataset]]  # name -> datasets in the layer's own order


def load_base_of(base: Any, file: str) -> bool:
    """Give a base, of either Keras, the weights of a whole model in a .h5 that begins with it or holds it as one layer.

    False, and nothing done, where the file is none of that kind: then Keras reads it. OtherNetwork where its first
    layers are not the base's, or what follows them is no head.
    """
    if not file.endswith(".h5") or not h5py.is_hdf5(Path(file)):
        return False
    with h5py.File(file) as opened:
        group = opened.get("model_weights", opened)
        own = [layer for layer in base.layers if layer.weights]
        if "layer_names" not in group.attrs or len(stored := _layers(group)) == len(own):
            return False
        _assign(own, _opened(stored, own))
    return True


def _layers(group: h5py.Group) -> Layers:
    """The layers that hold weights, in the model's order."""
    names = [text_of(name) for name in group.attrs["layer_names"]]
    found = {name: [group[name][text_of(path)] for path in group[name].attrs["weight_names"]] for name in names}
    if not all(isinstance(data, h5py.Dataset) for datasets in found.values() for data in datasets):
        raise OtherNetwork("its weight names are no arrays")
    return {name: datasets for name, datasets in found.items() if datasets}


def _opened(stored: Layers, own: list[Any]) -> Layers:
    """The layers inside the one that has as many weights as the base, where there is one; else all as they are."""
    wanted = sum(len(layer.weights) for layer in own)
    inner = next((name for name, datasets in stored.items() if len(datasets) == wanted), None)
    if inner is None:
        return stored
    layers: Layers = {}
    for dataset in stored[inner]:  # what learns comes first, statistics last: each layer's own order is kept
        layers.setdefault(dataset.name.rpartition("/")[0], []).append(dataset)
    return _in_order_of(own, layers)


def _in_order_of(own: list[Any], layers: Layers) -> Layers:
    """The layers in the base's order, where they have its names: of a base that was frozen in part when it was saved,
    the frozen ones come last.
    """
    above = len(os.path.commonpath(layers)) + 1
    named = {_flat(path[above:]): path for path in layers}
    names = [_flat(layer.name) for layer in own]
    return {named[name]: layers[named[name]] for name in names} if set(names) == {*named} else layers


def _flat(name: str) -> str:
    """A name as either Keras has it: the newer one allows no slash."""
    return name.replace("/", "_")


def _assign(own: list[Any], stored: Layers) -> None:
    if len(stored) < len(own):
        raise OtherNetwork(f"it has {len(stored)} layers with weights, the network {len(own)}")
    for layer, (name, datasets) in zip(own, stored.items(), strict=False):
        found, wanted = [tuple(data.shape) for data in datasets], [tuple(value.shape) for value in layer.weights]
        if found != wanted:
            raise OtherNetwork(f"its layer {name} has the shapes {found} where {layer.name} takes {wanted}")
    left = list(stored.items())[len(own) :]
    if kernels := [name for name, datasets in left if any(len(data.shape) > 2 for data in datasets)]:
        raise OtherNetwork(f"it goes on with {kernels[0]}, which is no head: it is another network")
    for layer, datasets in zip(own, stored.values(), strict=False):
        layer.set_weights([np.asarray(data) for data in datasets])


def text_of(name: bytes | str) -> str:
    """A name in HDF5, which may be of bytes."""
    return name.decode() if isinstance(name, bytes) else name
