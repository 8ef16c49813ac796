"""Pictures of nothing, as many and as large as SPIDER's, whose truths the benchmark of training reads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from spine.dataset.truth import BoxTruth, ClassTruth, MaskTruth

SIZE = (96, 160)  # of a crop
CLASSES = ("normal", "degenerated")
MASKS = ("background", "vertebra", "disc", "canal")
BOXES = ("lumbar_region", "disc")


def classes(folder: Path, count: int) -> ClassTruth:
    names, paths = _pictures(folder, count, SIZE)
    return ClassTruth(CLASSES, names, names, names, np.arange(count) % 2, paths, (SIZE,) * count)


def masks(folder: Path, count: int, size: tuple[int, int]) -> MaskTruth:
    names, paths = _pictures(folder, count, size)
    masks = tuple(path.with_suffix(".mask.png") for path in paths)
    for number, path in enumerate(masks):
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, len(MASKS), size).astype(np.uint8))
    return MaskTruth(MASKS, names, names, paths, (size,) * count, masks, names, (None,) * count)


def boxes(folder: Path, count: int, size: tuple[int, int]) -> BoxTruth:
    """Five discs in a region, each picture's moved by its own."""
    names, paths = _pictures(folder, count, size)
    height, width = size
    left, top = width * 0.4, height * 0.15
    discs = [[left, top * (1 + row), left + width * 0.2, top * (1.4 + row)] for row in range(5)]
    region = [left, top, left + width * 0.2, top * 5.4]
    moved = [np.array([region, *discs], np.float32) + 2 * (number % 5) for number in range(count)]
    labels = (np.array([1, 2, 2, 2, 2, 2]),) * count
    return BoxTruth(BOXES, names, names, paths, (size,) * count, tuple(moved), labels)


def _pictures(folder: Path, count: int, size: tuple[int, int]) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    folder.mkdir(parents=True)
    names = tuple(f"{folder.name}{number}" for number in range(count))
    paths = tuple(folder / f"{name}.png" for name in names)
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 4096, size).astype(np.uint16))
    return names, paths
