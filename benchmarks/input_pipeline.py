"""Training images a second: spine's input pipeline against Keras' ImageDataGenerator with the same augmentation.

    python benchmarks/input_pipeline.py [--images 256] [--size 128] [--batch 32] [--epochs 8] [--rounds 5]

Rounds alternate in one process. Both start from pictures that are already decoded and in memory, which is where
ImageDataGenerator's `flow` starts; what the first reading of the files costs ours, once, is printed apart.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import tensorflow as tf

from spine.dataset.truth import ClassTruth
from spine.training.augment import PRESETS
from spine.training.inputs import classification_data, steps_per_epoch

LABELS = ("normal", "injured")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        truth = _pictures(Path(folder), options.images, options.size)
        started = time.perf_counter()
        ours = _ours(truth, options)
        prepared = time.perf_counter() - started
    keras = _keras(truth, options)
    rounds = [(_rate(ours, options), _rate(keras, options)) for _ in range(options.rounds + 1)][
        1:
    ]  # the first warms up
    own, peer = (median(rates) for rates in zip(*rounds, strict=True))
    ratios = sorted(mine / theirs for mine, theirs in rounds)
    print(f"{options.images} images, {options.size} x {options.size}, batch {options.batch}, preset sayed2025")
    print(f"spine.training.inputs              {own:8.0f} images/s   (files read once, in {prepared:.1f} s)")
    print(f"keras ImageDataGenerator  {peer:8.0f} images/s")
    print(f"ratio                     {median(ratios):8.1f}   (rounds {ratios[0]:.1f} to {ratios[-1]:.1f})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"images": 256, "size": 128, "batch": 32, "epochs": 8, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def _pictures(folder: Path, count: int, size: int) -> ClassTruth:
    rng = np.random.default_rng(0)
    names = tuple(str(number) for number in range(count))
    paths = tuple(folder / f"{name}.png" for name in names)
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 4096, (size, size)).astype(np.uint16))
    return ClassTruth(LABELS, names, names, names, np.arange(count) % 2, paths, ((size, size),) * count)


def _ours(truth: ClassTruth, options: argparse.Namespace) -> Callable[[int], Any]:
    data = classification_data(
        truth,
        height=options.size,
        width=options.size,
        normalisation="minmax",
        batch=options.batch,
        augmentation=PRESETS["sayed2025"],
        training=True,
    )
    return lambda steps: iter(data.take(steps))


def _keras(truth: ClassTruth, options: argparse.Namespace) -> Callable[[int], Any]:
    # The preset's own values, as ImageDataGenerator names them; it changes brightness in 0..255.
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=30,
        width_shift_range=0.2,
        horizontal_flip=True,
        brightness_range=(0.5, 1.5),
        fill_mode="nearest",
        rescale=1 / 255,
    )
    shape = (options.images, options.size, options.size, 1)
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    flow = generator.flow(pixels, np.eye(2)[truth.values], batch_size=options.batch)
    return lambda steps: (next(flow) for _ in range(steps))


def _rate(source: Callable[[int], Any], options: argparse.Namespace) -> float:
    """Images a second of one training, from asking for its first batch to holding its last."""
    steps = options.epochs * steps_per_epoch(options.images, options.batch)
    started = time.perf_counter()
    seen = sum(len(images) for images, _ in source(steps))
    return seen / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
