"""The members' probabilities as one checked array beside the truth: what every search method starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ensemble.fusion.fuse import tempered, weighted_mean
from spine.core.problems import SpineError
from spine.predictions.probabilities import require_probabilities

__all__ = ["Stack", "as_array", "fused_blocks"]

BLOCK = 16_384  # numbers in one intermediate array, so that it stays in the cache


@dataclass(frozen=True)
class Stack:
    """Members' `probabilities` (M, N, C) float64 in the order of `names`, and the `truth` (N,) as class indices."""

    names: tuple[str, ...]
    probabilities: np.ndarray
    truth: np.ndarray

    @classmethod
    def from_members(cls, members: Mapping[str, np.ndarray], truth: np.ndarray) -> Stack:
        """Check and stack a mapping of name to (N, C); SpineError names the member and what is wrong with it."""
        arrays = {name: as_array(f"member {name!r}", array) for name, array in members.items()}
        shape = next(iter(arrays.values())).shape
        for name, array in arrays.items():
            _require_shape(name, array, shape)
            require_probabilities(f"member {name!r}", array)
        probabilities = np.stack([array.astype(np.float64) for array in arrays.values()])
        return cls(tuple(arrays), probabilities, _checked_truth(truth, *shape))

    def fused(self, weights: np.ndarray) -> np.ndarray:
        """The ensemble's probabilities (N, C) for weights (M,) by the one fusion rule; members of weight 0 left out."""
        kept = np.flatnonzero(weights)
        return weighted_mean(list(self.probabilities[kept]), weights[kept].tolist())

    def tempered(self, temperatures: Sequence[float]) -> Stack:
        """The same members, each scaled by its temperature."""
        scaled = [tempered(one, value) for one, value in zip(self.probabilities, temperatures, strict=True)]
        return replace(self, probabilities=np.stack(scaled))

    def members(self, chosen: np.ndarray) -> Stack:
        """Some members, by their numbers, on the same rows."""
        names = tuple(self.names[number] for number in chosen)
        return replace(self, names=names, probabilities=self.probabilities[chosen])

    def rows(self, chosen: np.ndarray) -> Stack:
        """The same members on some rows: numbers, any as often as it is named, or a mask."""
        return replace(self, probabilities=self.probabilities[:, chosen], truth=self.truth[chosen])

    @cached_property
    def hash(self) -> str:
        """Fingerprint of names, probabilities and truth."""
        digest = hashlib.sha256(repr((self.names, self.probabilities.shape)).encode())
        digest.update(self.probabilities.tobytes())
        digest.update(self.truth.tobytes())
        return digest.hexdigest()


def fused_blocks(weights: np.ndarray, values: np.ndarray) -> Iterator[np.ndarray]:
    """Weighted means of `values` (M, N) by the fusion rule, (rows, N) for successive rows of the weights (V, M)."""
    rows = max(1, BLOCK // values.shape[1])
    for start in range(0, len(weights), rows):
        yield weighted_mean(list(values), list(weights[start : start + rows].T[:, :, None]))


def as_array(name: str, values: Any) -> np.ndarray:
    """As an array; SpineError with the name where rows differ in length."""
    try:
        return np.asarray(values)
    except ValueError:
        raise SpineError(f"{name} is a list whose rows differ in length; give an array") from None


def _require_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < 2:
        raise SpineError(
            f"member {name!r} is {array.shape}; give probabilities (N, C), N >= 1 samples and C >= 2 classes"
        )
    if array.shape != shape:
        raise SpineError(
            f"member {name!r} is {array.shape}, the first member is {shape}; predict all on the same samples"
        )


def _checked_truth(truth: np.ndarray, samples: int, classes: int) -> np.ndarray:
    truth = as_array("truth", truth)
    if truth.shape != (samples,) or truth.dtype.kind not in "iu":
        raise SpineError(f"truth is {truth.dtype} {truth.shape}; give {samples} integers, one a sample")
    if truth.min() < 0 or truth.max() >= classes:
        raise SpineError(
            f"truth has values from {truth.min()} to {truth.max()}; the indices of {classes} classes are 0 to "
            f"{classes - 1}"
        )
    return truth.astype(np.int64)
