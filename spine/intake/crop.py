"""Boxes, true or detected, become samples of their own: the region-of-interest crops that classifiers read."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, FiniteFloat, model_validator

from spine.core.files import hash_file
from spine.core.names import file_name
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.core.strict import Strict
from spine.dataset.manifest import BOXES, IMAGES, LABELS, SPLITS, Manifest, rows
from spine.images.pictures import read_mask, read_picture, write_mask, write_png16

__all__ = ["CropSettings", "crop_samples", "expand_box", "match_boxes"]


class CropSettings(Strict):
    """Which boxes are cropped, and how much around them."""

    label: str  # of the boxes
    grow: FiniteFloat = Field(default=0.1, ge=0)  # of width and height, as a total
    require: str = ""  # leave out boxes without a value of this target
    detector: Path | None = None  # a detection member's or ensemble's directory, for its boxes instead of the true ones
    confidence: float = Field(default=0.25, ge=0, le=1)  # least score of a detected box
    count: int | None = Field(default=None, ge=1)  # of detected boxes only the best of a picture: 1 for its one region
    iou: float = Field(default=0.5, gt=0, le=1)  # least overlap by which a detected box is a true one

    @model_validator(mode="after")
    def _chooses_among_detected_boxes(self) -> CropSettings:
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        given = [name for name in ("confidence", "count", "iou") if getattr(self, name) != defaults[name]]
        if given and self.detector is None:
            told = " and ".join(f"{name} {getattr(self, name)}" for name in given)
            raise ValueError(f"has {told}, which choose among a detector's boxes; give a detector, or remove them")
        return self


def expand_box(
    box: tuple[float, float, float, float], fraction: float, height: int, width: int
) -> tuple[int, int, int, int]:
    """Whole-pixel region (x0, y0, x1, y1) of a box grown by `fraction`, cut off at the picture's edges.

    "Grown by 10 %" (Sayed et al. 2025) is read as a total: the region is 1.1 times as wide and as high, 5 % on each
    side, and every pixel that the grown box touches belongs to it. Corners are 0-based half-open, and count to a
    thousandth of a pixel.
    """
    x0, y0, x1, y1 = (round(corner, 3) for corner in box)  # as in the graph, where float32 reaches no further
    dx, dy = (x1 - x0) * fraction / 2, (y1 - y0) * fraction / 2
    left, top = max(0, _floor(x0 - dx)), max(0, _floor(y0 - dy))
    right, bottom = min(width, -_floor(-x1 - dx)), min(height, -_floor(-y1 - dy))
    if left >= right or top >= bottom:
        raise SpineError(f"box {box} lies outside its picture, {width} wide and {height} high; fix or remove the box")
    return left, top, right, bottom


def crop_samples(manifest: Manifest, boxes: pd.DataFrame, root: Path, settings: CropSettings) -> Manifest:
    """Write the regions of `boxes` as a new dataset in `root` and return it; a crop is `<parent>_<label><box>`.

    `boxes` has the columns of boxes.csv: the manifest's own, or detected ones as `match_boxes` gives them. A crop
    inherits patient, study, sequence, spacing, split and fold of its parent, the labels of its box, its piece of the
    parent's mask, and the boxes of other labels that lie more than half within it, with their labels. The parent's
    picture is kept beside it, with the box as it was before it grew, for members that see more of it, and so are the
    slices next to the picture. Boxes outside
    their picture are left out; SpineError where none is left.
    """
    parents = {row["sample"]: row for row in rows(manifest.images)}
    groups = _chosen(manifest, boxes, settings).groupby("sample", sort=False)
    cropped = [
        row
        for parent, group in track(groups, "cropping", groups.ngroups)
        for row in _crops(manifest, parents[str(parent)], group, root, settings)
    ]
    if not cropped:
        raise SpineError(f"every box labelled {settings.label!r} lies outside its picture; fix the boxes")
    images = pd.DataFrame(cropped)
    inner = _boxes_within(images, manifest.boxes[manifest.boxes["label"] != settings.label])
    of_boxes = manifest.labels[manifest.labels["box"] != ""]
    of_crops = _inherit(images, of_boxes, ["parent", "box"], ["sample", "box"], LABELS).assign(box="")
    of_inner = _inherit(inner, of_boxes, ["parent", "box"], ["sample", "box"], LABELS)
    dataset = Manifest(
        root,
        images[list(IMAGES)],
        inner[list(BOXES)],
        pd.concat([of_crops, of_inner]),
        _inherit(images, manifest.splits, ["parent"], ["sample"], SPLITS),
        manifest.mask_labels,
    )
    dataset.write()
    return dataset


def match_boxes(detected: pd.DataFrame, true: pd.DataFrame, least: float = 0.5) -> pd.DataFrame:
    """The detected boxes with `box`, `level` and `iou` of the true box of the same sample and label that they match.

    Both have the columns of boxes.csv. Pairs of the highest IoU match first, each box once; none below `least`. Without
    a match `box` is "" and `iou` NaN; without a true level the detected box keeps its own.
    """
    matched = detected.assign(box="", iou=np.nan)
    pairs = matched.reset_index(names="row").merge(true, on=["sample", "label"], suffixes=("", "_true"))
    shared = _shared_area(pairs, "", "_true")
    pairs["iou"] = shared / (_area(pairs, "") + _area(pairs, "_true") - shared)
    taken = set()
    for pair in rows(pairs[pairs["iou"] >= least].sort_values("iou", ascending=False, kind="stable")):
        true_box = (pair["sample"], pair["box_true"])
        if pair["row"] not in taken and true_box not in taken:
            taken |= {pair["row"], true_box}
            level = pair["level_true"] or pair["level"]
            matched.loc[pair["row"], ["box", "level", "iou"]] = [pair["box_true"], level, pair["iou"]]
    return matched


def _chosen(manifest: Manifest, boxes: pd.DataFrame, settings: CropSettings) -> pd.DataFrame:
    chosen = boxes[boxes["label"] == settings.label]
    if settings.require:
        wanted = manifest.labels[(manifest.labels["target"] == settings.require) & (manifest.labels["box"] != "")]
        chosen = chosen.merge(wanted[["sample", "box"]].drop_duplicates(), on=["sample", "box"])
    if chosen.empty:
        known = ", ".join(sorted(boxes["label"].unique())) or "none"
        valued = f" with a value of {settings.require!r}" if settings.require else ""
        raise SpineError(f"no box labelled {settings.label!r}{valued} can be cropped; the boxes' labels are: {known}")
    return chosen


def _crops(
    manifest: Manifest, row: dict[str, Any], boxes: pd.DataFrame, root: Path, settings: CropSettings
) -> Iterator[dict[str, Any]]:
    """Write the crops of one picture; yields their rows of images.csv, with the number of the box."""
    parent, label = row["sample"], re.sub(r"\W+", "-", settings.label)
    if row["parent"]:  # itself a crop, and its neighbours are whole
        row = {**row, **dict.fromkeys(("before", "before_sha256", "after", "after_sha256"), "")}
    pixels = read_picture(manifest.image_path(parent), parent).pixels
    of_parent = dict(zip(("parent_height", "parent_width"), pixels.shape, strict=True))
    mask = read_mask(manifest.mask_path(parent)) if row["mask_sha256"] else None
    for number, box in enumerate(rows(boxes)):
        try:
            region = expand_box((box["x0"], box["y0"], box["x1"], box["y1"]), settings.grow, *pixels.shape)
        except SpineError:
            continue  # only a detector's: the intake refuses such boxes and says so
        sample = file_name(f"{parent}_{label}{box['box'] or f'n{number}'}")
        if "parent_sha256" not in of_parent:
            of_parent["parent_sha256"] = _keep(manifest, row, root)
        hashes = _write(sample, pixels, mask, region, root)
        yield {
            **{**row, **hashes, **of_parent, "grow": settings.grow},
            **dict(zip(("x0", "y0", "x1", "y1"), region, strict=True)),
            **{f"box_{corner}": box[corner] for corner in ("x0", "y0", "x1", "y1")},
            **{"sample": sample, "parent": parent, "level": box["level"], "box": box["box"]},
        }


def _keep(manifest: Manifest, row: dict[str, Any], root: Path) -> str:
    """Put a crop's whole picture and the slices next to it beside it, with its mask; the picture's SHA-256."""
    parent = row["sample"]
    kept = {root / "parents" / f"{parent}.png": manifest.image_path(parent)}
    for name in filter(None, (row["before"], row["after"])):
        kept[root / "parents" / f"{name}.png"] = manifest.neighbour_path(name, of_crop=False)
    if row["mask_sha256"]:
        kept[root / "parent_masks" / f"{parent}.png"] = manifest.mask_path(parent)
    for copy, file in kept.items():
        copy.parent.mkdir(exist_ok=True, parents=True)
        shutil.copyfile(file, copy)
    return hash_file(next(iter(kept)))


def _write(
    sample: str, pixels: np.ndarray, mask: np.ndarray | None, region: tuple[int, int, int, int], root: Path
) -> dict[str, Any]:
    x0, y0, x1, y1 = region
    picture = root / "images" / f"{sample}.png"
    write_png16(pixels[y0:y1, x0:x1], picture)
    mask_hash = ""
    if mask is not None:
        write_mask(mask[y0:y1, x0:x1], root / "masks" / f"{sample}.png")
        mask_hash = hash_file(root / "masks" / f"{sample}.png")
    return {"height": y1 - y0, "width": x1 - x0, "sha256": hash_file(picture), "mask_sha256": mask_hash}


def _boxes_within(images: pd.DataFrame, boxes: pd.DataFrame) -> pd.DataFrame:
    """The parents' boxes that lie more than half within a crop, in the crop's own pixels and cut at its edges."""
    crops = images[["sample", "parent", "x0", "y0", "x1", "y1"]]
    pairs = boxes.rename(columns={"sample": "parent"}).merge(crops, on="parent", suffixes=("", "_crop"))
    pairs = pairs[_shared_area(pairs, "", "_crop") > _area(pairs, "") / 2].copy()
    for axis in "xy":
        for corner in (f"{axis}0", f"{axis}1"):
            low, high = pairs[f"{axis}0_crop"], pairs[f"{axis}1_crop"]
            pairs[corner] = pairs[corner].clip(low, high) - low
    return pairs


def _area(pairs: pd.DataFrame, name: str) -> pd.Series:
    return (pairs[f"x1{name}"] - pairs[f"x0{name}"]) * (pairs[f"y1{name}"] - pairs[f"y0{name}"])


def _shared_area(pairs: pd.DataFrame, first: str, second: str) -> pd.Series:
    """Area of the intersection of two boxes in each row, their corners' columns ending in `first` and `second`."""
    sides = [
        np.minimum(pairs[f"{axis}1{first}"], pairs[f"{axis}1{second}"])
        - np.maximum(pairs[f"{axis}0{first}"], pairs[f"{axis}0{second}"])
        for axis in "xy"
    ]
    return np.maximum(sides[0], 0) * np.maximum(sides[1], 0)


def _inherit(
    images: pd.DataFrame, table: pd.DataFrame, mine: list[str], theirs: list[str], columns: tuple[str, ...]
) -> pd.DataFrame:
    """The parents' rows of a table, handed down to the crops."""
    others = [column for column in columns if column not in theirs]
    joined = images[["sample", *mine]].merge(
        table.rename(columns=dict(zip(theirs, mine, strict=True)))[[*mine, *others]], on=mine
    )
    return joined[[column for column in columns if column in joined.columns]]


def _floor(value: float) -> int:
    return math.floor(round(value, 6))  # 5 % of a whole number must not spill over by a rounding error
