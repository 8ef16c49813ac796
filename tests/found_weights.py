"""Weights as a search would have found them, in memory."""

from collections.abc import Mapping
from typing import Any

from ensemble.results.found_weights import FoundWeights

__all__ = ["ESTIMATE", "found_weights"]

ESTIMATE = {"score": 0.88, "optimism": 0.02, "resamples": 200, "low": 0.81, "high": 0.93, "equal": 0.87, "single": 0.86}


def found_weights(weights: Mapping[str, float] | None = None, **others: Any) -> FoundWeights:
    """These weights; what is not given is as of a grid search for accuracy."""
    content = {"metric": "accuracy", "method": "grid", "step": 0.1, "score": 0.9, "split": "validation"}
    known = {"predictions": {}, "patients": {"salt": "", "searched": []}}
    return FoundWeights.model_validate({**content, **known, "weights": dict(weights or {"a": 1.0}), **others})
