"""Pictures to look at where none is at hand: a generated spine study, as a scanner would have sent it."""

from __future__ import annotations

import csv
from pathlib import Path

from spine.core.files import read_json
from spine.images.pictures import write_png16
from spine.intake.crop import expand_box
from spine.intake.reading import read_images
from spine.phantom import PhantomSettings, generate

__all__ = ["example_of"]

_SETTINGS = PhantomSettings(
    patients=1, seed=16, size=(256, 256), slices=(5,), difficulty=0.4, noise=1, t2star=0, distractors=0
)


def example_of(directory: Path, *, disc: bool = False) -> Path:
    """Write a generated study below `directory`; its mid-sagittal DICOM file, or with `disc` a PNG of one disc."""
    root = generate(_SETTINGS, directory / "phantom")
    (name,) = read_json(root / "phantom.json", "start the page again")["middle"].values()
    path = root / "studies" / name
    return _disc_of(root, name, path, directory / "example.png") if disc else path


def _disc_of(root: Path, name: str, path: Path, written: Path) -> Path:
    """The lowest disc of the slice, cut out as a classifier's crops are."""
    with (root / "discs.csv").open(newline="") as table:
        lowest = next(row for row in csv.DictReader(table) if row["image"] == name and row["ivd_level"] == "1")
    (picture,) = read_images(path, slices=1)
    x0, y0, x1, y1 = (float(lowest[corner]) for corner in ("xmin", "ymin", "xmax", "ymax"))
    left, top, right, bottom = expand_box((x0, y0, x1, y1), 0.1, *picture.pixels.shape)
    write_png16(picture.pixels[top:bottom, left:right], written)
    return written
