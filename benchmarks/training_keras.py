"""The benchmark of training: classification and segmentation, ours and Keras' `fit` on arrays."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from training_pictures import CLASSES, classes, masks
from training_times import Loop, Seconds, Times, now, of_epochs

import classification.config
import classification.data
import segmentation.config
import segmentation.data
from classification.fit import ClassifierFitting
from classification.model import Target
from segmentation.fit import SegmenterFitting
from spine.training.augment import Augmentation
from spine.training.inputs import augment_together
from spine.training.keras_fitting import KerasFitting, optimizer

AUGMENTATION = {"rotation": 10, "zoom": 0.1, "shift": 0.05, "brightness": 0.2, "contrast": 0.2, "gamma": 0.2}
COUNTS = {"classification": (705, 300), "segmentation": (70, 30)}  # pictures of SPIDER's train and validation
SIZE = (160, 128)  # of slices


class Clock(keras.callbacks.Callback):
    """When each epoch began, and when the last one was over."""

    def __init__(self, times: list[Times]) -> None:
        super().__init__()
        self.times = times

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.times.append(now())

    def on_train_end(self, logs: Any = None) -> None:
        self.times.append(now())


def loops(task: str, options: argparse.Namespace) -> tuple[str, Loop, Loop, Callable[[], float] | None]:
    """What is trained, and the two loops."""
    folder = Path(tempfile.mkdtemp())
    train, validation = (max(2, round(count * options.share)) for count in COUNTS[task])
    fitting = _fitting(task, folder, train, validation, options)
    arrays = [_arrays(fitting, truth) for truth in (fitting.data.train, fitting.data.validation)]
    network = "MobileNet 0.25" if task == "classification" else "U-Net MobileNet 0.25"
    augmented = ", augmented" if options.augmentation else ""
    name = f"{task}: {network}, {fitting.settings.height}x{fitting.settings.width}, {train} pictures{augmented}"
    return name, lambda: _ours(fitting), lambda: _bare(fitting, *arrays), None


def _fitting(task: str, folder: Path, train: int, validation: int, options: argparse.Namespace) -> KerasFitting:
    shared: dict[str, Any] = {"epochs": options.epochs + 1, "patience": options.epochs + 1}
    if options.augmentation:
        shared["augmentation"] = AUGMENTATION
    if task == "classification":
        own = classification.config.Settings(
            **shared, network="mobilenet", alpha=0.25, weights="none", height=96, width=160, batch=16
        )
        rows = classification.data.Data(classes(folder / "a", train), classes(folder / "b", validation), own, 0)
        target = {"degeneration": Target(len(CLASSES), ordinal=False)}
        return ClassifierFitting("ours", own, rows, 0, folder, targets=target)
    height, width = SIZE
    settings = segmentation.config.Settings(
        **shared, encoder="mobilenet0.25", encoder_weights="none", height=height, width=width, batch=4
    )
    slices = segmentation.data.Data(
        masks(folder / "a", train, SIZE), masks(folder / "b", validation, SIZE), settings, 0
    )
    return SegmenterFitting("ours", settings, slices, 0, folder)


def _arrays(fitting: KerasFitting, truth: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and one-hot truth as the network reads them."""
    batches = fitting.data.batches(truth, training=False, batch=fitting.settings.batch)
    images, targets = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(targets)


def _ours(fitting: KerasFitting) -> Seconds:
    times: list[Times] = []

    class Watched(type(fitting)):  # type: ignore[misc]
        def _callbacks(self, *of: Any) -> list[keras.callbacks.Callback]:
            return [*super()._callbacks(*of), Clock(times)]

    with tempfile.TemporaryDirectory() as directory:
        own = {field.name: getattr(fitting, field.name) for field in fields(fitting)}
        Watched(**{**own, "directory": Path(directory)}).run()
    return of_epochs(times)


def _bare(
    fitting: KerasFitting, train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray]
) -> Seconds:
    times: list[Times] = []
    (phase,) = fitting.phases
    model = fitting.build(pretrained=False)
    fitting.set_trainable(model, phase)
    model.compile(optimizer(phase, fitting.settings), **fitting.objective())
    batch, augmentation = fitting.settings.batch, fitting.settings.augmentation
    fed = (
        {"x": train[0], "y": train[1], "batch_size": batch}
        if augmentation == Augmentation()
        else {"x": _augmented(*train, batch, augmentation)}
    )
    every = {"validation_data": validation, "validation_batch_size": batch, "epochs": phase.epochs, "verbose": 0}
    model.fit(**fed, **every, callbacks=[Clock(times)])
    return of_epochs(times)


def _augmented(images: np.ndarray, targets: np.ndarray, batch: int, augmentation: Augmentation) -> tf.data.Dataset:
    """Arrays in memory, shuffled, through the same graph of augmentation as ours."""
    has_masks = targets.ndim == 4

    def example(pair: tuple[Any, Any], seed: Any) -> tuple[Any, Any]:
        pictures, truth = pair
        if not has_masks:
            return augment_together(pictures, None, augmentation, seed)[0], tf.one_hot(truth, targets.shape[-1])
        moved, stored = augment_together(pictures, truth[..., tf.newaxis], augmentation, seed)
        assert stored is not None  # masks were given
        return moved, tf.one_hot(tf.cast(stored[..., 0], tf.int32) - 1, targets.shape[-1])

    # Masks move as class numbers + 1, so that 0 may come in from outside: as one-hot they would be four pictures.
    numbers = (targets.argmax(axis=-1) + has_masks).astype(np.uint8)
    data = tf.data.Dataset.from_tensor_slices((images, numbers)).shuffle(len(images)).batch(batch)
    seeds = tf.data.Dataset.random(seed=0).batch(2)
    return tf.data.Dataset.zip((data, seeds)).map(example, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
