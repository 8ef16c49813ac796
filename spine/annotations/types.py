"""The three types every reader speaks: a box, what is said about one image, and a reading of a whole source."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spine.core.names import composed
from spine.core.numbers import finite
from spine.core.problems import Problem, SpineError, brief

__all__ = [
    *("EXPORT_AGAIN", "PASSED_OVER", "Annotation", "Box", "Malformed", "Reading", "UnknownClass"),
    *("as_malformed", "is_unknown", "known_text", "value_text"),
]

EXPORT_AGAIN = "export or copy the file again"
PASSED_OVER = "was passed over: "  # how the reason begins of a file that a reader leaves to others

_UNKNOWN = ("", "nan", "<na>")  # NumPy's and pandas' words


class Malformed(Exception):
    """A file or record of a source that does not hold: why, and what to do about it."""

    def __init__(self, reason: str, advice: str = "correct it in the source, or remove it") -> None:
        super().__init__(reason)
        self.advice = advice


class UnknownClass(Malformed):
    """A box whose class does not hold; many boxes share such a fault, so it is told once for all of them."""


@contextmanager
def as_malformed(path: Path | str) -> Iterator[None]:
    """Turn a SpineError about the file `path` into a Malformed: the file is at fault, and others go on."""
    try:
        yield
    except SpineError as error:
        problem = Problem.from_error(error, Path(path))
        raise Malformed(problem.reason, problem.advice) from error


@dataclass(frozen=True)
class Box:
    """A labelled rectangle: x0 <= x < x1, y0 <= y < y1 in 0-based half-open float pixels of its image.

    `level` is the anatomical level where the source tells it (`1` is the lowest disc, L5/S1); `values` are the box's
    own targets, such as {"pfirrmann": "4"}. Raises ValueError where the area is not positive.
    """

    label: str
    x0: float
    y0: float
    x1: float
    y1: float
    level: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        corners = (self.x0, self.y0, self.x1, self.y1)
        if all(math.isfinite(value) for value in corners) and self.x1 > self.x0 and self.y1 > self.y0:
            return
        negative = self.x1 < self.x0 or self.y1 < self.y0
        fault = "has a negative size" if negative else "has no area"
        raise ValueError(f"box {corners} of {self.label!r} {fault}; finite x1 > x0 and y1 > y0 must hold")


@dataclass(frozen=True)
class Annotation:
    """What one source says about one image, named as the source names it (a POSIX path relative to its image folder).

    `labels` are targets of the whole image; `mask` is a file of class indices (0 is background) with the names in
    `mask_labels` (index i names value i + 1); `patient`, `sequence` and `split` are empty where the source is silent.
    `refused` tells of each box that is drawn there and does not count why: without any the image is not background.
    """

    image: str
    boxes: tuple[Box, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    mask: Path | None = None
    mask_labels: tuple[str, ...] = ()
    patient: str = ""
    sequence: str = ""
    split: str = ""
    size: tuple[int, int] | None = None  # height, width as the source states it
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What a reader returns: the good annotations, and the problems met on the way.

    Where one of these is `nameless`, something was told of an image, and it is not known of which. `read` names the
    places that annotations were taken from: a file that another reader has PASSED_OVER may be among them. `lost_masks`
    are the images of which a mask does not hold.
    """

    annotations: tuple[Annotation, ...]
    problems: tuple[Problem, ...] = ()
    nameless: bool = False
    read: frozenset[str] = field(default=frozenset(), compare=False)
    lost_masks: frozenset[str] = field(default=frozenset(), compare=False)


def is_unknown(value: object) -> bool:
    """Whether a value says that it is not known: None, blanks, and NaN as a number or as tools write it."""
    return value is None or value != value or (isinstance(value, str) and value.strip().lower() in _UNKNOWN)


def known_text(value: object) -> str:
    """A name, such as a patient's, as text: 4, 4.0 and "4.0" are "4", True is "1"; "" where it is not known.

    Letters are composed with their accents (NFC): values that look alike are one. Malformed where it is a list or an
    object, or holds letters that are none (halves of a surrogate pair).
    """
    if is_unknown(value):
        return ""
    if not isinstance(value, (str, int, float)):
        raise Malformed(f"holds {brief(repr(value), 60)}, which is {type(value).__name__} and no single value")
    text = str(int(value)) if isinstance(value, bool) else composed(str(value)).strip()
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Malformed(f"holds {text!a}, which is not text in UTF-8", "write it again, as UTF-8")
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text)


def value_text(value: object) -> str:
    """A target's value as text, as `known_text`; Malformed where it is a number, and none that counts.

    Infinity passes every threshold, and Python's `float` takes "1_0" for ten.
    """
    text = known_text(value)
    try:
        float(text)
    except ValueError:
        return text  # a word
    try:
        finite(text)
    except ValueError as error:
        raise Malformed(f"holds no value: {error}", "write a finite number, or a word that none is made of") from error
    return text
