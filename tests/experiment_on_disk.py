"""A small experiment as its stages leave it: dataset, member directories, stored predictions and weights.

    experiment = write_experiment(tmp_path)             # 3 members, 2 classes, trained and searched
    experiment = write_experiment(tmp_path, labels=("a", "b", "c"), members=("only",))
    experiment = write_segmentation_experiment(tmp_path)   # masks of different sizes, predictions in float16

Every patient has `slices` slices of each of two discs, so that repeated slices share a unit. Members see the
truth through noise of their own: more noise, worse member.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ensemble.experiment_run import ExperimentRun
from pipeline.experiments import validate_experiment
from spine.core.files import hash_file, write_json
from spine.core.privacy import patient_hash, salt_id
from spine.dataset.manifest import IMAGES, LABELS, SPLITS, Manifest
from spine.dataset.truth import ClassTruth, MaskTruth
from spine.experiment.config import Experiment
from spine.images.pictures import write_mask, write_png16
from spine.member.member import Card, Member, Patients
from spine.predictions.predictions import Predictions
from tests.written_once import write_once

LEVELS = ("L4/L5", "L5/S1")
MASK_LABELS = ("background", "vertebra", "disc", "canal")
PATIENTS = {"train": 4, "validation": 12, "test": 15}
HISTORY = "phase,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate\n"


def write_experiment(
    tmp_path: Path,
    *,
    members: Sequence[str] = ("vgg", "dense", "squeeze"),
    labels: tuple[str, ...] = ("healthy", "degenerated"),
    noise: Sequence[float] = (0.9, 1.0, 1.1, 1.2),
    slices: int = 2,
    patients: dict[str, int] | None = None,
    weights: dict[str, float] | None = None,
    seed: int = 0,
    **settings: Any,
) -> Experiment:
    """Write dataset, members with predictions of validation and test, and weights.json (equal unless given).

    `settings` are further keys of the experiment, such as `evaluate={"resamples": 100}`.
    """
    raw = {
        "name": "small",
        "task": "classification",
        "target": "degeneration",
        "labels": labels,
        "members": {name: {"network": "plain_cnn", "weights": "none"} for name in members},
        **settings,
    }

    def write(folder: Path) -> None:
        write_dataset(folder / "data", labels, slices, PATIENTS if patients is None else patients, seed)
        experiment = experiment_in(folder, raw)
        for index, name in enumerate(members):
            write_member(experiment, name, noise[index % len(noise)], seed=seed + index)
        write_weights(experiment, weights or {name: 1 / len(members) for name in members})

    write_once(tmp_path, write, raw, noise, slices, patients, weights, seed)
    return experiment_in(tmp_path, raw)


def experiment_in(folder: Path, raw: dict[str, Any]) -> Experiment:
    """An experiment on the dataset in `folder/data`, its runs in `folder/runs`."""
    places = {"data": folder / "data", "runs": folder / "runs"}
    return validate_experiment(places | raw, "the experiment on disk")


def write_dataset(
    root: Path, labels: tuple[str, ...], slices: int, patients: dict[str, int], seed: int = 0
) -> Manifest:
    """Write a dataset of 32 x 48 grey pictures; each disc draws its class, and every split has all."""
    random = np.random.default_rng(seed)
    images, values, splits = [], [], []
    for split, count in patients.items():
        discs = [(f"{split}{number:02d}", level) for number in range(count) for level in LEVELS]
        classes = random.permutation(np.arange(len(discs)) % len(labels))
        for (patient, level), truth in zip(discs, classes, strict=True):
            for number in range(slices):
                sample = f"{patient}-{level.replace('/', '')}-{number}"
                picture = random.integers(8000 * truth, 8000 * truth + 40000, (32, 48)).astype(np.uint16)
                (root / "images").mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / "images" / f"{sample}.png"), picture)
                images.append({"sample": sample, "patient": patient, "level": level, "height": 32, "width": 48})
                values.append({"sample": sample, "target": "degeneration", "value": labels[truth]})
                splits.append({"sample": sample, "split": split})
    tables = [
        pd.DataFrame(rows, columns=list(columns), dtype=object).fillna("")
        for rows, columns in ((images, IMAGES), (values, LABELS), (splits, SPLITS))
    ]
    manifest = Manifest(root, images=tables[0], labels=tables[1], splits=tables[2])
    manifest.write()
    return Manifest.read(root)


def write_member(experiment: Experiment, name: str, noise: float, seed: int = 0) -> Member:
    """Publish a member that was trained on train, stopped on validation, and has predicted two splits."""
    manifest = Manifest.read(experiment.data)
    directory = experiment.member_directory(name)
    model_hash = write_model(directory, f"{name} {noise} {seed}")
    for split in ("validation", "test"):
        truth = ClassTruth.of_classification(manifest, split, experiment.target, experiment.labels)
        write_predictions(directory, truth, noisy(truth, noise, seed), split, model_hash)
    (directory / "history.csv").write_text(HISTORY + history(seed))
    card = Card(
        name=name,
        task=experiment.task,
        labels=experiment.labels,
        model_hash=model_hash,
        config_hash=experiment.member_hash(name, manifest.data_hash, manifest.splits_hash),
        versions={"tensorflow": "2.20.0"},
        patients=Patients(salt=salt_id(), trained=hashes(manifest, "train"), stopped=hashes(manifest, "validation")),
        details={"parameters": 1234},
    )
    return Member.publish(directory, card)


def write_model(directory: Path, content: str) -> str:
    """Write what stands for a SavedModel, as version 1; its fingerprint."""
    version = directory / "model" / "1"
    version.mkdir(parents=True, exist_ok=True)
    (version / "saved_model.pb").write_text(content)
    return Member.hash_model(version)


def write_predictions(directory: Path, truth: ClassTruth, values: np.ndarray, split: str, model_hash: str) -> None:
    """Store (N, C) probabilities as the predictions of one split."""
    count = len(truth.samples)
    index = pd.DataFrame({"sample": truth.samples, "patient": truth.patients, "offset": range(count)})
    Predictions.write(
        directory / "predictions" / split,
        values.astype(np.float32),
        index.assign(height=32, width=48),
        task="classification",
        labels=truth.labels,
        split=split,
        model_hash=model_hash,
        truth_hash=truth.hash,
    )


def noisy(truth: ClassTruth, noise: float, seed: int) -> np.ndarray:
    """Probabilities (N, C): the softmax of the truth's one-hot row plus Gaussian noise."""
    random = np.random.default_rng(seed + 100)
    logits = np.eye(len(truth.labels))[truth.values] + random.normal(0, noise, (len(truth.values), len(truth.labels)))
    powers = np.exp(2 * logits)
    return powers / powers.sum(axis=1, keepdims=True)


