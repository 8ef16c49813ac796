"""Leakage and quality audit of a dataset: what would make its test results untrue, and what is merely wrong.

Each check is a generator of problems; `audit` runs them all. Leaks between splits are errors, and so is whatever
cannot be read; what a person has to judge is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spine.files import hash_file
from spine.manifest import Manifest
from spine.problems import Problem, SpineError

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["audit", "check", "count", "thumbnail"]

SIDE = 32  # pixels of a thumbnail
NEAR_EQUAL = 0.97
"""Thumbnails that correlate above this are near-equal.

Measured on public sagittal MR and X-ray images: a copy that was saved as JPEG, halved in size, brightened or given
another gamma stays above 0.98; pictures of different patients stay below 0.93.
"""
FOLLOWS = 0.5  # bias-corrected Cramér's V of label and source
BLOCK = 1024


@dataclass(frozen=True)
class _Pictures:
    """What one pass over the files gives: normalised thumbnails (N, SIDE * SIDE) of the readable samples."""

    samples: list[str]
    thumbnails: np.ndarray
    problems: list[Problem]


def check(root: Path | str) -> tuple[Table, list[Problem]]:
    """The table of counts of the dataset at `root`, and everything that is wrong with it."""
    from rich.table import Table

    manifest = Manifest.read(root)
    counts = count(manifest)
    table = Table("", *map(str, counts.columns), title=str(manifest.root))
    for name, row in counts.iterrows():
        table.add_row(str(name), *map(str, row))
    return table, audit(manifest)


def count(manifest: Manifest) -> pd.DataFrame:
    """Patients, samples, boxes by label and labels by value (rows) in each split (columns)."""
    images = _with_split(manifest, manifest.images)
    boxes = _with_split(manifest, manifest.boxes)
    labels = _with_split(manifest, manifest.labels)
    rows = {"patients": images.groupby("split")["patient"].nunique(), "samples": images.groupby("split").size()}
    for label, group in boxes.groupby("label"):
        rows[f"boxes {label}"] = group.groupby("split").size()
    for (target, value), group in labels.groupby(["target", "value"]):
        rows[f"{target} = {value}"] = group.groupby("split").size()
    order = [name for name in ("train", "validation", "test", "none") if name in set(images["split"])]
    return pd.DataFrame(rows).T.reindex(columns=order).fillna(0).astype(int)


def audit(manifest: Manifest) -> list[Problem]:
    """Everything that is wrong with a dataset, errors first; reads every picture and mask once."""
    pictures = _read_pictures(manifest)
    checks = [
        *(pictures.problems, _shared_patients(manifest), _equal_images(manifest), _near_equal(manifest, pictures)),
        *(_masks(manifest), _boxes_outside(manifest), _missing_classes(manifest)),
        *(_labels_follow_source(manifest), _inconsistent_levels(manifest)),
    ]
    return sorted((problem for found in checks for problem in found), key=lambda problem: problem.severity)


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The (H, W) picture at 32 x 32 as a vector of mean 0 and length 1: two vectors' product is their correlation."""
    import cv2

    small = cv2.resize(pixels.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    small -= small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _read_pictures(manifest: Manifest) -> _Pictures:
    from rich.progress import track

    from spine.pictures import read_picture

    samples, thumbnails, problems = [], [], []
    rows = list(manifest.images.itertuples())
    for row in track(rows, "reading pictures", transient=True):
        path = manifest.image_path(row.sample)
        try:
            pixels = read_picture(path, row.sample).pixels
        except SpineError as error:
            problems.append(Problem(str(path), str(error), "build the dataset again with `spine data build CONFIG`"))
            continue
        problems += _differences(path, row, pixels)
        samples.append(row.sample)
        thumbnails.append(thumbnail(pixels))
    return _Pictures(samples, np.array(thumbnails, dtype=np.float32).reshape(-1, SIDE * SIDE), problems)


def _differences(path: Path, row: object, pixels: np.ndarray) -> Iterator[Problem]:
    stated = (int(row.height), int(row.width))  # type: ignore[attr-defined]
    if pixels.shape != stated:
        yield Problem(str(path), f"is {pixels.shape}, images.csv says {stated}", "build the dataset again")
    elif hash_file(path) != row.sha256:  # type: ignore[attr-defined]
        yield Problem(str(path), "its SHA-256 differs from images.csv: the file was changed", "build the dataset again")
    if pixels.min() == pixels.max():
        yield Problem(str(path), "has one grey level only", "look at the original; leave it out", "warning")


def _shared_patients(manifest: Manifest) -> Iterator[Problem]:
    parts = _with_part(manifest).groupby("patient")["part"].agg(lambda part: sorted(set(part)))
    for patient, names in parts[parts.str.len() > 1].items():
        yield Problem(
            str(manifest.root / "splits.csv"),
            f"patient {patient!r} is in {' and '.join(names)}",
            "split by patient: build the dataset again, or mend splits.csv",
        )


def _equal_images(manifest: Manifest) -> Iterator[Problem]:
    images = _with_part(manifest)
    for _, group in images.groupby("sha256"):
        if group["part"].nunique() > 1:
            yield Problem(
                str(manifest.image_path(group["sample"].iloc[0])),
                f"is the same picture as {_named(group['sample'].iloc[1:])} in another split",
                "remove the copies, or give them one patient",
            )


def _near_equal(manifest: Manifest, pictures: _Pictures) -> Iterator[Problem]:
    images = _with_part(manifest).set_index("sample").reindex(pictures.samples)
    rows = np.flatnonzero(images["part"].notna())
    images, thumbnails = images.iloc[rows], pictures.thumbnails[rows]
    part, digest = images["part"].to_numpy(), images["sha256"].to_numpy()
    for first, second, correlation in _alike(thumbnails):
        if part[first] != part[second] and digest[first] != digest[second]:
            yield Problem(
                str(manifest.image_path(images.index[first])),
                f"looks like {images.index[second]} in another split (correlation {correlation:.3f})",
                "look at both; if they show one patient, give them one patient id",
                "warning",
            )


def _alike(thumbnails: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Pairs first < second of vectors that correlate above NEAR_EQUAL, a block of rows in memory at a time."""
    for start in range(0, len(thumbnails), BLOCK):
        correlation = thumbnails[start : start + BLOCK] @ thumbnails.T
        for row, second in zip(*np.nonzero(correlation > NEAR_EQUAL), strict=True):
            if start + row < second:
                yield start + row, second, float(correlation[row, second])


def _masks(manifest: Manifest) -> Iterator[Problem]:
    from spine.pictures import read_mask

    for row in manifest.images[manifest.images["mask_sha256"] != ""].itertuples():
        path = manifest.mask_path(str(row.sample))
        try:
            mask = read_mask(path)
        except SpineError as error:
            yield Problem(str(path), str(error), "build the dataset again with `spine data build CONFIG`")
            continue
        if mask.shape != (int(row.height), int(row.width)):  # type: ignore[arg-type]
            yield Problem(str(path), f"is {mask.shape}, its picture is not", "mend the mask and build again")
        elif hash_file(path) != row.mask_sha256:
            yield Problem(str(path), "its SHA-256 differs from images.csv: the file was changed", "build again")
        elif not mask.any():
            yield Problem(str(path), "is empty: background only", "look at the original annotation", "warning")
        elif mask.max() > len(manifest.mask_labels):
            known = ", ".join(manifest.mask_labels) or "none"
            yield Problem(str(path), f"holds index {mask.max()}; the labels are {known}", "name every index")


def _boxes_outside(manifest: Manifest) -> Iterator[Problem]:
    sizes = manifest.images[["sample", "height", "width"]]
    boxes = manifest.boxes.merge(sizes, on="sample")
    outside = (boxes["x0"] < 0) | (boxes["y0"] < 0) | (boxes["x1"] > boxes["width"]) | (boxes["y1"] > boxes["height"])
    for box in boxes[outside].itertuples():
        corners = tuple(float(value) for value in (box.x0, box.y0, box.x1, box.y1))  # type: ignore[arg-type]
        yield Problem(
            str(manifest.root / "boxes.csv"),
            f"box {box.box} {corners} of {box.sample} leaves its picture of {box.height:g} x {box.width:g}",
            "mend the annotation and build again",
            "warning",
        )


def _missing_classes(manifest: Manifest) -> Iterator[Problem]:
    labels = _with_split(manifest, manifest.labels)
    splits = sorted(set(manifest.splits["split"]))
    for target, group in labels.groupby("target"):
        counts = group.groupby(["value", "split"]).size().unstack(fill_value=0).reindex(columns=splits, fill_value=0)
        for value, row in counts.iterrows():
            for split in counts.columns[row == 0]:
                yield Problem(
                    str(manifest.root / "splits.csv"),
                    f"split {split} has no sample with {target} = {value}",
                    f"stratify by {target}, or change the fractions",
                    "warning",
                )


def _labels_follow_source(manifest: Manifest) -> Iterator[Problem]:
    labels = manifest.labels.merge(manifest.images[["sample", "source"]], on="sample")
    for target, group in labels.groupby("target"):
        table = pd.crosstab(group["source"], group["value"]).to_numpy()
        if min(table.shape) < 2 or (strength := cramers_v(table)) < FOLLOWS:
            continue
        guessed = _balanced_accuracy(table)
        yield Problem(
            str(manifest.root / "labels.csv"),
            f"{target} follows the source (Cramér's V {strength:.2f}): the source alone, without a picture, gives "
            f"balanced accuracy {guessed:.2f} where chance is {1 / table.shape[1]:.2f}",
            "report this baseline beside every result, or balance the labels within each source",
            "warning",
        )


def cramers_v(table: np.ndarray) -> float:
    """Bias-corrected Cramér's V in [0, 1] of a contingency table (R, C) (Bergsma, J Korean Stat Soc 2013, 42:323)."""
    total, (rows, columns) = table.sum(), table.shape
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    phi = (np.square(table - expected) / expected).sum() / total
    corrected = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    least = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    return float(np.sqrt(corrected / least)) if least > 0 else 0.0


def _balanced_accuracy(table: np.ndarray) -> float:
    """Mean recall over classes of the guess that each source (row) is the class (column) with most of its members there."""
    rates = table / table.sum(axis=0)
    guess = rates.argmax(axis=1)
    return float(np.mean([rates[guess == value, value].sum() for value in range(table.shape[1])]))


def _inconsistent_levels(manifest: Manifest) -> Iterator[Problem]:
    levels = _levels(manifest)
    values = levels.groupby(["patient", "level", "target"])["value"].agg(lambda value: sorted(set(value)))
    for (patient, level, target), found in values[values.str.len() > 1].items():
        yield Problem(
            str(manifest.root / "labels.csv"),
            f"level {level} of patient {patient!r} has {target} = {' and '.join(found)}",
            "settle which holds, unless the images are of different dates",
            "warning",
        )


def _levels(manifest: Manifest) -> pd.DataFrame:
    """Every label of an anatomical level, of a box or of a crop: patient, level, target, value."""
    of_crops = manifest.labels[manifest.labels["box"] == ""].merge(manifest.images[["sample", "level"]], on="sample")
    of_boxes = manifest.labels.merge(manifest.boxes[["sample", "box", "level"]], on=["sample", "box"])
    both = pd.concat([of_crops, of_boxes]).merge(manifest.images[["sample", "patient"]], on="sample")
    return both[both["level"] != ""]


def _with_split(manifest: Manifest, table: pd.DataFrame) -> pd.DataFrame:
    joined = table.merge(manifest.splits, on="sample", how="left")
    return joined.assign(split=joined["split"].fillna("none"), fold=joined["fold"].fillna(""))


def _with_part(manifest: Manifest) -> pd.DataFrame:
    """The images with the part of the data, a split or a fold, that they belong to; those of no split are left out."""
    images = _with_split(manifest, manifest.images)
    images = images[images["split"] != "none"]
    fold = images["fold"].where(images["fold"] == "", " fold " + images["fold"])
    return images.assign(part=images["split"] + fold)


def _named(samples: pd.Series, most: int = 3) -> str:
    more = f" and {len(samples) - most} more" if len(samples) > most else ""
    return ", ".join(samples.iloc[:most]) + more
