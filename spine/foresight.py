"""What is known of a training or a search before it begins: classes without an example, a metric without a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from spine.config import Experiment
from spine.detections import Detections
from spine.folds import refit, view
from spine.manifest import Manifest
from spine.metrics import HEADLINE, SEARCHED, TABLES
from spine.problems import SpineError
from spine.truth import BoxTruth, MaskTruth, Truth, read_truth

__all__ = ["absent", "require_classes", "require_metric", "require_trainable", "warn_of_test", "why_undefined"]

Show = Callable[[str], None]
_EXAMPLES = {Truth: "sample", MaskTruth: "pixel", BoxTruth: "box"}


def absent(truth: Any) -> list[str]:
    """The labels that no sample, no box or no pixel of a truth has, the background left out.

    Masks are read until all are met.
    """
    first = 1 if isinstance(truth, BoxTruth) else 0  # boxes' classes begin at 1
    missing = set(range(first, first + len(truth.labels))) - ({0} if isinstance(truth, MaskTruth) else set())
    for classes in _classes(truth):
        missing -= classes
        if not missing:
            break
    return [truth.labels[number - first] for number in sorted(missing)]


def _classes(truth: Any) -> Iterator[set[int]]:
    if isinstance(truth, MaskTruth):
        return (set(np.unique(mask).tolist()) for mask in truth)
    if isinstance(truth, BoxTruth):
        return (set(classes.tolist()) for classes in truth.classes)
    return iter([set(truth.values.tolist())])


def require_classes(train: Any) -> None:
    """SpineError where a label has no example in the training rows."""
    if missing := absent(train):
        raise SpineError(
            f"the training rows hold no {_EXAMPLES[type(train)]} of {', '.join(map(repr, missing))}; a network cannot "
            "learn a class it never sees. Check the splits (`spine data check`), or leave the label out"
        )


def require_trainable(experiment: Experiment, dataset: Manifest, names: Sequence[str], show: Show) -> None:
    """Tell once, before any training starts, what would end each one: a wrong label or target, a file that lacks."""
    from spine.training.data import read_truths

    if not names:
        return
    train, _ = read_truths(experiment, dataset)
    for name in names:
        try:
            experiment.members[name].check(train)
        except SpineError as error:
            raise SpineError(f"members.{name}: {error}") from None
        if (batch := experiment.members[name].batch) > len(train.samples):
            show(f"warning: members.{name}: batch is {batch}; the {len(train.samples)} training samples are one batch")


def warn_of_test(experiment: Experiment, manifest: Manifest, show: Show) -> None:
    """Show that the verdict's metric has no value on test; SpineError where there is no test split at all."""
    if reason := why_undefined(experiment, manifest, "test"):
        show(f"warning: the verdict's metric {HEADLINE[experiment.task]} {reason}")


def require_metric(experiment: Experiment, manifest: Manifest) -> None:
    """SpineError where the truth that weights are searched on leaves the search's metric without a value."""
    metric = experiment.search.metric or SEARCHED[experiment.task]
    seen, split = manifest, "validation"
    if experiment.folds:
        seen, split = view(refit(experiment), manifest), "train"  # all patients of the folds: each is left out once
    if reason := why_undefined(experiment, seen, split, metric):
        raise SpineError(f"search.metric is {metric}, which {reason}; search by another metric, or split anew")


def why_undefined(experiment: Experiment, manifest: Manifest, split: str, metric: str = "") -> str:
    """Why a metric, the task's headline unless given, has no value on a split; empty where it has one."""
    metric = metric or HEADLINE[experiment.task]
    truth = read_truth(experiment, manifest, split)
    if isinstance(truth, MaskTruth):
        missing = absent(truth)
        undefined = "foreground" in metric and set(truth.labels[1:]) <= set(missing)
    else:
        undefined = not math.isfinite(float(TABLES[experiment.task][metric].function(*_of_itself(truth))))
        missing = absent(truth) if undefined else []
    if not undefined:
        return ""
    where = "what is predicted out of fold" if experiment.folds and split == "train" else f"the {split} split"
    return f"has no value on {where}: it holds no {' or '.join(map(repr, missing)) or 'image that it counts'}"


def _of_itself(truth: Truth | BoxTruth) -> tuple[Any, ...]:
    """What a metric takes, of a prediction that is all right: where that has no value, none has."""
    if isinstance(truth, Truth):
        probabilities, values, _ = truth.by_unit(np.eye(len(truth.labels))[truth.values])
        return values, probabilities
    from spine.metrics.matches import match_images

    found = []
    for boxes, classes, (height, width) in zip(truth.boxes, truth.classes, truth.sizes, strict=True):
        relative = boxes[:, [1, 0, 3, 2]] / np.array([height, width, height, width], np.float32)
        found.append(Detections.from_arrays(relative, np.ones(len(boxes), np.float32), classes))
    return (match_images(truth, found),)
