"""A small dataset of boxes on disk, detectors that are a few lines of TensorFlow, and an experiment as its stages
leave it.

    manifest = write_boxes(tmp_path / "data")
    experiment = write_detection_experiment(tmp_path)      # 3 members with stored predictions, and weights.json
    publish_detectors(experiment, {"a": 2.0, "b": 1.0})    # gives members a SavedModel that finds bright and dark
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.experiments import validate_experiment
from spine.core.files import write_json
from spine.core.privacy import salt_id
from spine.dataset.detections import OUTPUTS, Detections
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth
from spine.experiment.config import Experiment
from spine.member.member import Card, Member, Patients
from spine.predictions.predictions import BoxPredictions
from tests.experiment_on_disk import hashes, write_model
from tests.spine.dataset_on_disk import write_dataset
from tests.written_once import write_once

LABELS = ("bright", "dark")
PATIENTS = {"train": 3, "validation": 4, "test": 4}
SIZES = ((48, 64), (56, 40))  # height, width of each patient's two pictures
GREYS = (30_000, 60_000, 3_000)  # background, bright, dark
TASK_OUTPUTS = {
    "detection_boxes": {"dtype": "float32", "shape": [None, None, 4]},
    "detection_scores": {"dtype": "float32", "shape": [None, None]},
    "detection_classes": {"dtype": "float32", "shape": [None, None]},
    "num_detections": {"dtype": "float32", "shape": [None]},
}


def picture_and_boxes(
    height: int, width: int, seed: int, labels: Sequence[str] = LABELS
) -> tuple[np.ndarray, list[tuple[str, tuple[int, ...]]]]:
    """A noisy picture (H, W) uint16 with a bright rectangle in its upper and a dark one in its lower half, and their
    (label, x0 y0 x1 y1); each seventh picture is empty.
    """
    random = np.random.default_rng(seed)
    grey, boxes = random.normal(GREYS[0], 1000, (height, width)), []
    for number, label in enumerate(labels if seed % 7 != 6 else ()):
        high, wide = random.integers(height // 5, height // 3), random.integers(width // 4, width // 2)
        top = number * height // 2 + random.integers(1, height // 2 - high)
        left = random.integers(1, width - wide)
        grey[top : top + high, left : left + wide] += GREYS[number + 1] - GREYS[0]
        boxes.append((label, (left, top, left + wide, top + high)))
    return grey.clip(0, 65535).astype(np.uint16), boxes


def write_boxes(
    root: Path,
    patients: Mapping[str, int] = PATIENTS,
    labels: Sequence[str] = LABELS,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Manifest:
    """Write a picture of each size for each patient, with their boxes: of a bright and of a dark thing."""
    pictures, rows, patient_of, splits = {}, [], {}, []
    for split, count in patients.items():
        for patient in (f"{split}{number:02d}" for number in range(count)):
            for number, size in enumerate(sizes):
                sample = f"{patient}-{number}"
                pictures[sample], boxes = picture_and_boxes(*size, len(pictures), labels)
                corners = [dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)) for _, box in boxes]
                rows += [
                    {"sample": sample, "box": str(place), "label": boxes[place][0], "level": "", **corner}
                    for place, corner in enumerate(corners)
                ]
                patient_of[sample] = patient
                splits.append({"sample": sample, "split": split, "fold": ""})
    return write_dataset(root, pictures, boxes=rows, splits=splits, patient=patient_of)


def experiment_of(folder: Path, members: Mapping[str, Any], name: str = "boxes", **settings: Any) -> Experiment:
    """An experiment on the dataset in `folder/data`, its runs in `folder/runs`."""
    raw = {
        "name": name,
        "task": "detection",
        "data": folder / "data",
        "labels": LABELS,
        "runs": folder / "runs",
        "members": members,
        **settings,
    }
    return validate_experiment(raw, "the experiment of boxes")


def write_detection_experiment(
    folder: Path,
    *,
    members: Sequence[str] = ("resnet", "vgg", "mobilenet"),
    noise: Sequence[float] = (0.03, 0.05, 0.07),
    patients: Mapping[str, int] = PATIENTS,
    weights: Mapping[str, float] | None = None,
    fusion: Mapping[str, float] | None = None,
    seed: int = 0,
    **settings: Any,
) -> Experiment:
    """Write dataset, members with predictions of validation and test, and weights.json (equal unless given).

    Members see the true boxes through noise of their own, miss some and invent some: more noise, worse member.
    """

    def write(folder: Path) -> None:
        write_boxes(folder / "data", patients)
        experiment = experiment_of(folder, {name: {} for name in members}, **settings)
        for index, name in enumerate(members):
            write_detector(experiment, name, noise[index % len(noise)], seed + index)
        write_box_weights(experiment, weights or {name: 1 / len(members) for name in members}, fusion)

    write_once(folder, write, LABELS, members, noise, patients, weights, fusion, seed, settings)
    return experiment_of(folder, {name: {} for name in members}, **settings)


def write_detector(experiment: Experiment, name: str, noise: float, seed: int = 0) -> Member:
    """Publish a detection member, its SavedModel a stand-in, with predictions of validation and test."""
    manifest, directory = Manifest.read(experiment.data), experiment.member_directory(name)
    model_hash = write_model(directory, f"{name} {noise} {seed}")
    for split in ("validation", "test"):
        truth = BoxTruth.of_detection(manifest, split, experiment.labels)
        store_detections(directory, truth, split, noisy(truth, noise, seed), model_hash)
    card = Card(
        name=name,
        task="detection",
        labels=experiment.labels,
        outputs=TASK_OUTPUTS,
        model_hash=model_hash,
        config_hash=experiment.member_hash(name, manifest.data_hash, manifest.splits_hash),
        versions={"tensorflow": "2.20.0"},
        patients=Patients(salt=salt_id(), trained=hashes(manifest, "train"), stopped=hashes(manifest, "validation")),
        details={"parameters": 1234},
    )
    return Member.publish(directory, card)


def store_detections(
    directory: Path, truth: BoxTruth, split: str, found: Sequence[Detections], model_hash: str
) -> BoxPredictions:
    """Store one `Detections` a sample as the member's predictions of one split."""
    index = pd.DataFrame({"sample": truth.samples, "patient": truth.patients})
    index[["height", "width"]] = truth.sizes
    return BoxPredictions.write(
        directory / "predictions" / split,
        found,
        index,
        task="detection",
        labels=truth.labels,
        split=split,
        model_hash=model_hash,
        truth_hash=truth.hash,
    )


