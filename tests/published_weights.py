"""Published weights at hand: the folder that tests look for them in, and what a Keras 3 file holds."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


def published(name: str) -> Path:
    """A published weights file below SPINE_WEIGHTS, else ../shared/weights of the repository's root; skips without."""
    folder = Path(os.environ.get("SPINE_WEIGHTS") or ROOT.parent / "shared" / "weights")
    if not (folder / name).is_file():
        pytest.skip(f"no published weights: set SPINE_WEIGHTS to the folder of {name} ({folder} lacks it)")
    return folder / name


def stored_by_layer(file: Path) -> dict[str, list[np.ndarray]]:
    """Layer's name -> its arrays, of a .weights.h5 of Keras 3, read by h5py alone."""
    with h5py.File(file) as weights:
        held = (layer["vars"] for layer in weights["layers"].values())
        return {
            group.attrs["name"]: [group[str(place)][()] for place in range(len(group))] for group in held if len(group)
        }
