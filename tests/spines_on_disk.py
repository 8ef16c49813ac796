"""Drawn spines on disk: crops of their discs with whole pictures and masks, and a segmenter that reads the grey levels.

    experiment = write_spines(tmp_path, members={"measured": {"network": "measurements", ...}})

Each picture has two discs of random heights; those below 8 pixels are narrow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from pipeline.experiments import validate_experiment
from spine.core.privacy import patient_hash, salt_id
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.intake.crop import CropSettings, crop_samples
from spine.member.member import Card, Member, Patients
from spine.member.serving import for_any_number, publish_model
from spine.training.preprocess import decode_alike, to_grey
from tests.spine.dataset_on_disk import write_dataset

LABELS = ("wide", "narrow")
MASK_LABELS = ("background", "vertebra", "disc", "canal")
GREYS = np.array([0.0, 0.5, 0.25, 0.75])  # of each class of the mask
PATIENTS = {"train": 12, "validation": 6, "test": 5}


class ByGrey(tf.Module):
    """A segmenter: each pixel is of the class whose grey level, as a share of the brightest, is nearest."""

    def __init__(self, greys: np.ndarray) -> None:
        super().__init__()
        self.greys = tf.Variable(tf.constant(greys, tf.float32), name="greys")
        self.serving_default = tf.function(
            for_any_number(lambda files: self._of(decode_alike(files))),
            input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")],
        )
        self.image = tf.function(
            for_any_number(lambda images: self._of(to_grey(images))),
            input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")],
        )

    def _of(self, grey: Any) -> dict[str, Any]:
        brightest = tf.reduce_max(grey, axis=[1, 2, 3], keepdims=True) / 0.8  # the canal's 0.75 and some noise
        nearest = tf.argmin(tf.abs(grey - brightest * self.greys), axis=-1)
        return {"probabilities": tf.one_hot(nearest, len(GREYS))}


def spine(heights: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture (H, W) uint16 of two discs of these heights, lower first, and its mask (H, W)."""
    random = np.random.default_rng(seed)
    mask = np.zeros((100, 80), np.uint8)
    row, left = int(random.integers(4, 12)), int(random.integers(12, 20))
    for height, value in ((18, 1), (heights[1], 2), (18, 1), (heights[0], 2), (18, 1)):
        mask[row : row + height, left : left + 28] = value
        row += height
    mask[:, left + 33 : left + 42] = 3
    grey = GREYS[mask] + random.normal(0, 0.02, mask.shape) * (mask > 0)
    return (65535 * grey.clip(0, 1)).astype(np.uint16), mask


def write_segmenter(directory: Path, trained: tuple[str, ...] = ("a stranger",), greys: np.ndarray = GREYS) -> Path:
    """Publish the segmenter as a member that learned from these patients; its directory."""
    version = publish_model(ByGrey(greys), directory)
    patients = Patients(salt=salt_id(), trained=tuple(sorted(map(patient_hash, trained))))
    card = Card(name="outlines", task="segmentation", labels=MASK_LABELS, model_hash=Member.hash_model(version))
    return Member.publish(directory, card.model_copy(update={"patients": patients})).path


def write_discs(root: Path, patients: dict[str, int] = PATIENTS) -> Manifest:
    """Write the crops of all discs below `root / "discs"`, and the pictures below `root / "spines"`."""
    random = np.random.default_rng(0)
    pictures, masks, boxes, labels, splits = {}, {}, [], [], []
    for split, count in patients.items():
        for number in range(count):
            sample = f"{split}{number:02d}"
            heights = tuple(random.permutation([int(random.integers(4, 8)), int(random.integers(9, 13))]).tolist())
            pictures[sample], mask = spine(heights, len(pictures))
            masks[sample] = mask
            splits.append({"sample": sample, "split": split, "fold": ""})
            rows = np.flatnonzero((mask == 2).any(axis=1))
            columns = np.flatnonzero((mask == 2).any(axis=0))
            cut = int(np.flatnonzero(np.diff(rows) > 1)[0]) + 1
            for disc, (height, own) in enumerate(zip(heights, (rows[cut:], rows[:cut]), strict=True)):
                corners = {"x0": columns[0], "y0": own[0], "x1": columns[-1] + 1, "y1": own[-1] + 1}
                boxes.append({"sample": sample, "box": str(disc), "label": "disc", "level": str(disc + 1), **corners})
                value = LABELS[int(height < 8)]
                labels.append({"sample": sample, "box": str(disc), "target": "narrowing", "value": value})
    whole = write_dataset(root / "spines", pictures, masks, boxes, labels, splits, MASK_LABELS[1:])
    return crop_samples(
        whole, pd.DataFrame(whole.boxes), root / "discs", CropSettings(label="disc", require="narrowing")
    )


def write_spines(root: Path, members: dict[str, dict[str, Any]], **settings: Any) -> Experiment:
    """Dataset, segmenter and an experiment; members that measure need not name the segmenter."""
    if not (root / "discs").exists():
        write_discs(root)
        write_segmenter(root / "outlines")
    own = {
        name: {"segmenter": str(root / "outlines")} | member if member["network"] == "measurements" else member
        for name, member in members.items()
    }
    raw = {
        "name": "spines",
        "task": "classification",
        "data": str(root / "discs"),
        "target": "narrowing",
        "labels": list(LABELS),
        "runs": str(root / "runs"),
        "members": own,
        "search": {"resamples": 10},
        "evaluate": {"resamples": 100},
        **settings,
    }
    return validate_experiment(raw, "the experiment of spines")
