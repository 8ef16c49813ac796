"""The truth of one split of a dataset: class indices, masks or boxes, patients and the units that are scored once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from spine.annotations.levels import one_spelling
from spine.core.files import fingerprint
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.manifest import rows as rows_of
from spine.images.pictures import read_mask

__all__ = ["AnyTruth", "BoxTruth", "ClassTruth", "MaskTruth", "Region", "pictures_of", "unit_of"]


class Region(NamedTuple):
    """What a sample shows: the `box` of a `picture`, y0 x0 y1 x1 in [0, 1], grown by `grow` and cut out.

    A picture that is no crop is a box of itself, of no growth. So is a crop whose own picture is `lost`, as in datasets
    that older versions built: `picture` is the crop. `before` and `after` are the slices next to the picture, where the
    dataset has them.
    """

    picture: Path
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    grow: float | None = None
    lost: bool = False
    before: Path | None = None
    after: Path | None = None

    @property
    def whole(self) -> Region:
        """The picture, with the slices next to it."""
        return Region(self.picture, before=self.before, after=self.after)

    @property
    def alone(self) -> Region:
        """The same without the slices next to the picture."""
        return self._replace(before=None, after=None)

    @property
    def slices(self) -> tuple[Path, Path, Path]:
        """The slice before, the picture and the slice after; the picture again where it has no neighbour."""
        return self.before or self.picture, self.picture, self.after or self.picture


@dataclass(frozen=True)
class ClassTruth:
    """Samples of one split in the manifest's order, with what is true of each.

    `values` (N,) are class indices into `labels`; `units` name what is scored once: repeated slices of one disc
    share a unit (`unit_of`), so their predictions are averaged before they are scored.
    """

    labels: tuple[str, ...]
    samples: tuple[str, ...]
    patients: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    paths: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]  # height, width of each picture
    regions: tuple[Region, ...] = ()  # where each picture was cut out; without any all are whole pictures

    EXAMPLE = "sample"  # what has a class

    def __post_init__(self) -> None:
        if not self.regions:
            object.__setattr__(self, "regions", tuple(map(Region, self.paths)))

    @classmethod
    def of_classification(cls, manifest: Manifest, split: str, target: str, labels: tuple[str, ...]) -> ClassTruth:
        """The labelled samples of `split`; unlabelled ones are left out. SpineError on a value that is no label."""
        values = manifest.values(target)
        samples = tuple(sample for sample in manifest.samples_in(split) if sample in values)
        if not samples:
            raise SpineError(f"no sample of split {split!r} in {manifest.root} has a value of {target!r}")
        strangers = sorted({values[sample] for sample in samples} - set(labels))
        if strangers:
            raise SpineError(
                f"target {target!r} holds {strangers}, of which the experiment's labels have none: they are "
                f"{list(labels)}"
            )
        rows = manifest.images.set_index("sample").loc[list(samples)]
        indices = np.array([labels.index(values[sample]) for sample in samples], dtype=np.int64)
        told = (rows["patient"], rows["study"], rows["level"], indices, samples)
        units = tuple(unit_of(*of_sample) for of_sample in zip(*told, strict=True))
        paths = tuple(manifest.image_path(sample) for sample in samples)
        sizes, regions = _sizes(rows), _regions(manifest, rows)
        return cls(tuple(labels), samples, tuple(rows["patient"]), units, indices, paths, sizes, regions)

    @property
    def grow(self) -> float | None:
        """By how much the boxes grew that were cut out; None where that is not told, or nothing was.

        SpineError where crops were cut out in several ways.
        """
        grown = {region.grow for region in self.regions if region.grow is not None}
        if len(grown) > 1:
            told = ", ".join(f"{grow:g}" for grow in sorted(grown))
            raise SpineError(f"the samples are crops of boxes that grew by {told}; crop them all alike")
        return grown.pop() if grown else None

    @property
    def lost_pictures(self) -> bool:
        """Whether crops do not tell of the pictures that they were cut out of."""
        return any(region.lost for region in self.regions)

    @property
    def has_neighbours(self) -> bool:
        """Whether any picture has a slice next to it."""
        return any(region.before or region.after for region in self.regions)

    @cached_property
    def hash(self) -> str:
        """Fingerprint of samples, patients, units and values, as stored with predictions."""
        return fingerprint([self.labels, self.samples, self.patients, self.units, self.values.tolist()])

    @property
    def one_hot(self) -> Any:
        """What a network learns: (N, C) float32."""
        return np.eye(len(self.labels), dtype=np.float32)[self.values]

    @property
    def numbers(self) -> dict[int, str]:
        """Class number -> label, of the classes to be told apart."""
        return dict(enumerate(self.labels))

    def classes_met(self) -> Iterator[set[int]]:
        """The class numbers that occur."""
        yield set(self.values.tolist())

    def with_units(self, members: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Members' stored predictions by unit, (U, C) float64, with the units' classes (U,) and patients (U,).

        Averaging slices is linear, so it commutes with the weighted mean over members.
        """
        averaged = {name: self.by_unit(stored.values) for name, stored in members.items()}
        _, values, patients = next(iter(averaged.values()))
        return {name: probabilities for name, (probabilities, _, _) in averaged.items()}, values, patients

    def by_unit(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Average the (N, C) rows of each unit in float64; gives (U, C), class indices (U,) and patients (U,)."""
        _, first, inverse = np.unique(np.array(self.units), return_index=True, return_inverse=True)
        sums = np.zeros((len(first), probabilities.shape[1]))
        np.add.at(sums, inverse, np.asarray(probabilities, dtype=np.float64))
        return sums / np.bincount(inverse)[:, None], self.values[first], np.array(self.patients)[first]


@dataclass(frozen=True)
class MaskTruth:
    """Samples of one split that have a mask, in the manifest's order; each image is scored once.

    A mask holds class indices into `labels`, background first, in the image's own height and width. `spacings` are
    the distances of pixel centres along y and x in mm, None where unknown.
    """

    labels: tuple[str, ...]
    samples: tuple[str, ...]
    patients: tuple[str, ...]
    paths: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]  # height, width of each picture
    mask_paths: tuple[Path, ...]
    mask_hashes: tuple[str, ...]  # SHA-256 of the mask files, as the manifest has them
    spacings: tuple[tuple[float, float] | None, ...]

    EXAMPLE = "pixel"  # what has a class

    @classmethod
    def of_segmentation(cls, manifest: Manifest, split: str, labels: tuple[str, ...]) -> MaskTruth:
        """The samples of `split` with a mask; SpineError where there is none, or `labels` are not the masks' own."""
        if not manifest.mask_labels:
            raise SpineError(
                f"{manifest.root} has no masks; give its data config an annotation of the format mask (docs/data.md), "
                "and build it again, or give a dataset that has masks"
            )
        if tuple(labels[1:]) != manifest.mask_labels:
            raise SpineError(
                f"the experiment's labels after the background are {list(labels[1:])}, but the masks of "
                f"{manifest.root} hold {list(manifest.mask_labels)} as the classes 1, 2 ...; give labels: "
                f"[background, {', '.join(manifest.mask_labels)}]"
            )
        rows = manifest.images.set_index("sample").loc[manifest.samples_in(split)]
        rows = rows[rows["mask_sha256"] != ""]
        if rows.empty:
            raise SpineError(f"no sample of split {split!r} in {manifest.root} has a mask")
        samples = tuple(map(str, rows.index))
        return cls(
            labels=tuple(labels),
            samples=samples,
            patients=tuple(rows["patient"]),
            paths=tuple(map(manifest.image_path, samples)),
            sizes=_sizes(rows),
            mask_paths=tuple(map(manifest.mask_path, samples)),
            mask_hashes=tuple(rows["mask_sha256"]),
            spacings=_spacings(rows),
        )

    @property
    def units(self) -> tuple[str, ...]:
        """What is scored once: every sample."""
        return self.samples

    @cached_property
    def hash(self) -> str:
        """Fingerprint of samples, patients and masks, as stored with predictions."""
        return fingerprint([self.labels, self.samples, self.patients, self.mask_hashes])

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def numbers(self) -> dict[int, str]:
        """Class number -> label, of the classes to be found: all but the background."""
        return dict(enumerate(self.labels[1:], 1))

    def classes_met(self) -> Iterator[set[int]]:
        """The class numbers that occur, mask by mask, each read as it is asked for."""
        return (set(np.unique(mask).tolist()) for mask in self)

    def with_units(self, members: Mapping[str, Any]) -> tuple[Mapping[str, Any], MaskTruth, np.ndarray]:
        """Members' stored predictions, this truth, and the patient (N,) of every image: each is scored once."""
        return members, self, np.array(self.patients)

    def mask(self, number: int) -> np.ndarray:
        """The mask (H, W) uint16 of one sample; SpineError where its size or classes do not hold."""
        path = self.mask_paths[number]
        mask = read_mask(path)
        if mask.shape != self.sizes[number]:
            raise SpineError(f"{path} is {mask.shape}, its image {self.sizes[number]}; build the dataset again")
        if mask.max() >= len(self.labels):
            raise SpineError(
                f"{path} holds class {mask.max()}; the labels {list(self.labels)} end at {len(self.labels) - 1}"
            )
        return mask

    def __iter__(self) -> Iterator[np.ndarray]:
        """Masks one after the other, so that one is in memory at a time."""
        return (self.mask(number) for number in range(len(self)))


@dataclass(frozen=True)
class BoxTruth:
    """Samples of one split with their boxes, in the manifest's order; each image is scored once.

    `boxes` holds an (n, 4) float32 array an image, x0 y0 x1 y1 in its 0-based half-open pixels, `classes` an (n,) int64
    array, 1-based: class c is `labels[c - 1]`. A box is cut off at the image's edges: what lies beyond them nobody can
    find. An image without boxes is background, and stays in.
    """

    labels: tuple[str, ...]
    samples: tuple[str, ...]
    patients: tuple[str, ...]
    paths: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]  # height, width of each picture
    boxes: tuple[np.ndarray, ...]
    classes: tuple[np.ndarray, ...]

    EXAMPLE = "box"  # what has a class

    @classmethod
    def of_detection(cls, manifest: Manifest, split: str, labels: tuple[str, ...]) -> BoxTruth:
        """The samples of `split` with the boxes of `labels`.

        SpineError on a label that no box of the dataset has, no box in the split, or a box outside its image.
        """
        known = sorted(manifest.boxes["label"].unique())
        if unknown := [label for label in labels if label not in known]:
            raise SpineError(
                f"no box of {manifest.root} is labelled {', '.join(unknown)}; its boxes are labelled: "
                f"{', '.join(known) or 'none'}"
            )
        samples = tuple(manifest.samples_in(split))
        wanted = manifest.boxes[manifest.boxes["label"].isin(labels)]
        of_sample = dict(iter(wanted[wanted["sample"].isin(samples)].groupby("sample")))
        if not of_sample:
            raise SpineError(
                f"no sample of split {split!r} in {manifest.root} has a box of {', '.join(labels)}, so nothing can be "
                "found there; split again such that every split has boxes (`splits` of the data config)"
            )
        boxes_of_samples = [of_sample.get(sample, wanted[:0]) for sample in samples]
        rows = manifest.images.set_index("sample").loc[list(samples)]
        sizes = _sizes(rows)
        return cls(
            labels=tuple(labels),
            samples=samples,
            patients=tuple(rows["patient"]),
            paths=tuple(map(manifest.image_path, samples)),
            sizes=sizes,
            boxes=tuple(_visible(*of_one) for of_one in zip(samples, boxes_of_samples, sizes, strict=True)),
            classes=tuple(
                np.array([labels.index(x) + 1 for x in boxes["label"]], np.int64) for boxes in boxes_of_samples
            ),
        )

    @property
    def units(self) -> tuple[str, ...]:
        """What is scored once: every sample."""
        return self.samples

    @cached_property
    def hash(self) -> str:
        """Fingerprint of samples, patients, sizes and boxes, as stored with predictions."""
        boxes = [boxes.tolist() for boxes in self.boxes]
        classes = [classes.tolist() for classes in self.classes]
        return fingerprint([self.labels, self.samples, self.patients, self.sizes, boxes, classes])

    @property
    def numbers(self) -> dict[int, str]:
        """Class number -> label, of the classes to be found."""
        return dict(enumerate(self.labels, 1))

    def classes_met(self) -> Iterator[set[int]]:
        """The class numbers that occur, image by image."""
        return (set(classes.tolist()) for classes in self.classes)

    def with_units(self, members: Mapping[str, Any]) -> tuple[Mapping[str, Any], BoxTruth, np.ndarray]:
        """Members' stored predictions, this truth, and the patient (N,) of every image: each is scored once."""
        return members, self, np.array(self.patients)

    def __len__(self) -> int:
        return len(self.samples)


