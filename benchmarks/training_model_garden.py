"""The benchmark of training: detection, ours and Model Garden's own trainer on arrays."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.core.base_trainer import Trainer
from official.core.config_definitions import ExperimentConfig
from training_pictures import boxes
from training_times import Loop, Seconds, Times, now, of_epochs

from detection.config import Settings
from detection.data import Data, anchor_labels, padded_boxes
from detection.fit import DetectorFitting
from detection.objective import task_of
from detection.optimizer import optimizer_of
from detection.validation import Validation
from detection.workers import Workers
from spine.training.inputs import augment_with_boxes

AUGMENTATION = {"rotation": 8, "zoom": 0.15, "shift": 0.08, "brightness": 0.2, "contrast": 0.2, "gamma": 0.2}
COUNTS = (148, 36)  # pictures of SPIDER's train and validation, whole batches: Model Garden samples boxes of no other
BATCH = 4
SIZE = (224, 176)


def loops(task: str, options: argparse.Namespace) -> tuple[str, Loop, Loop, Callable[[], float] | None]:
    """What is trained, the two loops, and how long our validation of an epoch takes."""
    folder = Path(tempfile.mkdtemp())
    train, validation = (BATCH * max(1, round(count * options.share / BATCH)) for count in COUNTS)
    settings = _settings(options)
    truths = boxes(folder / "a", train, SIZE), boxes(folder / "b", validation, SIZE)
    augmented = ", augmented" if options.augmentation else ""
    name = f"detection: Faster R-CNN MobileNet 0.25, {SIZE[0]}x{SIZE[1]}, {train} pictures{augmented}"
    without = Data(truths[0], None, settings, 0)
    workers = Workers()
    fitting = DetectorFitting("ours", settings, without, 0, folder, workers=workers)
    arrays = _arrays(without)
    both = Data(*truths, settings, 0)
    return name, lambda: _ours(fitting), lambda: _bare(fitting, *arrays), lambda: _validation(fitting, both)


def _settings(options: argparse.Namespace) -> Settings:
    return Settings.model_validate(
        {
            "backbone": "mobilenet0.25",
            "backbone_weights": "none",
            "height": SIZE[0],
            "width": SIZE[1],
            "min_level": 3,
            "max_level": 6,
            "decoder": {"fpn": {"num_filters": 64}},
            "rpn_head": {"num_filters": 64},
            "detection_head": {"fc_dims": 256},
            "roi_generator": {"pre_nms_top_k": 600, "num_proposals": 128},
            "roi_sampler": {"num_sampled_rois": 64},
            "parser": {"max_num_instances": 12},
            "batch": BATCH,
            "optimizer": "adam",
            "learning_rate": 0.001,
            "epochs": options.epochs + 1,
            "patience": options.epochs + 1,
            "augmentation": AUGMENTATION if options.augmentation else {},
        }
    )


def _arrays(data: Data) -> tuple[np.ndarray, ...]:
    """Pictures as the network reads them, boxes and classes."""
    batches = data.batches(data.train, training=False, batch=data.settings.batch)
    return np.concatenate([*batches.as_numpy_iterator()]), *padded_boxes(data.train, data.settings)


def _ours(fitting: DetectorFitting) -> Seconds:
    times: list[Times] = []

    class Watched(DetectorFitting):
        def _record(self, *of: Any) -> None:
            super()._record(*of)
            times.append(now())

    with tempfile.TemporaryDirectory() as directory:
        own = {field.name: getattr(fitting, field.name) for field in fields(fitting)}
        Watched(**{**own, "directory": Path(directory)}).run()
    return of_epochs(times, first=0)


def _bare(fitting: DetectorFitting, images: np.ndarray, own: np.ndarray, classes: np.ndarray) -> Seconds:
    settings, steps, (phase,) = fitting.settings, fitting.data.steps, fitting.phases
    network = fitting.build(pretrained=False)
    task = task_of(phase, settings, len(fitting.data.labels), network)
    config = ExperimentConfig(task=task.task_config)
    data = _dataset(images, own, classes, settings)
    optimizer = optimizer_of(phase, settings, steps)
    trainer = Trainer(config, task, network, optimizer, evaluate=False, train_dataset=data)
    times: list[Times] = []
    for _ in range(phase.epochs):
        trainer.train(tf.constant(steps))
        times.append(now())
    return of_epochs(times, first=0)


def _dataset(images: np.ndarray, boxes: np.ndarray, classes: np.ndarray, settings: Settings) -> tf.data.Dataset:
    """Arrays in memory, shuffled, their anchors labelled in the graph; augmented by our graph where asked for."""

    def example(batch: tuple[Any, ...], seed: Any) -> tuple[Any, Any]:
        pictures, moved, named = batch
        pictures, moved = augment_with_boxes(pictures, moved, settings.augmentation, seed)
        return pictures, anchor_labels(moved, named, settings, seed)

    data = tf.data.Dataset.from_tensor_slices((images, boxes, classes)).shuffle(len(images))
    data = data.batch(settings.batch, drop_remainder=True)
    seeds = tf.data.Dataset.random(seed=0).batch(2)
    zipped = tf.data.Dataset.zip((data.repeat(), seeds))
    return zipped.map(example, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _validation(fitting: DetectorFitting, data: Data) -> float:
    """Seconds of the second validation: in the first, graphs are made."""
    validation = Validation(fitting.build(pretrained=False), data)
    weights = [weight.numpy() for weight in validation.weights]
    validation.scores(weights)
    started = time.perf_counter()
    validation.scores(weights)
    return time.perf_counter() - started
