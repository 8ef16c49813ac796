"""A training of a few batches that is measured: what an epoch takes, what it holds in memory and what it writes.

It runs all that a training runs, from the network's weights to the SavedModel, and keeps nothing of it.
"""

from __future__ import annotations

import resource
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spine.core.files import size_of
from spine.core.quiet import silence_tensorflow
from spine.dataset.truth import AnyTruth, ClassTruth
from spine.experiment.config import Experiment
from spine.experiment.dataset import read_dataset
from spine.experiment.folds import view
from spine.experiment.outcomes import outcomes
from spine.training.fitting import Fitting
from spine.training.trainer import FittingOf, seed_of

__all__ = ["FORWARD", "Rehearsal", "few", "pictures_of_epoch", "rehearse_member"]

BATCHES = 3  # of a rehearsal's epoch
EPOCHS = 2  # of each phase: the first has what is done once, such as tracing the graph
MASKS = 20  # that are read to find an example of each class
FORWARD = 1 / 3  # what a picture of validation costs of one of training, which also goes backward and is learned from


@dataclass(frozen=True)
class Rehearsal:
    """What a few batches took; `pictures` are those of an epoch, as `pictures_of_epoch` counts."""

    pictures: float
    epoch_seconds: Mapping[str, float]  # phase -> its last epoch's
    lengths: Mapping[str, int]  # phase -> its epochs, in the rehearsal
    memory: int  # bytes, the most that the process held
    gpu_memory: int  # bytes likewise of the first GPU; 0 without one
    kept: int  # bytes that the member's directory holds for good, a SavedModel mostly
    passing: int  # bytes of checkpoints, which go when the training has ended


def pictures_of_epoch(train: int, validation: int) -> float:
    """How many pictures of training an epoch costs as much as, that learns from so many and is validated on so many."""
    return train + FORWARD * validation


def rehearse_member(fitting_of: FittingOf, experiment: Experiment, member: str) -> Rehearsal:
    """Train a member on a few batches, in a folder that is removed again, and measure that.

    SpineError where the training itself would end in one.
    """
    silence_tensorflow()
    experiment.runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=experiment.runs, prefix=".rehearsal-") as folder:
        elsewhere = experiment.model_copy(update={"runs": Path(folder)})
        manifest = view(elsewhere, read_dataset(elsewhere))
        first, *others = outcomes(elsewhere, member)
        whole = fitting_of(first.experiment, first.member, manifest, seed_of(elsewhere, first.member))
        fitting = _shortened(whole)
        fitting.directory.mkdir(parents=True)
        history = fitting.run()
        passing = size_of(fitting.checkpoints.path)
        train, validation = fitting.data.train, fitting.data.validation
        published = fitting.outcome(first) if others else fitting
        published.export(published.best_network())
        return Rehearsal(
            pictures=pictures_of_epoch(len(train.samples), len(validation.samples) if validation is not None else 0),
            epoch_seconds={str(row["phase"]): float(row["seconds"]) for row in history.rows},
            lengths=dict(Counter(str(row["phase"]) for row in history.rows)),
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            gpu_memory=_gpu_memory(),
            kept=(size_of(fitting.directory) - passing) * (1 + len(others)),
            passing=passing,
        )


def _shortened(fitting: Fitting) -> Fitting:
    """The same training with a few epochs a phase, of a few batches."""
    data = fitting.data
    wanted = BATCHES * fitting.settings.batch
    train = few(data.train, wanted)
    validation = data.validation
    if validation is not None:
        share = len(train.samples) / len(data.train.samples)
        validation = few(validation, max(1, round(share * len(validation.samples))))
    return replace(
        fitting,
        data=replace(data, train=train, validation=validation),
        epochs_per_phase={phase.name: max(EPOCHS, phase.cycles) for phase in fitting.phases},
    )


def few(truth: Any, count: int) -> Any:
    """So many samples evenly spread, and beside them one of each class that is to be met."""
    from spine.training.inputs import subset

    samples = len(truth.samples)
    spread = np.linspace(0, samples - 1, min(count, samples)).round().astype(int)
    return subset(truth, sorted({*spread.tolist(), *_first_of_each_class(truth)}))


def _first_of_each_class(truth: AnyTruth) -> list[int]:
    """The rows in which a class, or one of a target, is met for the first time; of masks at most of `MASKS`."""
    met: set[Hashable] = set()
    first: list[int] = []
    for row, own in enumerate(_classes_of_rows(truth)):
        if own - met:
            first.append(row)
        met |= own
    return first


def _classes_of_rows(truth: AnyTruth) -> Iterable[set[Any]]:
    if isinstance(truth, ClassTruth):
        return (set(enumerate(np.atleast_1d(own).tolist())) for own in truth.values)
    return islice(truth.classes_met(), MASKS)


def _gpu_memory() -> int:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return 0
    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
