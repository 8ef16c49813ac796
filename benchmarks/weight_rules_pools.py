"""Patients that no member learned from, with what members said of them: of stored runs, and of a simulation.

In the simulation members are binormal: member m says logistic(1.5 x) of a disc, x = d'_m (y - 1/2) + e, where y is 0 or
1, d'_m is normal around 1.5 with the spread that is asked for, and e is a normal error of variance 1 whose correlation
between two members is 0.6; 30 % of what members share, and of what each has for itself, belongs to the patient. A
patient has 7 discs and a severity of his own, half of the variance of the liability; about 26 % of discs are positive.
Every draw has members and patients of its own, and its weights are judged on 300 other patients.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pairs_of_patients import PairsOfPatients

from ensemble.engine.nested.resampled_gains import grid_weights, steps_within
from ensemble.engine.nested.scorers import SampleScorer, Scorer
from ensemble.engine.scoring.stack import Stack
from ensemble.experiment_run import ExperimentRun
from ensemble.problem_of import problem_of
from pipeline.experiments import load_experiment
from spine.dataset.truth import BoxTruth
from spine.experiment.stages import steps_of

__all__ = ["Draw", "Simulated", "Stored", "stored"]

LEAST = 7  # patients to judge on
JUDGES = 300  # simulated patients
METRICS = {"classification": "roc_auc", "segmentation": "dice_foreground", "detection": "map50"}


@dataclass(frozen=True)
class Draw:
    """Weights are chosen on the `own` (U,) units of a pool's `scorers` and judged on the units `rest` (U,) of `judges`.

    Both have a scorer a setting of the fusion. `rows` are the probabilities (M, N) and classes (N,) chosen on, of
    classification.
    """

    grid: np.ndarray
    scorers: Sequence[Scorer]
    patients: np.ndarray
    own: np.ndarray
    judges: Sequence[Scorer]
    rest: np.ndarray
    rows: tuple[np.ndarray, np.ndarray] | None = None

    def judged(self, weights: np.ndarray, setting: int) -> float:
        """The score of weights (M,) on the rest; NaN where that has none."""
        judge = self.judges[setting]
        return float(judge.score(next(iter(judge.said(weights[None]))), self.rest[None].astype(np.float64))[0])


@dataclass(frozen=True)
class Remembered(Scorer):
    """A scorer that keeps what the vectors of a grid say of the units."""

    scorer: Scorer
    grid: np.ndarray

    @property
    def fusion(self) -> Any:
        """The scorer's."""
        return self.scorer.fusion

    @cached_property
    def _said(self) -> list[Any]:
        return list(self.scorer.said(self.grid))

    def said(self, weights: np.ndarray) -> Iterator[Any]:
        """Found once for the grid itself."""
        return iter(self._said) if weights is self.grid else self.scorer.said(weights)

    def join(self, said: Sequence[Any], units: np.ndarray) -> Any:
        """The scorer's."""
        return self.scorer.join(said, units)

    def score(self, said: Any, draws: np.ndarray) -> np.ndarray:
        """The scorer's."""
        return self.scorer.score(said, draws)


@dataclass(frozen=True)
class Stored:
    """A run's patients: the units of `scorers` are of `patients` (U,); `rows` are (M, N), (N,) and patients (N,)."""

    name: str
    task: str
    members: int
    grid: np.ndarray
    scorers: tuple[Scorer, ...]
    patients: np.ndarray
    rows: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def can(self, size: int) -> bool:
        """Whether enough patients are left when so many are chosen on."""
        return len(set(self.patients.tolist())) >= size + LEAST

    def draw(self, size: int, random: np.random.Generator) -> Draw:
        """So many patients at random, and the others."""
        own = np.isin(self.patients, random.permutation(np.unique(self.patients))[:size])
        rows = None
        if self.rows:
            probabilities, truth, patients = self.rows
            chosen = np.isin(patients, self.patients[own])
            rows = probabilities[:, chosen], truth[chosen]
        return Draw(self.grid, self.scorers, self.patients, own, self.scorers, ~own, rows)


