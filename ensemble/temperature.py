"""A temperature for each member, which makes it as sure as it is right: fitted by log loss, with the weights.

Guo et al., "On calibration of modern neural networks" (ICML 2017), here of probabilities instead of logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ensemble.engine.scoring.images import some_pixels
from ensemble.engine.scoring.stack import Stack
from spine.metrics import CLIP
from spine.problems import SpineError

__all__ = ["fit_temperature", "fit_temperatures"]

LARGEST = 10.0  # and the least is 1 / LARGEST: beyond, a member is all but certain, or says nothing
PIXELS = 200_000  # of all images together: a single number needs no more


def fit_temperatures(members: Mapping[str, Any], truth: Any, task: str = "classification") -> dict[str, float]:
    """The temperature of every member, given as `search_weights` takes them; of segmentation from a sample of pixels.

    SpineError for detection, whose scores are no probabilities of classes.
    """
    if task == "detection":
        raise SpineError("temperature scales class probabilities, which detection does not have; leave it out")
    if task == "segmentation":
        values, classes = some_pixels(members, truth, PIXELS)
    else:
        stack = Stack.from_members(members, truth)
        values, classes = stack.probabilities, stack.truth
    return {name: fit_temperature(one, classes) for name, one in zip(members, values, strict=True)}


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature of least log loss for probabilities (N, C) of classes `truth` (N,)."""
    logs = np.log(np.clip(probabilities, CLIP, 1))
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:  # convex in 1 / temperature, so it has one minimum
        return -float(log_softmax(logs / np.exp(log_temperature), axis=1)[rows, truth].mean())

    most = np.log(LARGEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-most, most), method="bounded", options={"xatol": 1e-6}).x))