def history(seed: int) -> str:
    """Seven epochs in two phases whose loss falls."""
    losses = [1.2 / (1 + 0.3 * epoch) + 0.02 * seed for epoch in range(7)]
    return "".join(
        f"{'head' if epoch < 4 else 'tuning'},{epoch},{loss},{1 - loss / 2},{loss + 0.1},{0.9 - loss / 2},"
        f"{0.001 if epoch < 4 else 0.0001}\n"
        for epoch, loss in enumerate(losses)
    )


def hashes(manifest: Manifest, split: str) -> tuple[str, ...]:
    """Salted hashes of a split's patients; none where the split is empty."""
    samples = manifest.splits.loc[manifest.splits["split"] == split, "sample"]
    patient_of = manifest.patient_of()
    return tuple(sorted({patient_hash(patient_of[sample]) for sample in samples}))


def write_segmentation_experiment(
    tmp_path: Path,
    *,
    members: Sequence[str] = ("unet", "fpn", "linknet"),
    noise: Sequence[float] = (0.5, 0.6, 0.7),
    patients: dict[str, int] | None = None,
    spacings: Sequence[float | str] = (0.5, 1.0),
    weights: dict[str, float] | None = None,
    seed: int = 0,
    **settings: Any,
) -> Experiment:
    """Two images a patient, the second larger: a bone, a disc below it and a canal beside, in class indices 1, 2, 3.

    `spacings` in mm are those of the first and second image, "" where unknown.
    """
    raw = {
        "name": "small",
        "task": "segmentation",
        "labels": MASK_LABELS,
        "members": {name: {"encoder_weights": "none"} for name in members},
        "search": {"metric": "dice_foreground"},
        **settings,
    }
    counts = {"train": 1, "validation": 4, "test": 6} if patients is None else patients

    def write(folder: Path) -> None:
        write_masks(folder / "data", counts, spacings, seed)
        experiment = experiment_in(folder, raw)
        for index, name in enumerate(members):
            write_segmenter(experiment, name, noise[index % len(noise)], seed + index)
        write_weights(experiment, weights or {name: 1 / len(members) for name in members}, "dice_foreground")

    write_once(tmp_path, write, raw, noise, counts, spacings, weights, seed)
    return experiment_in(tmp_path, raw)