@dataclass(frozen=True)
class Simulated:
    """Members that differ by a spread of d' (see the module)."""

    spread: float
    members: int = 6
    steps: int = 10
    judges: int = JUDGES
    task: str = "classification"

    @property
    def name(self) -> str:
        """With the spread."""
        return f"simulated, spread {self.spread:g}"

    @cached_property
    def grid(self) -> np.ndarray:
        """All weights of the steps."""
        return grid_weights(self.members, self.steps)

    def can(self, size: int) -> bool:
        """Always."""
        return True

    def draw(self, size: int, random: np.random.Generator) -> Draw:
        """New members, and new patients."""
        strengths = np.maximum(random.normal(1.5, self.spread, self.members), 0)
        own = _auc(*_binormal(strengths, size, random), self.grid)
        probabilities, truth, _ = _binormal(strengths, self.judges, random)
        stack = Stack(
            tuple(map(str, range(self.members))), np.stack([1 - probabilities, probabilities], axis=-1), truth
        )
        everyone, rest = np.ones(size, dtype=bool), np.ones(len(truth), dtype=bool)
        rows = own.probabilities, own.truth
        return Draw(self.grid, (own,), np.arange(size), everyone, (SampleScorer(stack, "roc_auc"),), rest, rows)


def _binormal(
    strengths: np.ndarray, patients: int, random: np.random.Generator, discs: int = 7, shared: float = 0.6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (M, N), classes (N,) and patients (N,)."""
    patient_of = np.repeat(np.arange(patients), discs)
    liability = random.normal(size=patients * discs) + random.normal(size=patients)[patient_of]
    truth = (liability > 0.9).astype(np.int64)

    def errors(count: int) -> np.ndarray:
        of_patients = random.normal(size=(count, patients))[:, patient_of]
        return np.sqrt(0.7) * random.normal(size=(count, len(truth))) + np.sqrt(0.3) * of_patients

    error = np.sqrt(shared) * errors(1) + np.sqrt(1 - shared) * errors(len(strengths))
    return 1 / (1 + np.exp(-1.5 * (strengths[:, None] * (truth - 0.5) + error))), truth, patient_of


def _auc(probabilities: np.ndarray, truth: np.ndarray, patients: np.ndarray, grid: np.ndarray) -> PairsOfPatients:
    return PairsOfPatients(probabilities, truth, np.unique(patients, return_inverse=True)[1], grid)


def stored(directory: Path) -> Stored | None:
    """The pool of a run: its validation and test patients, or with folds those predicted out of fold.

    None of a single member, where there is nothing to choose. SpineError where predictions are missing or stale.
    """
    directory = directory.resolve()
    with contextlib.chdir(directory.parent.parent):  # an experiment's paths begin where it was run
        experiment = load_experiment(directory / "experiment.yaml")
        if len(experiment.members) == 1:
            return None
        run = ExperimentRun(experiment)
        splits = ["out-of-fold"] if experiment.folds else ["validation", "test"]
        parts = [run.predictions(split).to_resample() for split in splits]
        names = list(experiment.members)
        patients = np.concatenate([patients for _, _, patients in parts])
        steps = steps_within(len(names), steps_of(experiment.search.step))
        grid = grid_weights(len(names), steps)
        pool = Stored(directory.name, experiment.task, len(names), grid, (), patients)
        if experiment.task == "classification" and len(experiment.labels) == 2:
            probabilities = np.concatenate([np.stack([of[name][:, 1] for name in names]) for of, _, _ in parts], axis=1)
            truth = np.concatenate([truth for _, truth, _ in parts])
            scorer = _auc(probabilities, truth, patients, grid)
            rows = probabilities, truth, patients
            return replace(pool, scorers=(scorer,), patients=np.unique(patients), rows=rows)
        members = {name: _listed([of[name] for of, _, _ in parts]) for name in names}
        settings = experiment.search.model_copy(update={"metric": METRICS[experiment.task]})
        problem = problem_of(
            members, _truths([truth for _, truth, _ in parts]), experiment.task, settings, patients=patients
        )
        fusion = {"iou_threshold": settings.iou_thresholds[0], "score_threshold": settings.score_thresholds[0]}
        scorers = problem.context(settings, fusion if experiment.task == "detection" else {}).scorers
        return replace(pool, scorers=tuple(Remembered(scorer, grid) for scorer in scorers))


def _listed(parts: Sequence[Any]) -> Any:
    """What one member predicts of all splits, in the form that `search_weights` takes."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [_of_sample(part, number) for part in parts for number in range(len(part.index))]


def _of_sample(part: Any, number: int) -> Any:
    found = part.of_sample(number)
    if isinstance(found, np.ndarray):  # pixels in rows
        height, width = part.index.loc[number, ["height", "width"]]
        return found.reshape(int(height), int(width), -1)
    return found


def _truths(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    if not isinstance(parts[0], BoxTruth):
        return [mask for part in parts for mask in part]
    names = ("samples", "patients", "paths", "sizes", "boxes", "classes")
    return replace(parts[0], **{name: sum((getattr(part, name) for part in parts), ()) for name in names})