AnyTruth: TypeAlias = ClassTruth | MaskTruth | BoxTruth


def unit_of(patient: str, study: str, level: str, value: int, example: str) -> str:
    """What a labelled example is scored with, once: its slices of the same level, in one study of one patient, of one
    class; the example alone where its level is not told. A follow-up is another study, where the dataset tells it.
    """
    if not level:
        return example
    return "/".join([patient, *([study] if study else []), one_spelling(level), str(value)])


def _visible(sample: str, boxes: pd.DataFrame, size: tuple[int, int]) -> np.ndarray:
    """Corners (n, 4) of the part of each box that lies within the image; SpineError where there is none."""
    height, width = size
    corners = boxes[["x0", "y0", "x1", "y1"]].to_numpy(np.float32)
    visible = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
    for box, part in zip(corners, visible, strict=True):
        if not (part[:2] < part[2:]).all():
            raise SpineError(
                f"{sample} has a box {box.tolist()} (x0 y0 x1 y1) outside its {height} x {width} pixels, or without an "
                "area; fix or remove it in the annotations and build the dataset again"
            )
    return visible


def pictures_of(manifest: Manifest, samples: Sequence[str]) -> tuple[Region, ...]:
    """Samples as pictures by themselves, with the slices next to them where the dataset has some; crops have none."""
    rows = manifest.images.set_index("sample").loc[list(samples)]
    whole = zip(samples, rows["parent"], _regions(manifest, rows), strict=True)
    return tuple(Region(manifest.image_path(sample)) if parent else region for sample, parent, region in whole)


