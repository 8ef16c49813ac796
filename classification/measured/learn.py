"""What scikit-learn learns of measurements, as plain arrays, and how its losses fell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from classification.measured.config import MeasuredSettings
from classification.measured.fitted import Fitted, filled
from classification.measured.linear import Linear
from classification.measured.trees import Trees
from spine.training.history import History
from spine.training.schedule import Phase

__all__ = ["Rows", "learn"]

MOST_STEPS = 5000  # of the solver of logistic regression
AT_A_SPLIT = 1 / 3  # of the measurements are tried at each split of a tree, drawn anew


class Rows(NamedTuple):
    """Measurements (N, F) float32, NaN where one lacks, and class indices (N,)."""

    measured: np.ndarray
    values: np.ndarray


def learn(
    settings: MeasuredSettings,
    phase: Phase,
    train: Rows,
    validation: Rows | None,
    class_weights: Mapping[int, float] | None,
    seed: int,
) -> tuple[Fitted, History]:
    """A fitted model and its history: of boosting an epoch a round, and the model of the round of least loss.

    Without validation rows it is that of the last round. Values that lack are the median of the training rows'.
    """
    start = time.perf_counter()
    fill = _medians(train.measured)
    weights = np.ones(len(train.values))
    if class_weights:
        weights = np.array([class_weights[value] for value in train.values.tolist()])
    x = filled(train.measured, fill)
    learn_one = _boosting if settings.model == "gradient_boosting" else _regression
    model, stages = learn_one(settings, phase, x, train.values, weights, seed)
    epochs = [_scores(probabilities, train.values, "") for probabilities in stages(x)]
    if validation is not None:
        others = stages(filled(validation.measured, fill))
        epochs = [own | _scores(one, validation.values, "val_") for own, one in zip(epochs, others, strict=True)]
    history, seconds = History(), (time.perf_counter() - start) / len(epochs)
    for scores in epochs:
        history = history.with_epoch(phase.name, scores | {"seconds": seconds}, phase.learning_rate)
    best = history.best
    assert best is not None
    return Fitted(settings.model, fill, model(int(best["epoch"]))), history


def _medians(measured: np.ndarray) -> np.ndarray:
    """The median (F,) of what is there; 0 where nothing is."""
    there = ~np.isnan(measured)
    medians = [
        np.median(column[known]) if known.any() else 0.0 for column, known in zip(measured.T, there.T, strict=True)
    ]
    return np.array(medians, np.float32)


def _boosting(
    settings: MeasuredSettings, phase: Phase, x: np.ndarray, y: np.ndarray, weights: np.ndarray, seed: int
) -> tuple[Any, Any]:
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        n_estimators=phase.epochs,
        learning_rate=settings.shrinkage,
        max_depth=settings.depth,
        subsample=settings.subsample,
        max_features=AT_A_SPLIT,
        min_samples_leaf=settings.fewest,
        random_state=seed,
    ).fit(x, y, weights)
    return lambda rounds: Trees.of(model, rounds, x[:1]), model.staged_predict_proba


def _regression(
    settings: MeasuredSettings, phase: Phase, x: np.ndarray, y: np.ndarray, weights: np.ndarray, seed: int
) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x.astype(np.float64))
    standard = scaler.transform(x.astype(np.float64))
    model = LogisticRegression(C=1 / settings.l2, max_iter=MOST_STEPS).fit(standard, y, weights)

    def stages(rows: np.ndarray) -> Iterator[np.ndarray]:
        within = np.clip(rows, x.min(axis=0), x.max(axis=0)).astype(np.float64)
        yield model.predict_proba(scaler.transform(within))

    return lambda rounds: Linear.of(scaler, model, x), stages


def _scores(probabilities: np.ndarray, values: np.ndarray, prefix: str) -> dict[str, float]:
    """Cross-entropy and accuracy, as networks have them."""
    right = np.clip(probabilities[np.arange(len(values)), values], 1e-15, None)
    accuracy = float(np.mean(probabilities.argmax(axis=1) == values))
    return {f"{prefix}loss": float(-np.log(right).mean()), f"{prefix}accuracy": accuracy}
