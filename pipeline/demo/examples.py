"""Pictures to look at where none is at hand: a generated spine study, as a scanner would have sent it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from spine.core.files import read_json
from spine.images.pictures import write_png16
from spine.intake.crop import expand_box
from spine.intake.reading import read_images
from spine.phantom import PhantomSettings, generate

__all__ = ["Example", "example_of"]

_SETTINGS = PhantomSettings(
    patients=1, seed=16, size=(256, 256), slices=(5,), difficulty=0.4, noise=1, t2star=0, distractors=0
)


class Example(NamedTuple):
    """A picture's file, and the box of the disc in it that is asked about, x0 y0 x1 y1 in pixels; None: all of it."""

    path: Path
    box: tuple[float, float, float, float] | None = None


def example_of(directory: Path, *, disc: bool = False, sees_boxes: bool = False) -> Example:
    """Write a generated study below `directory`; its mid-sagittal DICOM file, or with `disc` a PNG for a classifier.

    One that `sees_boxes` gets the whole slice with the box of its lowest disc, as stored predictions and a case give it
    a disc, so that members whose view is wide see its surroundings. Others get what is cut out.
    """
    root = generate(_SETTINGS, directory / "phantom")
    (name,) = read_json(root / "phantom.json", "start the page again")["middle"].values()
    path = root / "studies" / name
    if not disc:
        return Example(path)
    return _lowest_disc(root, name, path, directory / "example.png", cut=not sees_boxes)


def _lowest_disc(root: Path, name: str, path: Path, written: Path, *, cut: bool) -> Example:
    """The lowest disc of the slice: its box, or `cut` out as a classifier's crops are."""
    with (root / "discs.csv").open(newline="") as table:
        lowest = next(row for row in csv.DictReader(table) if row["image"] == name and row["ivd_level"] == "1")
    (picture,) = read_images(path, slices=1)
    x0, y0, x1, y1 = (float(lowest[corner]) for corner in ("xmin", "ymin", "xmax", "ymax"))
    if not cut:
        write_png16(picture.pixels, written)
        return Example(written, (x0, y0, x1, y1))
    left, top, right, bottom = expand_box((x0, y0, x1, y1), 0.1, *picture.pixels.shape)
    write_png16(picture.pixels[top:bottom, left:right], written)
    return Example(written)
