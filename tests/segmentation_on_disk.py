"""A small dataset of masks on disk: grey pictures with one bright disc, or a dark one, each a class of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.experiments import validate_experiment
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from tests.spine.dataset_on_disk import write_dataset

LABELS = ("background", "bright", "dark")
PATIENTS = {"train": 6, "validation": 2, "test": 2}
SIZES = ((48, 48), (40, 56))  # height, width of each patient's two pictures


def picture_and_mask(height: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture (H, W) uint16 of a bright disc on the left and a dark one on the right, and its mask (H, W)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    mask = np.zeros((height, width), np.uint8)
    for label, centre in enumerate((width / 4, 3 * width / 4), start=1):
        y, x = height / 2 + random.uniform(-6, 6), centre + random.uniform(-3, 3)
        mask[(rows - y) ** 2 + (columns - x) ** 2 < random.uniform(6, 8) ** 2] = label
    grey = np.array([2000, 3500, 500])[mask] + random.normal(0, 100, mask.shape)
    return grey.clip(0, 4095).astype(np.uint16), mask


def write_masks(root: Path, patients: dict[str, int] = PATIENTS) -> Manifest:
    """Write two pictures of different sizes a patient, with their masks."""
    pictures, masks, patient_of, splits = {}, {}, {}, []
    for split, count in patients.items():
        for patient in (f"{split}{number:02d}" for number in range(count)):
            for number, size in enumerate(SIZES):
                sample = f"{patient}-{number}"
                pictures[sample], masks[sample] = picture_and_mask(*size, seed=len(pictures))
                patient_of[sample] = patient
                splits.append({"sample": sample, "split": split, "fold": ""})
    return write_dataset(root, pictures, masks, splits=splits, mask_labels=LABELS[1:], patient=patient_of)


def experiment_of(folder: Path, members: dict[str, dict[str, Any]], name: str = "masks") -> Experiment:
    """An experiment on the dataset in `folder/data`, its runs in `folder/runs`."""
    raw = {
        "name": name,
        "task": "segmentation",
        "data": folder / "data",
        "labels": LABELS,
        "runs": folder / "runs",
        "members": members,
        "search": {"metric": "dice_foreground"},
    }
    return validate_experiment(raw, "the experiment of masks")
