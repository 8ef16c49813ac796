"""What would make test results untrue: patients, pictures or knowledge of the label on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from spine.core.near_names import near_names
from spine.core.problems import Problem
from spine.core.words import enumerated
from spine.dataset.audit.copies import find_copies
from spine.dataset.audit.parts import with_part
from spine.dataset.audit.pictures import Pictures
from spine.dataset.manifest import Manifest

__all__ = [
    "alike_patients",
    "cramers_v",
    "equal_images",
    "labels_follow_source",
    "near_equal_images",
    "shared_patients",
]

FOLLOWS = 0.5  # bias-corrected Cramér's V of label and source


def shared_patients(manifest: Manifest) -> Iterator[Problem]:
    """Patients who are in two parts of the data."""
    for patient, group in with_part(manifest).groupby("patient"):
        if len(names := sorted(set(group["part"]))) > 1:
            yield Problem(
                str(manifest.root / "splits.csv"),
                f"patient {patient!r} is in {enumerated(names)}",
                "split by patient: build the dataset again, or fix splits.csv",
            )


def alike_patients(manifest: Manifest) -> Iterator[Problem]:
    """Patients in two parts of the data whose names differ in capital letters or leading zeros alone; pseudonyms do not
    tell.
    """
    parts_of = with_part(manifest).groupby("patient")["part"].agg(set)
    for names in near_names(map(str, parts_of.index)):
        if len(parts := sorted(set.union(*(parts_of[name] for name in names)))) > 1:
            yield Problem(
                str(manifest.root / "splits.csv"),
                f"the patients {', '.join(map(repr, names))} are in {enumerated(parts)}, and differ by capital letters "
                "or leading zeros alone",
                "if they are one person, write them alike in the source, and build the dataset again",
                "warning",
            )


def equal_images(manifest: Manifest) -> Iterator[Problem]:
    """One picture, byte for byte, in two parts of the data."""
    images = with_part(manifest)
    for _, group in images.groupby("sha256"):
        if group["part"].nunique() > 1:
            yield Problem(
                str(manifest.image_path(group["sample"].iloc[0])),
                f"is the same picture as {_named(group['sample'].iloc[1:])} in another split",
                "remove the copies, or give them one patient",
            )


def near_equal_images(manifest: Manifest, pictures: Pictures) -> Iterator[Problem]:
    """Pictures in two parts of the data that look alike: copies saved another way, mirrored or turned, or neighbouring
    slices.
    """
    images = with_part(manifest).set_index("sample").reindex(pictures.samples)
    # One of each kind of equal pictures in a part: `equal_images` tells of those.
    kept = np.flatnonzero(images["part"].notna() & ~images.duplicated("sha256"))
    images, thumbnails = images.iloc[kept], pictures.thumbnails[kept]
    for copy in find_copies(thumbnails, images["part"].to_numpy()):
        other, more = images.index[copy.second], f", and like {copy.more} more" if copy.more else ""
        yield Problem(
            str(manifest.image_path(images.index[copy.first])),
            f"looks like {other}{copy.turn} in another split (correlation {copy.correlation:.3f}){more}",
            "look at both; if they show one patient, give them one patient id",
            "warning",
        )


def labels_follow_source(manifest: Manifest) -> Iterator[Problem]:
    """Targets that the source alone tells, without a look at the picture."""
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
    """Mean recall over classes (columns) of guessing, by source (row), the class that has most of its members there."""
    rates = table / table.sum(axis=0)
    guess = rates.argmax(axis=1)
    return float(np.mean([rates[guess == value, value].sum() for value in range(table.shape[1])]))


def _named(samples: pd.Series, most: int = 3) -> str:
    more = f" and {len(samples) - most} more" if len(samples) > most else ""
    return ", ".join(samples.iloc[:most]) + more