def _regions(manifest: Manifest, rows: pd.DataFrame) -> tuple[Region, ...]:
    """Where each sample's picture was cut out."""
    regions = []
    for sample, row in zip(rows.index, rows_of(rows), strict=True):
        before, after = (
            manifest.neighbour_path(row[side], of_crop=bool(row["parent"])) if row[side] else None
            for side in ("before", "after")
        )
        if not row["parent"]:
            regions.append(Region(manifest.image_path(str(sample)), before=before, after=after))
        elif not row["parent_sha256"]:
            regions.append(Region(manifest.image_path(str(sample)), lost=True))
        else:
            height, width = row["parent_height"], row["parent_width"]
            y0, x0, y1, x1 = (row[f"box_{corner}"] for corner in ("y0", "x0", "y1", "x1"))
            box = (y0 / height, x0 / width, y1 / height, x1 / width)
            regions.append(Region(manifest.parent_path(row["parent"]), box, row["grow"], False, before, after))
    return tuple(regions)


def _sizes(rows: pd.DataFrame) -> tuple[tuple[int, int], ...]:
    return tuple((int(height), int(width)) for height, width in zip(rows["height"], rows["width"], strict=True))


def _spacings(rows: pd.DataFrame) -> tuple[tuple[float, float] | None, ...]:
    pairs = [(float(y or "nan"), float(x or "nan")) for y, x in zip(rows["spacing_y"], rows["spacing_x"], strict=True)]
    return tuple(pair if min(pair) > 0 else None for pair in pairs)