def noisy(truth: BoxTruth, noise: float, seed: int) -> list[Detections]:
    """The true boxes with corners moved by `noise` of the picture, one in ten missed, and one or two inventions."""
    random = np.random.default_rng([seed, len(truth)])
    return [
        _noisy_boxes(boxes / np.tile(np.array(size)[::-1], 2), classes, noise, random)
        for boxes, classes, size in zip(truth.boxes, truth.classes, truth.sizes, strict=True)
    ]


def _noisy_boxes(boxes: np.ndarray, classes: np.ndarray, noise: float, random: np.random.Generator) -> Detections:
    seen = random.uniform(size=len(boxes)) > 0.1
    moved = boxes[seen][:, [1, 0, 3, 2]] + random.normal(0, noise, (seen.sum(), 4))
    start = random.uniform(0, 0.7, (random.integers(1, 3), 2))
    invented = np.concatenate([start, start + random.uniform(0.1, 0.3, start.shape)], axis=1)
    scores = np.concatenate([random.uniform(0.4, 1, len(moved)), random.uniform(0.02, 0.6, len(invented))])
    corners = np.concatenate([moved, invented]).clip(0, 1)
    corners = np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1
    )
    of_invented = random.integers(1, len(LABELS) + 1, len(invented))
    return Detections.from_arrays(corners, scores, np.concatenate([classes[seen], of_invented]))


def write_box_weights(
    experiment: Experiment, weights: Mapping[str, float], fusion: Mapping[str, float] | None = None
) -> Path:
    """Write weights.json as the search leaves it."""
    stored = {name: experiment.member_directory(name) / "predictions" / "validation" for name in experiment.members}
    content = {
        "weights": dict(weights),
        "fusion": dict(fusion or {"iou_threshold": 0.5, "score_threshold": 0.0}),
        "metric": experiment.search.metric or "map50",
        "method": experiment.search.method,
        "step": experiment.search.step,
        "score": 0.9,
        "split": "validation",
        "predictions": {name: BoxPredictions.open(path).hash for name, path in stored.items()},
        "patients": {"salt": salt_id(), "searched": list(hashes(Manifest.read(experiment.data), "validation"))},
    }
    path = experiment.ensemble_directory / "weights.json"
    write_json(content, path)
    return path


def publish_detectors(experiment: Experiment, sharpness: Mapping[str, float]) -> None:
    """Give those members SavedModels that really detect; their stored predictions are stale until `predict` ran."""
    from spine.member.serving import publish_model

    for place, (name, value) in enumerate(sharpness.items()):
        directory = experiment.member_directory(name)
        shutil.rmtree(directory / "model")
        version = publish_model(_detector(value, 0.02 * place), directory)
        changes = {"model_hash": Member.hash_model(version), "outputs": TASK_OUTPUTS}
        Member.publish(directory, Member.open(directory).card.model_copy(update=changes))


def _detector(sharpness: float, shift: float) -> Any:
    """A tf.Module with a detector's signatures: 36 fixed boxes, bright ones of class 1 and dark ones of class 2.

    A box scores min(1, sharpness * |mean grey - 0.5|), grey stretched to [0, 1], and is found where that is above 0.3.
    """
    import tensorflow as tf

    from spine.training.preprocess import decode, normalise, to_grey

    starts = np.stack(np.meshgrid(np.linspace(0, 0.7, 6), np.linspace(0, 0.7, 6), indexing="ij"), -1).reshape(-1, 2)
    places = np.concatenate([starts, starts + 0.3], axis=1) + np.array([shift, 0, 0, shift])
    shapes = ([len(places), 4], [len(places)], [len(places)], [])

    class Detector(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sharpness = tf.Variable(sharpness)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def serving_default(self, image_bytes):
            return self._each(image_bytes, decode)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
        def image(self, image):
            return self._each(image, to_grey)

        def _each(self, inputs, read):
            answers = tf.map_fn(
                lambda one: self._detect(normalise(read(one), "minmax")),
                inputs,
                fn_output_signature=tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes),
            )
            return dict(zip(OUTPUTS, answers, strict=True))

        def _detect(self, grey):
            boxes = tf.clip_by_value(tf.constant(places, tf.float32), 0, 1)
            seen = tf.image.crop_and_resize(grey[None], boxes, tf.zeros(len(places), tf.int32), [6, 6])
            lead = tf.reduce_mean(seen, axis=[1, 2, 3]) - 0.5
            scores = tf.minimum(self.sharpness * tf.abs(lead), 1.0)
            scores = tf.where(scores > 0.3, scores, 0)
            order = tf.argsort(scores, direction="DESCENDING", stable=True)
            found = tf.cast(tf.gather(scores, order) > 0, tf.float32)
            classes = tf.where(tf.gather(lead, order) > 0, 1.0, 2.0)
            return (
                tf.gather(boxes, order) * found[:, None],
                tf.gather(scores, order),
                classes * found,
                tf.reduce_sum(found),
            )

    return Detector()
