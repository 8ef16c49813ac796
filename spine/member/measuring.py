"""Members that measure and then decide: the two steps of their SavedModels, and measurements kept for all.

Such a SavedModel has two things beside its signatures. `measuring` is what measures, by a fingerprint of all that its
values depend on: each has `of_files(image_bytes: string [N], boxes: float32 [N, 4])` and `of_images(image: float32
[N, H, W, 1 or 3] in [0, 1])`, which give values (N, F) float32, NaN where one lacks. `decide(measured)` makes the
outputs of those values, by fingerprint. So what several models measure alike is measured once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from spine.core.files import atomic_file, hash_file
from spine.core.progress import track
from spine.dataset.truth import Region

__all__ = [
    *("Measure", "by_files", "keeping", "measure_regions", "measured_regions", "measured_signature", "measuring_of"),
]

Measure = Callable[[Path, np.ndarray], np.ndarray]  # a picture and boxes (K, 4) -> (K, F)


def measuring_of(model: Any) -> dict[str, Any]:
    """What measures for a loaded SavedModel, by fingerprint; nothing where it has no such two steps."""
    measuring = getattr(model, "measuring", None)
    return dict(measuring) if isinstance(measuring, Mapping) and hasattr(model, "decide") else {}


def measured_signature(names: Iterable[str]) -> dict[str, Any]:
    """Of `decide`, by fingerprint."""
    import tensorflow as tf

    return {name: tf.TensorSpec([None, None], tf.float32, name=name) for name in names}


def by_files(of_files: Callable[[Any, Any], Any]) -> Measure:
    """Measures files by a function of their bytes and of the boxes in them."""
    import tensorflow as tf

    def measure(picture: Path, boxes: np.ndarray) -> np.ndarray:
        measured: np.ndarray = of_files(tf.fill([len(boxes)], picture.read_bytes()), tf.constant(boxes)).numpy()
        return measured

    return measure


def measured_regions(model: Any, regions: Sequence[Region], folder: Path) -> dict[str, np.ndarray]:
    """What is measured for a loaded SavedModel of boxes in pictures, (N, F) by fingerprint; kept in the folder."""
    return {
        name: measure_regions(regions, keeping(folder / name, by_files(measuring.of_files)))
        for name, measuring in measuring_of(model).items()
    }


def measure_regions(regions: Sequence[Region], measure: Measure, description: str = "") -> np.ndarray:
    """Measurements (N, F) float32 of boxes in pictures, a picture at a time however many of its boxes are asked for.

    A bar with the description shows how far it is, where there is one.
    """
    rows_of: dict[Path, list[int]] = {}
    for row, region in enumerate(regions):
        rows_of.setdefault(region.picture, []).append(row)
    boxes = np.array([region.box for region in regions], np.float32)
    found: dict[int, np.ndarray] = {}
    for picture, rows in track(rows_of.items(), description, len(rows_of), shown=bool(description)):
        found.update(zip(rows, measure(picture, boxes[rows]), strict=True))
    return np.stack([found[row] for row in range(len(regions))])


def keeping(folder: Path, measure: Measure) -> Measure:
    """`measure`, whose values are kept in the folder, a file a picture: a box that was ever measured is not again.

    Files are named by what the picture holds. The folder's name must tell all else that the values depend on. Of two
    processes that write one file at once the later wins, and what it lacks is measured another time.
    """

    def look_up(picture: Path, boxes: np.ndarray) -> np.ndarray:
        file = folder / f"{hash_file(picture)}.npz"
        known = _read(file)
        lacking = {box.tobytes(): box for box in boxes if box.tobytes() not in known}
        if lacking:
            known.update(zip(lacking, measure(picture, np.stack(list(lacking.values()))), strict=True))
            _write(known, file)
        return np.stack([known[box.tobytes()] for box in boxes])

    return look_up


def _read(file: Path) -> dict[bytes, np.ndarray]:
    """Box -> its values; none where there is no such file, or it is damaged."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return dict(zip((box.tobytes() for box in arrays["boxes"]), arrays["values"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}


def _write(known: Mapping[bytes, np.ndarray], file: Path) -> None:
    boxes = np.stack([np.frombuffer(box, np.float32) for box in known])
    with atomic_file(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, boxes=boxes, values=np.stack(list(known.values())))
