"""The masks that several files draw on one picture -> one mask of the dataset's class indices.

Nothing is drawn over: where two files give one pixel different classes, the picture has no mask, and an error counts
the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from spine.annotations.mask import load_mask
from spine.annotations.types import Annotation
from spine.core.problems import SpineError

__all__ = ["merged_mask"]

_MOST = 255  # classes beside the background, which eight bits can hold


def merged_mask(annotations: Sequence[Annotation], shape: tuple[int, int], labels: list[str]) -> np.ndarray:
    """(H, W) uint8 of the masks that are told of a picture of `shape`; index i + 1 is `labels[i]`, 0 background.

    `labels` are the dataset's, which every source shares: new ones are appended. SpineError where a mask cannot be
    read, has another size than the picture, or gives a pixel another class than an earlier one does.
    """
    drawn = [_of_labels(own, shape) for own in annotations]
    known = list(dict.fromkeys([*labels, *(label for own in annotations for label in own.mask_labels)]))
    if len(known) > _MOST:
        raise SpineError(f"the masks have {len(known)} labels; a mask of 8 bits holds {_MOST}")
    indices = [_renumbered(mask, own.mask_labels, known) for own, mask in zip(annotations, drawn, strict=True)]
    for (own, first), (other, second) in combinations(zip(annotations, indices, strict=True), 2):
        differ = (first > 0) & (second > 0) & (first != second)
        if differ.any():
            classes = " and ".join(_classes(mask[differ], known) for mask in (first, second))
            raise SpineError(
                f"{own.mask} and {other.mask} give {differ.sum()} pixels of one picture different classes, {classes}"
            )
    labels[:] = known
    return np.maximum.reduce(indices)


def _of_labels(annotation: Annotation, shape: tuple[int, int]) -> np.ndarray:
    if annotation.mask is None:
        raise ValueError(f"{annotation.image} is told without a mask")
    mask = load_mask(annotation.mask, annotation.mask_labels)
    if mask.shape != shape:
        raise SpineError(f"the mask {annotation.mask} is {mask.shape}, its picture {shape} (height, width)")
    return mask


def _renumbered(mask: np.ndarray, own: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """From the source's class indices to the dataset's."""
    return np.array([0, *(known.index(label) + 1 for label in own)], dtype=np.uint8)[mask]


def _classes(indices: np.ndarray, known: Sequence[str]) -> str:
    return "/".join(known[index - 1] for index in np.unique(indices))
