"""The base's part of a whole model that Keras saved as .h5: its layers come first, or lie in one layer that holds them.

Only the arrays of the file's weight groups are read, by h5py; the stored graph is never looked at.
"""

from __future__ import annotations

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
        _assign(own, _opened(stored, sum(len(layer.weights) for layer in own)))
    return True


def _layers(group: h5py.Group) -> Layers:
    """The layers that hold weights, in the model's order."""
    names = [text_of(name) for name in group.attrs["layer_names"]]
    found = {name: [group[name][text_of(path)] for path in group[name].attrs["weight_names"]] for name in names}
    if not all(isinstance(data, h5py.Dataset) for datasets in found.values() for data in datasets):
        raise OtherNetwork("its weight names are no arrays")
    return {name: datasets for name, datasets in found.items() if datasets}


def _opened(stored: Layers, wanted: int) -> Layers:
    """The layers inside the one that has as many weights as the base, where there is one; else all as they are."""
    inner = next((name for name, datasets in stored.items() if len(datasets) == wanted), None)
    if inner is None:
        return stored
    layers: Layers = {}
    for dataset in stored[inner]:  # what learns comes first, statistics last: each layer's own order is kept
        layers.setdefault(dataset.name.rpartition("/")[0], []).append(dataset)
    return layers


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
