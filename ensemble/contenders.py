"""The rows of the leaderboard: every member, equal weights and the searched ensemble, on one split's units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ensemble.fuse import weighted_mean, without_zeros
from ensemble.predictions import read_split
from spine.config import Experiment
from spine.files import read_json
from spine.problems import SpineError
from spine.truth import Truth

__all__ = ["EQUAL", "Contender", "Contenders", "read_contenders", "read_weights"]

EQUAL = "equal weights"  # with a space, so that no member can have the name


@dataclass(frozen=True)
class Contender:
    """One row: what it said of each unit, (U, C) float64; `weight` is a member's in the ensemble, else None."""

    name: str
    kind: Literal["member", "equal", "ensemble"]
    weight: float | None
    probabilities: np.ndarray


@dataclass(frozen=True)
class Contenders:
    """All rows of one split, with the truth of its samples and, per unit, the class (U,) and the patient (U,)."""

    rows: tuple[Contender, ...]
    truth: Truth
    values: np.ndarray
    patients: np.ndarray

    @property
    def members(self) -> tuple[Contender, ...]:
        """The rows that are members, in the experiment's order."""
        return tuple(row for row in self.rows if row.kind == "member")

    @property
    def equal(self) -> Contender:
        """The unweighted mean of all members."""
        return next(row for row in self.rows if row.kind == "equal")

    @property
    def ensemble(self) -> Contender:
        """The searched ensemble."""
        return next(row for row in self.rows if row.kind == "ensemble")


def read_contenders(experiment: Experiment, split: str) -> Contenders:
    """Read the members' predictions of `split` and fuse them, equally and with the searched weights."""
    weights = read_weights(experiment)["weights"]
    found = read_split(experiment, split)
    members, values, patients = found.by_unit()
    rows = [Contender(name, "member", float(weights[name]), members[name]) for name in members]
    equal = weighted_mean(list(members.values()), [1 / len(members)] * len(members))
    kept = without_zeros({name: weights[name] for name in members})
    fused = weighted_mean([members[name] for name in kept], list(kept.values()))
    rows += [Contender(EQUAL, "equal", None, equal), Contender("ensemble", "ensemble", None, fused)]
    return Contenders(tuple(rows), found.truth, values, patients)


def read_weights(experiment: Experiment) -> dict[str, Any]:
    """What the search wrote; SpineError where it is missing or weighs other members than the experiment has."""
    path = experiment.ensemble_directory / "weights.json"
    if not path.exists():
        raise SpineError(f"{path} does not exist; run `spine search EXPERIMENT` first")
    found = read_json(path)
    if set(found["weights"]) != set(experiment.members):
        raise SpineError(
            f"{path} weighs {', '.join(found['weights'])}, but the experiment's members are "
            f"{', '.join(experiment.members)}; run `spine search EXPERIMENT` again"
        )
    return found
