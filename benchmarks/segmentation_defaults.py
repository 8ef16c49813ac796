"""How the defaults of segmentation members were chosen: one change at a time, judged on validation patients alone.

    python benchmarks/segmentation_defaults.py [benchmarks/segmentation_defaults.yaml]

Every member of the experiment is its first one with one change. Each is trained, then measured at the images' own size:
Dice pooled over pixels, and the difference to the first member with its 95 % interval over patients, the same resamples
for every row. Flips at test time need no training of their own: they are rows of the first member.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from pipeline.experiments import load_experiment
from pipeline.training import train_members
from spine.core.progress import track
from spine.core.quiet import silence_tensorflow
from spine.dataset.manifest import Manifest
from spine.dataset.truth import MaskTruth
from spine.experiment.config import Experiment
from spine.member.member import Member
from spine.metrics.segmentation import count, dice, mean_over_pixels
from spine.metrics.statistics import Interval, interval, patient_resamples

FLIPS = ("horizontal", "vertical")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", nargs="?", default=str(Path(__file__).with_suffix(".yaml")))
    experiment = load_experiment(parser.parse_args().experiment)
    train_members(experiment, print)
    silence_tensorflow()
    truth = MaskTruth.of_segmentation(Manifest.read(experiment.data), "validation", experiment.labels)
    Console(width=110).print(table_of(counts_of_rows(experiment, truth), truth))


def counts_of_rows(experiment: Experiment, truth: MaskTruth) -> dict[str, np.ndarray]:
    """Counts (N, C, 3) of every member, then of the first one with each flip."""
    first = next(iter(experiment.members))
    rows: dict[str, tuple[str, tuple[str, ...]]] = {name: (name, ()) for name in experiment.members}
    rows |= {f"{first}, {flip} test-time flip": (first, (flip,)) for flip in FLIPS}
    return {
        row: _counts(truth, masks(Member.open(experiment.member_directory(name)), truth, flips))
        for row, (name, flips) in track(rows.items(), "predicting validation", len(rows))
    }


def _counts(truth: MaskTruth, predicted: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack([count(*pair, len(truth.labels)) for pair in zip(truth, predicted, strict=True)])


def masks(member: Member, truth: MaskTruth, flips: tuple[str, ...]) -> Iterator[np.ndarray]:
    """The class of every pixel (H, W) of one image after the other, by the member's SavedModel."""
    from segmentation.export import with_flips
    from spine.member.run_model import load_model
    from spine.training.preprocess import decode

    model = load_model(member)

    def network(images: Any) -> Any:
        return model.signatures["image"](image=images)["probabilities"]

    for path in truth.paths:
        yield with_flips(network, decode(path.read_bytes())[None], flips).numpy()[0].argmax(axis=-1)


def table_of(rows: dict[str, np.ndarray], truth: MaskTruth) -> Table:
    """Each row's Dice, and its foreground's difference to the first row's."""
    draws = patient_resamples(truth.patients, 2000, seed=0)
    base = next(iter(rows.values()))
    table = Table("change", "foreground Dice", *truth.labels[1:], "difference (95 %)")
    for name, counts in rows.items():
        scores = [mean_over_pixels(counts), *dice(counts)[1:]]
        found = "" if counts is base else told(difference(counts, base, draws))
        table.add_row(name, *(f"{score:.3f}" for score in scores), found)
    return table


def difference(counts: np.ndarray, base: np.ndarray, draws: np.ndarray) -> Interval:
    return interval(lambda weights: mean_over_pixels(counts, weights) - mean_over_pixels(base, weights), draws)


def told(found: Interval) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


if __name__ == "__main__":
    main()
