"""Pictures to look at where none is at hand: a generated study of the kind that a model answers."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from spine.answers.description import Description
from spine.core.files import read_json
from spine.images.pictures import write_png16
from spine.intake.crop import expand_box
from spine.intake.reading import read_images
from spine.phantom import CervicalSettings, FractureSettings, ImplantSettings, PhantomSettings, generate

__all__ = ["Example", "example_of"]

Box = tuple[float, float, float, float]

# Targets and labels that one kind of generated data has and no other.
_TOLD_BY = {
    "fracture": {"fracture"},
    "cervical": {"injury", "hemorrhagic", "edematous", "mixed"},
    "implant": {"Lum", "sco"},
}


class Example(NamedTuple):
    """A picture's file, and the box in it that is asked about, x0 y0 x1 y1 in pixels; None: all of it."""

    path: Path
    box: Box | None = None


def example_of(directory: Path, model: Description, *, sees_boxes: bool = False) -> Example:
    """Write a generated study below `directory`, of the kind that the names of the model's targets and labels tell.

    They tell none: a lumbar one. A detector and a segmentation get the picture whole. A classifier gets what those of
    the kind learn from: a vertebra on CT whole, of others the lowest disc, or the spine of a radiograph. One that
    `sees_boxes` gets the whole picture with the box of it, as stored predictions and a case give it one, so that
    members whose view is wide see its surroundings; for others a PNG of the box is cut out.
    """
    names = {*model.labels, *model.targets}
    kind = next((kind for kind, own in _TOLD_BY.items() if own & names), "lumbar")
    path, box = _KINDS[kind](directory / "phantom")
    if model.task != "classification" or box is None:
        return Example(path)
    return _as_classified(path, box, directory / "example.png", cut=not sees_boxes)


def _lumbar(directory: Path) -> Example:
    """The mid-sagittal slice and its lowest disc."""
    settings = PhantomSettings(
        patients=1, seed=16, size=(256, 256), slices=(5,), difficulty=0.4, noise=1, t2star=0, distractors=0
    )
    root = generate(settings, directory)
    (name,) = read_json(root / "phantom.json", "start the page again")["middle"].values()
    return Example(root / "studies" / name, _box_in(root / "discs.csv", image=name, ivd_level="1"))


def _cervical(directory: Path) -> Example:
    """The mid-sagittal slice of a neck with an injured disc and a lesion of the cord."""
    settings = CervicalSettings(
        kind="cervical", patients=1, seed=7, size=(256, 256), slices=(3,), disc=1, injury=1, t1=0, difficulty=0.4
    )
    images = generate(settings, directory) / "images"
    (picture,) = read_images(images, slices=1)
    return Example(images / picture.name)


def _fracture(directory: Path) -> Example:
    """An axial slice of a broken vertebra."""
    settings = FractureSettings(
        kind="fracture", patients=1, seed=2, size=(256, 256), fractured=1, pictures=(1, 1), difficulty=0.4
    )
    (path,) = generate(settings, directory).glob("pictures/Abnormal/*.png")
    return Example(path)


def _implant(directory: Path) -> Example:
    """A frontal radiograph with an implant, and the box of its spine."""
    settings = ImplantSettings(
        kind="implant", patients=1, seed=2, size=(256, 256), confounding=1, plain=0, difficulty=0.4
    )
    root = generate(settings, directory) / "xray"
    (path,) = root.glob("images/*/IM0001.dcm")
    return Example(path, _box_in(root / "labels.csv", view="frontal"))


_KINDS: dict[str, Callable[[Path], Example]] = {
    "lumbar": _lumbar,
    "cervical": _cervical,
    "fracture": _fracture,
    "implant": _implant,
}


def _box_in(table: Path, **where: str) -> Box:
    """The box of the row of a table that has these values."""
    with table.open(newline="") as stream:
        row = next(row for row in csv.DictReader(stream) if where.items() <= row.items())
    x0, y0, x1, y1 = (float(row[corner]) for corner in ("xmin", "ymin", "xmax", "ymax"))
    return x0, y0, x1, y1


def _as_classified(path: Path, box: Box, written: Path, *, cut: bool) -> Example:
    """A PNG of the picture with its box, or with the box `cut` out as a classifier's crops are."""
    (picture,) = read_images(path, slices=1)
    if not cut:
        write_png16(picture.pixels, written)
        return Example(written, box)
    left, top, right, bottom = expand_box(box, 0.1, *picture.pixels.shape)
    write_png16(picture.pixels[top:bottom, left:right], written)
    return Example(written)
