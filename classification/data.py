"""What a classifier trains and stops on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np

from classification.config import Settings
from spine.core.problems import SpineError, within
from spine.dataset.manifest import Manifest
from spine.dataset.targets_truth import NO_VALUE, TargetsTruth
from spine.dataset.truth import ClassTruth
from spine.experiment.config import Experiment
from spine.experiment.truth import read_together
from spine.training.data import FitData
from spine.training.view import View

__all__ = ["Data", "class_weights"]


class Data(FitData):
    """The training rows (bootstrapped where asked) and the validation split of a classifier."""

    train: ClassTruth
    validation: ClassTruth
    settings: Settings

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Settings, seed: int) -> Self:
        """Read the splits of a dataset; SpineError where one is empty, or target, labels or weights do not fit."""
        from spine.training.inputs import bootstrap

        data = super().of(experiment, manifest, settings, seed)
        if len(experiment.siblings) > 1:
            train, validation = read_together(experiment, manifest)
            data = replace(data, train=train, validation=validation)
        if settings.bootstrap != "none":
            data = replace(data, train=bootstrap(data.train, seed, settings.bootstrap))
        _ = data._weights, data.weights_of_targets, data.view  # refused now, not when training starts
        return data

    @property
    def view(self) -> View:
        """What the network sees of a box, its growth as the dataset's where the settings leave that open.

        SpineError where the dataset's crops do not tell of what they were cut out, or of neighbours, and the view needs
        that.
        """
        train = self.train
        view: View = self.settings.view.of_crops(train.grow, train.lost_pictures, train.has_neighbours)
        return view

    @property
    def reader(self) -> Callable[..., Any]:
        """Boxes as the network sees them and one-hot labels (N, C); of mixed pictures their weights in the loss too."""
        from spine.training.inputs import classification_data

        of_boxes = partial(classification_data, view=self.view)
        if not self.settings.augmentation.mixes or (weights := self._weights) is None:
            return of_boxes
        return partial(of_boxes, class_weights=[weights[index] for index in range(len(self.labels))])

    def batches(self, truth: Any, *, training: bool, **how: Any) -> Any:
        """As of every task; of several targets, (N, C) of each, in training times what its classes weigh."""
        import tensorflow as tf

        batches, weights = super().batches(truth, training=training, **how), self.weights_of_targets
        if weights is None:
            return batches

        def of_each(images: Any, together: Any) -> tuple[Any, tuple[Any, ...]]:
            targets = tf.split(together, [len(one) for one in weights], axis=-1)
            return images, tuple(one * own if training else one for one, own in zip(targets, weights, strict=True))

        return batches.map(of_each)

    @property
    def class_weights(self) -> dict[int, float] | None:
        """What each class weighs in the loss; None where the batches tell, as those of mixed pictures do."""
        return None if self.settings.augmentation.mixes else self._weights

    @property
    def _weights(self) -> dict[int, float] | None:
        if isinstance(self.train, TargetsTruth):
            return None
        return class_weights(self.settings.class_weights, self.train.values, self.labels)

    @property
    def weights_of_targets(self) -> tuple[np.ndarray, ...] | None:
        """What the classes (C,) of each of several targets weigh in the loss; None of one target."""
        if not isinstance(self.train, TargetsTruth):
            return None
        weights = []
        for target, values in zip(self.train.labels.items(), self.train.values.T, strict=True):
            name, labels = target
            with within(name):
                own = class_weights(self.settings.class_weights, values[values != NO_VALUE], labels)
            weights.append(np.array([1.0 if own is None else own[index] for index in range(len(labels))], np.float32))
        return tuple(weights)


def class_weights(
    setting: str | Mapping[str, float], values: np.ndarray, labels: Sequence[str]
) -> dict[int, float] | None:
    """Class index -> weight in the loss, or None for "none".

    "balanced" is rows / (classes * rows of the class), so that classes count alike. SpineError where a label has no
    row in `values` (N,), or a mapping does not name every label.
    """
    counts = np.bincount(values, minlength=len(labels))
    absent = [label for label, count in zip(labels, counts, strict=True) if not count]
    if absent:
        raise SpineError(
            f"the training rows hold no {', '.join(map(repr, absent))}; a network cannot learn a class it never sees. "
            "Check the splits (`spine data check`), or leave the label out"
        )
    if setting == "none":
        return None
    if isinstance(setting, str):
        return {index: len(values) / (len(labels) * count) for index, count in enumerate(counts.tolist())}
    if set(setting) != set(labels):
        raise SpineError(
            f"class_weights names {sorted(setting)}; the labels are {list(labels)}, give each one a weight"
        )
    return {index: float(setting[label]) for index, label in enumerate(labels)}
