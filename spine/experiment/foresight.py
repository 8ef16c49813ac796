"""What is known of a training or a search before it begins: classes without an example, a metric without a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import REFIT, Experiment, TaskSettings
from spine.experiment.folds import fold_of_patients, refit, view
from spine.experiment.seeds import member_of_seed
from spine.experiment.truth import read_truth, read_truths
from spine.member.member import Patients
from spine.metrics.classification import COMPARED_OF_GRADES
from spine.tasks import TASKS

__all__ = [
    "absent",
    "reason_undefined",
    "require_classes",
    "require_metric",
    "require_strangers",
    "require_trainable",
    "warn_of_doubts",
    "warn_of_test",
]

Show = Callable[[str], None]
_SIDE = re.compile(r"(?<![^\W_])(left|right|l|r)(?![^\W_])", re.IGNORECASE)  # a word of a label, `_` between words


def absent(truth: Any) -> list[str]:
    """The labels that no sample, no box or no pixel of a truth has, the background left out.

    Masks are read until all are met.
    """
    missing = dict(truth.numbers)
    for classes in truth.classes_met():
        for number in classes:
            missing.pop(number, None)
        if not missing:
            break
    return list(missing.values())


def require_classes(train: Any) -> None:
    """SpineError where a label has no example in the training rows."""
    if missing := absent(train):
        raise SpineError(
            f"the training rows hold no {train.EXAMPLE} of {', '.join(map(repr, missing))}; a network cannot "
            "learn a class it never sees. Check the splits (`spine data check`), or leave the label out"
        )


def require_trainable(experiment: Experiment, dataset: Manifest, names: Sequence[str], show: Show) -> None:
    """Tell once, before any training starts, what would end each one: a wrong label or target, a file that lacks."""
    if not names:
        return
    trains = [read_truths(one, dataset)[0] for one in experiment.siblings]
    samples = len({sample for train in trains for sample in train.samples})
    for name in names:
        for one, train in zip(experiment.siblings, trains, strict=True):
            try:
                experiment.members[name].check(train)
            except SpineError as error:
                raise SpineError(f"members.{name}{f' of {one.target}' if experiment.heads else ''}: {error}") from None
        if (batch := experiment.members[name].batch) > samples * getattr(experiment.members[name], "repeats", 1):
            show(f"warning: members.{name}: batch is {batch}; the {samples} training samples are one batch")


def warn_of_doubts(experiment: Experiment, names: Sequence[str], show: Show) -> None:
    """Show what these members' settings allow and is likely a slip."""
    for name in names:
        for doubt in (*experiment.members[name].doubts, *_flips_of_sides(experiment, experiment.members[name])):
            show(f"warning: members.{name}: {doubt}")
    for seeds in _seeds_that_draw_nothing(experiment, names):
        show(f"warning: members {', '.join(seeds)} are the same, since nothing in them is drawn; leave seeds out")


def _flips_of_sides(experiment: Experiment, settings: TaskSettings) -> Iterator[str]:
    """A doubt for each pair of labels that a flip may exchange, where pictures are flipped left to right."""
    if not _is_flipped(settings):
        return
    for labels in (one.labels for one in experiment.siblings):
        for left, right in combinations(labels, 2):
            if left != right and _SIDE.sub("*", left) == _SIDE.sub("*", right):
                yield (
                    f"horizontal_flip turns {left!r} into what {right!r} looks like, and the label stays as it is; "
                    "unless the pictures are sagittal, leave it out of augmentation and test_time"
                )


def _is_flipped(settings: TaskSettings) -> bool:
    augmentation = getattr(settings, "augmentation", None)  # what is no network has none
    in_training = augmentation is not None and augmentation.horizontal_flip > 0
    return in_training or "horizontal_flip" in getattr(settings, "test_time", ())


def _seeds_that_draw_nothing(experiment: Experiment, names: Sequence[str]) -> list[list[str]]:
    alike: dict[str, list[str]] = {}
    for name in names:
        if (of := member_of_seed(name)) and getattr(experiment.members[name], "draws_nothing", False):
            alike.setdefault(of, []).append(name)
    return [seeds for seeds in alike.values() if len(seeds) > 1 and _are_the_same(experiment, seeds)]


def _are_the_same(experiment: Experiment, names: Sequence[str]) -> bool:
    first, *others = (experiment.members[name] for name in names)
    return all(other == first for other in others)


def warn_of_test(experiment: Experiment, manifest: Manifest, show: Show) -> None:
    """Show that the verdict's metric has no value on test; SpineError where there is no test split at all."""
    if reason := reason_undefined(experiment, manifest, "test"):
        show(f"warning: the verdict's metric {_headline(experiment)} {reason}")


def _headline(experiment: Experiment) -> str:
    """The metric that the verdict is about."""
    return COMPARED_OF_GRADES[0] if experiment.ordinal else TASKS[experiment.task].metrics.headline


def require_metric(experiment: Experiment, manifest: Manifest) -> None:
    """SpineError where the truth that weights are searched on leaves the search's metric without a value."""
    metric = experiment.search.metric or TASKS[experiment.task].metrics.searched
    seen, split = manifest, "validation"
    if experiment.folds:
        seen, split = view(refit(experiment), manifest), "train"  # all patients of the folds: each is left out once
    if reason := reason_undefined(experiment, seen, split, metric):
        raise SpineError(f"search.metric is {metric}, which {reason}; search by another metric, or split anew")


def require_strangers(experiment: Experiment, manifest: Manifest, names: Sequence[str]) -> None:
    """SpineError where a member starts from, or holds, a model that has learned from patients whom a fold's model is to
    predict unseen. With `stop_on: inner` whoever stopped it counts as well.
    """
    if not experiment.folds or experiment.fold == REFIT:
        return
    fold_of = fold_of_patients(experiment, manifest)
    for fold in [experiment.fold] if isinstance(experiment.fold, int) else range(experiment.folds):
        own = {patient_hash(patient) for patient, number in fold_of.items() if number == fold}
        for name in names:
            for path, patients in _models_of_fold(experiment.members[name], fold).items():
                seen = {*patients.trained, *(patients.stopped if experiment.stop_on == "inner" else ())} & own
                if seen:
                    raise SpineError(
                        f"members.{name}: {path} has learned from {len(seen)} of the {len(own)} patients of fold "
                        f"{fold}, so they would not be predicted out of fold. Give one that was trained on other "
                        "patients; as a segmenter also one with folds of the same patients and the same `stop_on`, as "
                        "datasets have that `folds` of one data config divides"
                    )


def _models_of_fold(settings: Any, fold: int) -> Mapping[Path, Patients]:
    """What a member's model of a fold starts from or holds, and whom that has seen; most start from nothing."""
    found: Mapping[Path, Patients] = settings.models_of_fold(fold) if hasattr(settings, "models_of_fold") else {}
    return found


def reason_undefined(experiment: Experiment, manifest: Manifest, split: str, metric: str = "") -> str:
    """Why a metric, the verdict's unless given, has no value on a split; empty where it has one."""
    metric = metric or _headline(experiment)
    truth = read_truth(experiment, manifest, split)
    if TASKS[experiment.task].is_defined(metric, truth):
        return ""
    missing = absent(truth)
    where = "what is predicted out of fold" if experiment.folds and split == "train" else f"the {split} split"
    return f"has no value on {where}: it holds no {' or '.join(map(repr, missing)) or 'image that it counts'}"
