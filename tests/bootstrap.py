"""The interval of a statistic over fresh resamples of patients, in one call."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spine.metrics.statistics import Interval, interval, patient_resamples


def bootstrap_interval(
    statistic: Callable[[np.ndarray], Any],
    patients: Sequence[str] | np.ndarray,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`interval` over fresh `patient_resamples` (Field and Welsh 2007: the cluster bootstrap)."""
    return interval(statistic, patient_resamples(patients, resamples, seed), confidence)
