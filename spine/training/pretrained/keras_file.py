"""What a weights file of Keras holds, .h5 or .keras: whether it is whole, and where it differs from a network.

Only shapes and, of an archive, checksums are read; the stored graph is never looked at.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py

from spine.training.pretrained.whole_model import text_of

__all__ = ["DAMAGES", "Stored", "damage_of", "difference", "require_whole"]

DAMAGES = (OSError, EOFError, zipfile.BadZipFile, zlib.error)  # what a damaged file makes h5py or zipfile raise
WEIGHTS = "model.weights.h5"  # of a .keras archive
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")  # of Keras 3, and of Keras 2 in its newer format
Stored = dict[str, list[tuple[int, ...]]]  # a layer's place in the file -> the shapes of its arrays


def require_whole(path: Path) -> None:
    """One of `DAMAGES` where the file is none of its kind, is cut off or fails its checksums."""
    if path.suffix != ".keras":
        with h5py.File(path):
            return
    with zipfile.ZipFile(path) as archive:
        if WEIGHTS not in archive.namelist():
            raise zipfile.BadZipFile(f"it holds no {WEIGHTS}")
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"the checksum of its {damaged} is wrong")


def damage_of(path: Path, error: Exception) -> str:
    """What is wrong with a damaged file, in words."""
    with path.open("rb") as file:
        begin = file.read(8)
    kind = "a zip archive, as .keras says" if path.suffix == ".keras" else "HDF5, as .h5 says"
    signature = b"PK" if path.suffix == ".keras" else b"\x89HDF\r\n\x1a\n"
    if not begin:
        return "it is empty"
    if not begin.startswith(signature):
        return f"it is not {kind}"
    if "truncated" in str(error) or "File is not a zip file" in str(error):
        return f"it is cut off after {path.stat().st_size:,} bytes"
    return f"a part of it cannot be read ({_first_line(error)})"


def difference(base: Any, path: Path) -> str:
    """How the file differs from a network: its number of parameters, and the first layer of another shape."""
    try:
        return _difference(base, path)
    except (KeyError, AttributeError, TypeError):
        return "its layers do not lie as Keras saves them"


def _difference(base: Any, path: Path) -> str:
    with _opened(path) as file:
        group = file.get("model_weights", file)
        stored = _of_layer_names(group) if "layer_names" in group.attrs else _of_places(group)
        own = [layer for layer in base.layers if layer.weights]
        places = list(stored)[: len(own)] if "layer_names" in group.attrs else _places(own)
    told = [f"the file holds {sum(math.prod(shape) for shapes in stored.values() for shape in shapes):,}"]
    for layer, place in zip(own, places, strict=False):
        wanted, found = [tuple(value.shape) for value in layer.weights], stored.get(place, [])
        if found != wanted:
            what = f"the shapes {found}" if found else "nothing"
            return f"{told[0]}, of which {what} for the layer {layer.name}, that takes {wanted}"
    return told[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if path.suffix != ".keras":
        with h5py.File(path) as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive, h5py.File(BytesIO(archive.read(WEIGHTS))) as file:
        yield file


def _of_layer_names(group: h5py.Group) -> Stored:
    """Of Keras 2's .h5: by the layer's name, in the model's order; those without arrays left out."""
    found = {}
    for name in map(text_of, group.attrs["layer_names"]):
        layer = group[name]
        found[name] = [layer[text_of(path)].shape for path in layer.attrs["weight_names"]]
    return {name: shapes for name, shapes in found.items() if shapes}


def _of_places(group: h5py.Group) -> Stored:
    """Of the newer format: by the layer's class and number, such as conv2d_1."""
    layers: Any = next((group[name] for name in _CONTAINERS if name in group), {})
    found = {}
    for place, layer in layers.items():
        arrays = layer.get("vars", {})
        found[place] = [arrays[str(number)].shape for number in range(len(arrays))]
    return found


def _places(layers: list[Any]) -> list[str]:
    """How the newer format calls layers: by their class, and a number from the second on."""
    counted: Counter[str] = Counter()
    places = []
    for layer in layers:
        kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", type(layer).__name__).lower()
        places.append(f"{kind}_{counted[kind]}" if counted[kind] else kind)
        counted[kind] += 1
    return places
