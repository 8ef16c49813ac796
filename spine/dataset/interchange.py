"""A dataset in a format of other tools: its annotations, with its pictures where the format does not hold them."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spine.annotations import FORMATS, Annotation, Box, write_annotations
from spine.annotations import writer as writer_of
from spine.core.files import atomic_directory
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.dataset.manifest import Manifest, rows

__all__ = ["PLACES", "annotations_of", "export_dataset"]

# Format -> where its annotations go; "" where they and the pictures share one layout.
PLACES: Mapping[str, str] = {
    **dict.fromkeys(FORMATS, "annotations"),
    **dict.fromkeys(("folders", "tfrecord", "yolo"), ""),
    "coco": "annotations.coco.json",
    "mask": "masks",
    "table": "annotations.csv",
}


def export_dataset(manifest: Manifest, format: str, output: Path, labels: Sequence[str] = (), **options: Any) -> Path:
    """Write a dataset as `output/<place of the format>`, with `output/images/` beside it; gives `output`.

    `labels` are the boxes' labels to write, in the order of their numbers from 1 (none: all, in the order of the
    alphabet); `options` go to the format's `write`, such as `shards` of tfrecord. Images are called `<sample>.png`,
    patients as in the dataset. SpineError where `output` holds files, a label is unknown or an option does not hold.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SpineError(f"{output} holds files already; choose another output, or remove it")
    parameters = inspect.signature(writer_of(format)).parameters
    labels = _labels(manifest, labels)
    given = {"images": manifest.root / "images", "labels": labels}
    options |= {name: value for name, value in given.items() if name in parameters}
    with atomic_directory(output) as root:
        write_annotations(format, annotations_of(manifest, labels), root / PLACES[format], **options)
        if PLACES[format]:
            _copy_pictures(manifest, root / "images")
    return output


def annotations_of(manifest: Manifest, labels: Sequence[str]) -> Iterator[Annotation]:
    """What a dataset says of each picture, with the boxes of `labels` only, in the order of images.csv."""
    split_of = dict(zip(manifest.splits["sample"], manifest.splits["split"], strict=True))
    values: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows(manifest.labels):
        values.setdefault((row["sample"], row["box"]), {})[row["target"]] = row["value"]
    boxes: dict[str, list[Box]] = {}
    for row in rows(manifest.boxes[manifest.boxes["label"].isin(labels)]):
        corners = (row["x0"], row["y0"], row["x1"], row["y1"])
        box = Box(row["label"], *corners, row["level"], values.get((row["sample"], row["box"]), {}))
        boxes.setdefault(row["sample"], []).append(box)
    for row in rows(manifest.images):
        sample = row["sample"]
        yield Annotation(
            f"{sample}.png",
            tuple(boxes.get(sample, ())),
            labels=values.get((sample, ""), {}),
            mask=manifest.mask_path(sample) if row["mask_sha256"] else None,
            mask_labels=manifest.mask_labels,
            patient=row["patient"],
            sequence=row["sequence"],
            split=split_of.get(sample, ""),
            size=(int(row["height"]), int(row["width"])),
        )


def _labels(manifest: Manifest, wanted: Sequence[str]) -> tuple[str, ...]:
    known = sorted(manifest.boxes["label"].unique())
    if strangers := [label for label in wanted if label not in known]:
        raise SpineError(f"no box of {manifest.root} is labelled {strangers[0]!r}; the labels are {', '.join(known)}")
    return tuple(wanted or known)


def _copy_pictures(manifest: Manifest, folder: Path) -> None:
    folder.mkdir()
    for sample in track(manifest.images["sample"], "copying pictures", len(manifest.images)):
        shutil.copyfile(manifest.image_path(sample), folder / f"{sample}.png")
