"""One pass over a dataset's pictures: which cannot be read or were changed, and a thumbnail of each that can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spine.core.files import hash_file
from spine.core.problems import Problem, SpineError
from spine.core.progress import track
from spine.dataset.manifest import Manifest, rows
from spine.images.pictures import read_picture

__all__ = ["Pictures", "read_pictures", "thumbnail"]

SIDE = 32  # pixels of a thumbnail


@dataclass(frozen=True)
class Pictures:
    """What one pass over the files gives: thumbnails (N, SIDE * SIDE) of the readable `samples`, and the problems."""

    samples: list[str]
    thumbnails: np.ndarray
    problems: list[Problem]


def read_pictures(manifest: Manifest) -> Pictures:
    """Read every picture once."""
    samples, thumbnails, problems = [], [], []
    for row in track(rows(manifest.images), "reading pictures"):
        path = manifest.image_path(row["sample"])
        try:
            pixels = read_picture(path, row["sample"]).pixels
        except SpineError as error:
            problems.append(Problem(str(path), str(error), "build the dataset again with `spine data build CONFIG`"))
            continue
        problems += _differences(path, row, pixels)
        samples.append(row["sample"])
        thumbnails.append(thumbnail(pixels))
    return Pictures(samples, np.array(thumbnails, dtype=np.float32).reshape(-1, SIDE * SIDE), problems)


def _differences(path: Path, row: dict[str, Any], pixels: np.ndarray) -> Iterator[Problem]:
    stated = (int(row["height"]), int(row["width"]))
    if pixels.shape != stated:
        yield Problem(str(path), f"is {pixels.shape}, images.csv says {stated}", "build the dataset again")
    elif hash_file(path) != row["sha256"]:
        yield Problem(str(path), "its SHA-256 differs from images.csv: the file was changed", "build the dataset again")
    if pixels.min() == pixels.max():
        yield Problem(str(path), "has one grey level only", "look at the original; leave it out", "warning")


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The (H, W) picture at 32 x 32 as a vector of mean 0 and length 1: two vectors' product is their correlation."""
    small = cv2.resize(pixels.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)
