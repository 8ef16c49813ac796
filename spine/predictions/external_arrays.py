"""What a model of any framework predicted, checked against the truth's samples before it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.truth import AnyTruth
from spine.predictions.probabilities import require_probabilities

__all__ = ["checked_boxes", "checked_maps", "checked_rows"]


def checked_rows(predicted: Any, truth: AnyTruth) -> np.ndarray:
    """Probabilities (N, C) of classification; SpineError where they are of another shape."""
    wanted = (len(truth.samples), len(truth.labels))
    array = predicted if isinstance(predicted, np.ndarray) else _array("what was said", list(predicted))
    if array.shape != wanted:
        raise SpineError(f"probabilities of shape {array.shape} were given; the dataset asks for {wanted}: (N, C)")
    require_probabilities("what was said", array, lambda row: f"row {row} (sample {truth.samples[row]!r})")
    return array


def checked_maps(predicted: Any, truth: AnyTruth) -> Iterator[np.ndarray]:
    """Probabilities (H, W, C) of one picture after the other, each checked against the picture's own size."""
    number = -1
    for number, given in enumerate(predicted):
        if number == len(truth.samples):
            raise SpineError(f"more maps than the {number} pictures were given")
        sample, array = truth.samples[number], _array(f"the map of {truth.samples[number]}", given)
        wanted = (*truth.sizes[number], len(truth.labels))
        if array.shape not in (wanted, (wanted[0] * wanted[1], wanted[2])):  # or its rows of pixels, one after another
            raise SpineError(
                f"the map of {sample} is {array.shape}; give its picture's (H, W, C), {wanted}, rows before columns"
            )
        require_probabilities(f"the map of {sample}", array.reshape(-1, wanted[2]), lambda row: f"pixel {row}")
        yield array
    if number + 1 < len(truth.samples):
        raise SpineError(f"{number + 1} maps were given; the dataset has {len(truth.samples)} pictures")


def checked_boxes(predicted: Iterable[Detections], truth: AnyTruth) -> Iterable[Detections]:
    """`Detections` of one picture after the other: counted, and looked at one by one, as they are written."""
    return predicted


def _array(whose: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise SpineError(f"{whose} is no array ({error}); give an array of probabilities") from None
