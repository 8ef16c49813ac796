"""What is merely wrong: masks, boxes and labels that do not hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress

import numpy as np
import pandas as pd

from spine.core.files import hash_file
from spine.core.problems import Problem, SpineError
from spine.core.words import enumerated
from spine.dataset.audit.parts import with_split
from spine.dataset.manifest import Manifest, rows
from spine.images.pictures import read_mask, read_picture

__all__ = [
    "boxes_outside",
    "inconsistent_levels",
    "missing_boxes",
    "missing_classes",
    "missing_pixels",
    "wrong_masks",
    "wrong_neighbours",
    "wrong_parents",
]


def wrong_masks(manifest: Manifest) -> Iterator[Problem]:
    """Masks that cannot be read, were changed, are empty, or hold what they should not."""
    for row in rows(manifest.images[manifest.images["mask_sha256"] != ""]):
        path = manifest.mask_path(row["sample"])
        try:
            mask = read_mask(path)
        except SpineError as error:
            yield Problem(str(path), str(error), "build the dataset again with `spine data build CONFIG`")
            continue
        if mask.shape != (int(row["height"]), int(row["width"])):
            yield Problem(str(path), f"is {mask.shape}, its picture is not", "fix the mask and build again")
        elif hash_file(path) != row["mask_sha256"]:
            yield Problem(str(path), "its SHA-256 differs from images.csv: the file was changed", "build again")
        elif not mask.any():
            yield Problem(str(path), "is empty: background only", "look at the original annotation", "warning")
        elif mask.max() > len(manifest.mask_labels):
            known = ", ".join(manifest.mask_labels) or "none"
            yield Problem(str(path), f"holds index {mask.max()}; the labels are {known}", "name every index")


def wrong_parents(manifest: Manifest) -> Iterator[Problem]:
    """Whole pictures of crops that cannot be read, were changed, or are not of the size that images.csv says."""
    crops = manifest.images[manifest.images["parent_sha256"] != ""]
    for row in rows(crops.drop_duplicates(["parent", "parent_sha256", "parent_height", "parent_width"])):
        parent, size = row["parent"], (int(row["parent_height"]), int(row["parent_width"]))
        path = manifest.parent_path(parent)
        try:
            shape = read_picture(path, parent).pixels.shape
        except SpineError as error:
            yield Problem(str(path), str(error), "build the dataset again with `spine data build CONFIG`")
            continue
        if shape != size:
            yield Problem(str(path), f"is {shape}, images.csv says {size}", "build the dataset again")
        elif hash_file(path) != row["parent_sha256"]:
            yield Problem(str(path), "its SHA-256 differs from images.csv: the file was changed", "build again")


def wrong_neighbours(manifest: Manifest) -> Iterator[Problem]:
    """Slices next to a picture that cannot be read, or were changed."""
    named = [
        (row["parent"] != "", row[side], row[f"{side}_sha256"])
        for row in rows(manifest.images[["parent", "before", "before_sha256", "after", "after_sha256"]])
        for side in ("before", "after")
        if row[side]
    ]
    for of_crop, name, stated in dict.fromkeys(named):
        path = manifest.neighbour_path(name, of_crop=of_crop)
        try:
            read_picture(path, name)
        except SpineError as error:
            yield Problem(str(path), str(error), "build the dataset again with `spine data build CONFIG`")
            continue
        if hash_file(path) != stated:
            yield Problem(str(path), "its SHA-256 differs from images.csv: the file was changed", "build again")


def boxes_outside(manifest: Manifest) -> Iterator[Problem]:
    """Boxes that reach over an edge of their picture."""
    sizes = manifest.images[["sample", "height", "width"]]
    boxes = manifest.boxes.merge(sizes, on="sample")
    outside = (boxes["x0"] < 0) | (boxes["y0"] < 0) | (boxes["x1"] > boxes["width"]) | (boxes["y1"] > boxes["height"])
    for box in rows(boxes[outside]):
        corners = tuple(float(box[corner]) for corner in ("x0", "y0", "x1", "y1"))
        yield Problem(
            str(manifest.root / "boxes.csv"),
            f"box {box['box']} {corners} of {box['sample']} leaves its picture of {box['height']:g} x {box['width']:g}",
            "fix the annotation and build again",
            "warning",
        )


def missing_classes(manifest: Manifest) -> Iterator[Problem]:
    """Values of a target that a split has no sample of."""
    labels = with_split(manifest, manifest.labels)
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


def missing_boxes(manifest: Manifest, labels: Collection[str] = ()) -> Iterator[Problem]:
    """Labels that no box of a split has; of these `labels` alone, where they are given."""
    boxes = with_split(manifest, manifest.boxes)
    for label, group in boxes.groupby("label"):
        if labels and label not in labels:
            continue
        for split in sorted(set(manifest.splits["split"]) - set(group["split"])):
            yield _missing_class(manifest, f"split {split} has no box labelled {label}")


def missing_pixels(manifest: Manifest) -> Iterator[Problem]:
    """Labels of masks that no pixel of a split has; masks are read until all are met."""
    masks = with_split(manifest, manifest.images[manifest.images["mask_sha256"] != ""])
    for split in sorted(set(manifest.splits["split"])):
        missing = dict(enumerate(manifest.mask_labels, start=1))
        for sample in masks.loc[masks["split"] == split, "sample"]:
            if not missing:
                break
            with suppress(SpineError):  # told by `wrong_masks`
                for index in np.unique(read_mask(manifest.mask_path(sample))).tolist():
                    missing.pop(index, None)
        for label in missing.values():
            yield _missing_class(manifest, f"split {split} has no pixel of {label}")


def _missing_class(manifest: Manifest, reason: str) -> Problem:
    advice = "nothing can learn or judge it there: change the fractions or the seed, or leave the label out"
    return Problem(str(manifest.root / "splits.csv"), reason, advice, "warning")


def inconsistent_levels(manifest: Manifest) -> Iterator[Problem]:
    """Anatomical levels of one patient that have two values of a target."""
    for key, group in _levels(manifest).groupby(["patient", "level", "target"]):
        patient, level, target = key
        if len(values := sorted(set(group["value"]))) < 2:
            continue
        yield Problem(
            str(manifest.root / "labels.csv"),
            f"level {level} of patient {patient!r} has {target} = {enumerated(values)}",
            "settle which holds, unless the images are of different dates",
            "warning",
        )


def _levels(manifest: Manifest) -> pd.DataFrame:
    """Every label of an anatomical level, of a box or of a crop: patient, level, target, value."""
    of_crops = manifest.labels[manifest.labels["box"] == ""].merge(manifest.images[["sample", "level"]], on="sample")
    of_boxes = manifest.labels.merge(manifest.boxes[["sample", "box", "level"]], on=["sample", "box"])
    both = pd.concat([of_crops, of_boxes]).merge(manifest.images[["sample", "patient"]], on="sample")
    return both[both["level"] != ""]
