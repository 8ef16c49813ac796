"""A model without a framework that answers several pictures at once, as a member on disk; drawn pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.client import SentPicture
from spine.answers.answer import Answer, Finding, Grade
from spine.answers.description import Description
from spine.core.problems import SpineError
from spine.images.pictures import write_png16
from spine.measurements import measure
from spine.member.member import Card, Member

LABELS = ("background", "vertebra", "disc")
GRADES = ("dark", "light")


class BulkModel:
    """Each picture has one disc, dark or light by its mean grey, and a mask of what is brighter than half; a picture
    that is all black it cannot answer.
    """

    sees_boxes = False
    sees_slices = False
    version = "1"
    description = Description(
        name="bulk", task="case", labels=("disc",), disc="disc", targets={"grey": GRADES}, mask_labels=LABELS,
        roles={"vertebra": "vertebra", "disc": "disc"},
    )  # fmt: skip

    def __init__(self, needs_one_size: bool = True) -> None:
        self.needs_one_size = needs_one_size
        self.asked: list[list[tuple[int, ...]]] = []  # the sizes of each request

    def outputs_of(self, pictures: Sequence[SentPicture]) -> dict[str, np.ndarray]:
        self.asked.append([picture.pixels.shape for picture in pictures])
        if any(not picture.pixels.any() for picture in pictures):
            raise SpineError("the model cannot answer the picture (it is black); send another")
        return {"light": np.array([picture.pixels.mean() / 65535 for picture in pictures])}

    def read(self, outputs: dict[str, np.ndarray], pictures: Sequence[SentPicture]) -> list[Answer]:
        return [self.answer(picture, light) for picture, light in zip(pictures, outputs["light"], strict=True)]

    def answer(self, picture: SentPicture, light: float) -> Answer:
        mask = 2 * (picture.pixels > 2**15).astype(int)
        finding = Finding("disc", (1.0, 2.0, 9.0, 7.5), 0.9, 1, (Grade("grey", GRADES, np.array([1 - light, light])),))
        measured = measure(mask, LABELS, picture.spacing, vertebra="vertebra", disc="disc", canal=None)
        size = (picture.height, picture.width)
        return Answer("bulk", "1", *size, picture.spacing, (finding,), mask, LABELS, measurements=measured)


def write_member(path: Path) -> Path:
    """A directory that opens as the model's; the file of its SavedModel is none."""
    model = path / "model" / "1"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"no model")
    details = {"description": BulkModel.description.model_dump(mode="json")}
    card = Card(name="bulk", task="case", labels=("disc",), model_hash=Member.hash_model(model), details=details)
    return Member.publish(path, card).path


def drawn(grey: int = 60000, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    """A dark picture with a bright disc in it."""
    picture = np.full(size, 1000, np.uint16)
    picture[10:18, 5:20] = grey
    return picture


def write_pictures(root: Path, count: int) -> Path:
    """A tree of pictures of two sizes, two a folder."""
    for number in range(count):
        folder = root / f"ward{number // 2}"
        folder.mkdir(parents=True, exist_ok=True)
        write_png16(drawn(40000 + number, (40 + 8 * (number % 2), 30)), folder / f"picture{number}.png")
    return root
