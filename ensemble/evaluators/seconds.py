"""How long a SavedModel takes for one picture, on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

__all__ = ["TIMED", "Timing", "seconds_of"]

TIMED = 12  # pictures, spread over the split: a median needs no more
Timing = Callable[[Path], np.ndarray]  # `seconds_of` of certain pictures


def seconds_of(model: Path, paths: Sequence[Path]) -> np.ndarray:
    """Seconds (N,) that each picture takes alone through `serving_default`; NaN for those that are not timed.

    The first picture goes through once before, so that tracing is not counted. All NaN where the model does not load.
    """
    import tensorflow as tf

    seconds = np.full(len(paths), np.nan)
    try:
        serve = tf.saved_model.load(str(model)).signatures["serving_default"]
    except (OSError, KeyError, ValueError):  # a file that is no SavedModel is a ValueError
        return seconds
    chosen = np.unique(np.linspace(0, len(paths) - 1, TIMED).astype(int))
    serve(image_bytes=tf.constant([paths[chosen[0]].read_bytes()]))
    for number in chosen:
        encoded = tf.constant([paths[number].read_bytes()])
        start = time.perf_counter()
        for answer in serve(image_bytes=encoded).values():
            answer.numpy()  # what is queued on a GPU is not yet answered
        seconds[number] = time.perf_counter() - start
    return seconds
