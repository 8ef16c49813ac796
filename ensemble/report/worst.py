"""The ensemble's most confident errors on the test split, as pictures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.contenders import Contenders
from spine.pictures import read_picture
from spine.problems import SpineError

__all__ = ["Case", "worst_cases"]

LONGEST = 280  # pixels of a picture's longer side in the page


@dataclass(frozen=True)
class Case:
    """One unit: its picture (a data URL, "" where it cannot be read), what is true and what each row said."""

    sample: str
    slices: int
    picture: str
    truth: str
    called: str
    probability: float  # of the called class
    said: dict[str, float]  # row -> probability of the true class


def worst_cases(contenders: Contenders, count: int = 8) -> list[Case]:
    """The units that the ensemble has wrong, the most confident error first; at most `count`."""
    probabilities = contenders.ensemble.probabilities
    called = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(called != contenders.values)
    order = wrong[np.argsort(-probabilities[wrong, called[wrong]], kind="stable")]
    return [_case(contenders, unit, int(called[unit])) for unit in order[:count]]


def _case(contenders: Contenders, unit: int, called: int) -> Case:
    truth = contenders.truth
    units = np.array(truth.units)
    rows = np.flatnonzero(units == np.unique(units)[unit])
    middle = rows[len(rows) // 2]
    right = int(contenders.values[unit])
    return Case(
        sample=truth.samples[middle],
        slices=len(rows),
        picture=_data_url(truth.paths[middle]),
        truth=truth.labels[right],
        called=truth.labels[called],
        probability=float(contenders.ensemble.probabilities[unit, called]),
        said={row.name: float(row.probabilities[unit, right]) for row in contenders.rows},
    )


def _data_url(path: Path) -> str:
    import cv2

    try:
        pixels = read_picture(path, path.name).pixels.astype(np.float32)
    except (SpineError, OSError):
        return ""
    low, high = np.percentile(pixels, [0.5, 99.5])
    grey = np.clip((pixels - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    scale = LONGEST / max(grey.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    _, encoded = cv2.imencode(".png", cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how))
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()