def write_masks(root: Path, patients: dict[str, int], spacings: Sequence[float | str], seed: int) -> Manifest:
    """Write pictures of 24 x 20 and 30 x 26 pixels whose grey levels tell the classes, and their masks."""
    random = np.random.default_rng(seed)
    images, splits = [], []
    for patient, split in [(f"{split}{n:02d}", split) for split, count in patients.items() for n in range(count)]:
        for number, (height, width) in enumerate(((24, 20), (30, 26))):
            sample, mask = f"{patient}-{number}", np.zeros((height, width), np.uint8)
            top, left = random.integers(2, 6, 2)
            mask[top : top + 6, left : left + 7] = 1
            mask[top + 6 : top + 9, left : left + 7] = 2
            mask[top : top + 14, left + 9 : left + 12] = 3
            write_mask(mask, root / "masks" / f"{sample}.png")
            grey = 12000 * mask.astype(np.uint16) + random.integers(0, 4000, mask.shape).astype(np.uint16)
            write_png16(grey, root / "images" / f"{sample}.png")
            images.append(
                {"sample": sample, "patient": patient, "height": height, "width": width}
                | {"spacing_y": spacings[number], "spacing_x": spacings[number]}
                | {"mask_sha256": hash_file(root / "masks" / f"{sample}.png")}
            )
            splits.append({"sample": sample, "split": split})
    tables = [
        pd.DataFrame(rows, columns=list(columns), dtype=object).fillna("")
        for rows, columns in ((images, IMAGES), (splits, SPLITS))
    ]
    Manifest(root, images=tables[0], splits=tables[1], mask_labels=MASK_LABELS[1:]).write()
    return Manifest.read(root)


def write_segmenter(experiment: Experiment, name: str, noise: float, seed: int) -> Member:
    """Publish a segmentation member with flat float16 predictions of validation and test: the truth through noise."""
    manifest = Manifest.read(experiment.data)
    directory = experiment.member_directory(name)
    model_hash = write_model(directory, f"{name} {noise} {seed}")
    for split in ("validation", "test"):
        truth = MaskTruth.of_segmentation(manifest, split, experiment.labels)
        values = np.concatenate([noisy_pixels(mask, len(truth.labels), noise, seed) for mask in truth])
        index = pd.DataFrame({"sample": truth.samples, "patient": truth.patients})
        index[["height", "width"]] = truth.sizes
        pixels = index["height"] * index["width"]
        Predictions.write(
            directory / "predictions" / split,
            values,
            index.assign(offset=pixels.cumsum() - pixels),
            task="segmentation",
            labels=truth.labels,
            split=split,
            model_hash=model_hash,
            truth_hash=truth.hash,
        )
    (directory / "history.csv").write_text(HISTORY.replace("accuracy", "dice_foreground") + history(seed))
    card = Card(
        name=name,
        task="segmentation",
        labels=experiment.labels,
        model_hash=model_hash,
        patients=Patients(salt=salt_id(), trained=hashes(manifest, "train"), stopped=hashes(manifest, "validation")),
        details={"parameters": 1234},
    )
    return Member.publish(directory, card)


def noisy_pixels(mask: np.ndarray, classes: int, noise: float, seed: int) -> np.ndarray:
    """Probabilities (H * W, C) float16: the softmax of each pixel's one-hot truth plus Gaussian noise."""
    random = np.random.default_rng([seed, int(mask.sum())])
    powers = np.exp(4 * (np.eye(classes)[mask.ravel()] + random.normal(0, noise, (mask.size, classes))))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float16)


def write_weights(experiment: Experiment, weights: dict[str, float], metric: str = "accuracy") -> Path:
    """Write weights.json as the search leaves it."""
    manifest = Manifest.read(experiment.data)
    path = experiment.ensemble_directory / "weights.json"
    split = ExperimentRun(experiment).predictions("validation")
    content = {
        "weights": weights,
        "metric": metric,
        "method": "grid",
        "step": 0.1,
        "score": 0.9,
        "split": "validation",
        "predictions": {name: stored.hash for name, stored in split.stored.items()},
        "patients": {"salt": salt_id(), "searched": list(hashes(manifest, "validation"))},
    }
    write_json(content, path)
    return path
