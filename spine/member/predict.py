"""Running members over splits: what each one's SavedModel predicts of the pictures, stored for later stages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spine.core.problems import SpineError
from spine.core.words import enumerated
from spine.dataset.detections import Detections
from spine.dataset.truth import AnyTruth
from spine.member.member import Member
from spine.member.run_model import detect_pictures, load_model, predict_samples
from spine.predictions.predictions import AnyPredictions, index_of
from spine.tasks import TASKS

__all__ = ["is_current", "predict_missing", "predict_split"]


def predict_missing(
    members: Collection[Member], truths: Mapping[str, AnyTruth], measurements: Path | None = None
) -> None:
    """Store what each member says of each truth's samples, by the name of their split; what is up to date is kept.

    What members measure on pictures is kept in the folder of `measurements`, where there is one, for all of them.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("predict", total=len(members) * sum(len(truth.samples) for truth in truths.values()))
        for member in members:
            progress.update(task, description=f"predict {member.name}")
            _predict_member(member, truths, measurements, lambda done: progress.advance(task, done))


def _predict_member(
    member: Member, truths: Mapping[str, AnyTruth], measurements: Path | None, advance: Callable[[int], None]
) -> None:
    stale = {split: truth for split, truth in truths.items() if not is_current(member, split, truth)}
    if not stale:
        return
    if member.card.kind == "foreign":
        whys = "; ".join(member.why_stale(split, truth) for split, truth in stale.items())
        raise SpineError(
            f"{member.name!r} is an external member, and its stored predictions are not of {enumerated(stale)} as "
            f"the dataset is now: {whys}. Write them to {member.path} again (docs/foreign_members.md)"
        )
    model = load_model(member)
    for split, truth in stale.items():
        predict_split(member, model, split, truth, advance, measurements)


def is_current(member: Member, split: str, truth: AnyTruth) -> bool:
    """Whether the member has stored predictions of just this truth, made by what it is now."""
    return not member.why_stale(split, truth)


def predict_split(
    member: Member,
    model: Any,
    split: str,
    truth: AnyTruth,
    advance: Callable[[int], None] = lambda done: None,
    measurements: Path | None = None,
) -> AnyPredictions:
    """Predict one split with a member's loaded model and store what it said, a batch in memory at a time.

    `advance` is told how many are done. SpineError where a map's size is not the picture's, or an answer is no answer.
    """
    path, card = member.path / "predictions" / split, member.card
    head = {"split": split, "model_hash": card.model_hash, "truth_hash": truth.hash}
    index = index_of(truth, card.task)
    task = TASKS[card.task]
    answers: Any = (
        _answers(member, model, truth, advance, measurements)
        if task.has_probabilities
        else _detections(member, model, truth, advance)
    )
    return task.predictions.write(path, answers, index, task=card.task, labels=card.labels, **head)


def _detections(member: Member, model: Any, truth: AnyTruth, advance: Callable[[int], None]) -> Iterator[Detections]:
    answers = detect_pictures(model, truth.paths)
    for sample in truth.samples:
        try:
            found = next(answers)
        except SpineError as error:
            raise SpineError(f"the answer of {member.name!r} to {sample} breaks the contract: {error}") from error
        yield found
        advance(1)


def _answers(
    member: Member, model: Any, truth: AnyTruth, advance: Callable[[int], None], measurements: Path | None
) -> Iterator[np.ndarray]:
    done = 0
    for batch in predict_samples(model, truth, measurements):
        if batch.ndim == 4 and batch.shape[1:3] != truth.sizes[done]:
            raise SpineError(
                f"{member.name!r} answers {truth.samples[done]} with {batch.shape[1:3]} pixels, but the picture has "
                f"{truth.sizes[done]}; its SavedModel must resize to the input's own height and width"
            )
        yield batch
        done += len(batch)
        advance(len(batch))
