"""The predict stage: every member's SavedModel over the validation and test pictures, stored for later stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spine.config import Experiment
from spine.manifest import Manifest
from spine.member import Member, Predictions
from spine.problems import SpineError
from spine.truth import Truth

__all__ = ["SPLITS", "load_model", "predict_pictures", "predict_split", "run"]

SPLITS = ("validation", "test")
BATCH = 32  # pictures a call: memory stays bounded however many there are


def run(experiment: Experiment) -> list[Path]:
    """Predict both splits with every member; predictions that are up to date are kept."""
    from rich.progress import Progress

    manifest = Manifest.read(experiment.data)
    truths = {split: Truth.of_classification(manifest, split, experiment.target, experiment.labels) for split in SPLITS}
    members = [Member.open(experiment.member_directory(name)) for name in experiment.members]
    with Progress(transient=True) as progress:
        task = progress.add_task("predict", total=len(members) * sum(len(truth.samples) for truth in truths.values()))
        for member in members:
            progress.update(task, description=f"predict {member.name}")
            _predict_member(member, truths, lambda done: progress.advance(task, done))
    return [member.path / "predictions" / split for member in members for split in SPLITS]


def _predict_member(member: Member, truths: dict[str, Truth], advance: Callable[[int], None]) -> None:
    stale = {split: truth for split, truth in truths.items() if not _is_current(member, split, truth)}
    if not stale:
        return
    model = load_model(member)
    for split, truth in stale.items():
        predict_split(member, model, split, truth, advance)


def _is_current(member: Member, split: str, truth: Truth) -> bool:
    if not (member.path / "predictions" / split / "predictions.json").exists():
        return False
    stored = Predictions.open(member.path / "predictions" / split)
    return (stored.model_hash, stored.truth_hash) == (member.card.model_hash, truth.hash)


def load_model(member: Member) -> Any:
    """The member's SavedModel; SpineError where its labels or signatures do not follow the contract."""
    import tensorflow as tf

    model = tf.saved_model.load(str(member.model))
    missing = {"serving_default", "image"} - set(model.signatures)
    if missing:
        raise SpineError(
            f"the SavedModel {member.model} lacks the signatures {sorted(missing)}; it has {sorted(model.signatures)}. "
            "Export it with `serving_default(image_bytes)` and `image(image)` (docs/design.md, The contract)"
        )
    return model


def predict_pictures(model: Any, paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Probabilities (n, C) float32 of successive batches of picture files, through `serving_default(image_bytes)`."""
    import tensorflow as tf

    serve = model.signatures["serving_default"]
    for start in range(0, len(paths), BATCH):
        encoded = [path.read_bytes() for path in paths[start : start + BATCH]]
        yield serve(image_bytes=tf.constant(encoded))["probabilities"].numpy()


def predict_split(
    member: Member, model: Any, split: str, truth: Truth, advance: Callable[[int], None] = lambda done: None
) -> Predictions:
    """Predict one split with a member's loaded model and store what it said; `advance` is told each batch's size."""
    import pandas as pd

    batches = []
    for batch in predict_pictures(model, truth.paths):
        batches.append(batch)
        advance(len(batch))
    index = pd.DataFrame({"sample": truth.samples, "patient": truth.patients, **_sizes(truth)})
    index["offset"] = range(len(index))
    return Predictions.write(
        member.path / "predictions" / split,
        np.concatenate(batches).astype(np.float32),
        index,
        task=member.card.task,
        labels=member.card.labels,
        split=split,
        model_hash=member.card.model_hash,
        truth_hash=truth.hash,
    )


def _sizes(truth: Truth) -> dict[str, Sequence[int]]:
    heights, widths = zip(*truth.sizes, strict=True)
    return {"height": heights, "width": widths}
