"""What a model costs whoever serves it: seconds an image and megabytes on disk, measured once a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.engine.grid.budget import Budget
from ensemble.evaluators.seconds import Timing, seconds_of
from ensemble.results.found_weights import FoundWeights
from spine.core.files import read_if_whole, size_of, write_json
from spine.core.problems import SpineError
from spine.core.progress import track
from spine.core.words import enumerated
from spine.experiment.config import Experiment
from spine.experiment.stages import SearchSettings
from spine.member.member import Member

__all__ = ["LATENCY", "SIZE", "Cost", "budget_of", "costs_of", "describe_budget", "megabytes_of", "pareto_front"]

LATENCY, SIZE = "ms an image", "MB"


@dataclass(frozen=True)
class Cost:
    """The median of seconds for one image alone through the SavedModel, None where it does not run, and its size."""

    seconds: float | None
    megabytes: float

    @classmethod
    def sum_of(cls, costs: Sequence[Cost]) -> Cost:
        """Of members that are asked one after the other."""
        seconds = [cost.seconds for cost in costs if cost.seconds is not None]
        return cls(sum(seconds) if len(seconds) == len(costs) else None, sum(cost.megabytes for cost in costs))

    @classmethod
    def of_model(cls, model: Path, timing: Timing) -> Cost:
        """Measure on this machine, as it is busy now."""
        seconds = timing(model)
        known = seconds[np.isfinite(seconds)]
        return cls(float(np.median(known)) if len(known) else None, megabytes_of(model))


def megabytes_of(model: Path) -> float:
    """Size of all files of a SavedModel, in 10**6 bytes."""
    return size_of(model) / 1e6


def costs_of(experiment: Experiment, members: Mapping[str, Member], timing: Timing) -> dict[str, Cost]:
    """The cost of each of the members that has a SavedModel; what `costs.json` knows of the same model is kept.

    One measurement a model, so that a search that is resumed, and the report, speak of the same numbers. A model that
    was neither made nor trusted here is not run: of it the size alone is known.
    """
    path = experiment.directory / "costs.json"
    kept = {name: cost for name, cost in read_if_whole(path).items() if _is_cost(cost)}
    present = {name: member for name, member in members.items() if member.has_model}
    known = {name for name, member in present.items() if _hash_in(kept, name) == member.card.model_hash}
    strange = [name for name, member in present.items() if name not in known and not member.may_run]
    missing = {name: member for name, member in present.items() if name not in known and name not in strange}
    for name, member in track(missing.items(), "measuring latency", len(missing)):
        cost = Cost.of_model(member.trusted_model, timing)
        kept[name] = {"model_hash": member.card.model_hash, **asdict(cost)}
    if missing:
        write_json(kept, path)
    unmeasured = {name: Cost(None, megabytes_of(present[name].model)) for name in strange}
    return {name: unmeasured.get(name) or Cost(kept[name]["seconds"], kept[name]["megabytes"]) for name in present}


def budget_of(experiment: Experiment, members: Mapping[str, Member], pictures: Sequence[Path]) -> Budget | None:
    """The budget that the search settings ask for, in what the members cost; None where they ask for none.

    SpineError names members whose cost is not known, such as external ones without a SavedModel.
    """
    limits = _limits(experiment.search)
    if not limits:
        return None
    costs = costs_of(experiment, members, partial(seconds_of, paths=pictures))
    known = {LATENCY: _milliseconds(costs), SIZE: {name: cost.megabytes for name, cost in costs.items()}}
    unknown = sorted({name for limit in limits for name in members if name not in known[limit]})
    if unknown:
        raise SpineError(
            f"the budget needs the cost of {', '.join(unknown)}, which has no SavedModel that may run here. Trust it "
            "(`spine predict EXPERIMENT --trust`), leave the member out, or remove search.max_latency_ms and "
            "search.max_megabytes"
        )
    return Budget(limits, {limit: [known[limit][name] for name in members] for limit in limits})


def describe_budget(weights: FoundWeights) -> str:
    """Which budget the weights keep, what it left to choose from, and whether equal weights keep it; empty where none
    was asked for.
    """
    if not (kept := weights.budget):
        return ""
    names, chosen = list(weights.weights), list(weights.weights.values())
    budget = Budget(kept.limits, {unit: [costs[name] for name in names] for unit, costs in kept.costs.items()})
    equal = [1 / len(names)] * len(names)
    limits = enumerated(f"{limit:g} {unit}" for unit, limit in kept.limits.items())
    left = "" if kept.left is None else f", which {kept.left:,} of {kept.vectors:,} vectors keep"
    searched = f"Searched under a budget of {limits}{left}. The chosen members take {_sum(budget, chosen)}"
    if budget.allows(np.array([equal])).all():
        return f"{searched}."
    return f"{searched}; all of them, as equal weights need, {_sum(budget, equal)}: that breaks it, and was no choice."


def _sum(budget: Budget, weights: Sequence[float]) -> str:
    """What members of weight above 0 cost together, by each limit."""
    runs = np.asarray(weights) > 0
    return enumerated(f"{runs @ np.asarray(budget.costs[unit]):.4g} {unit}" for unit in budget.limits)


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """The numbers of the points that no other beats in both, cheapest first: a low cost and a high score are good."""
    best, front = -np.inf, []
    for number in sorted(range(len(costs)), key=lambda point: (costs[point], -scores[point])):
        if scores[number] > best:
            best = scores[number]
            front.append(number)
    return front


def _hash_in(kept: Mapping[str, dict], name: str) -> str | None:
    return kept[name]["model_hash"] if name in kept else None


def _is_cost(kept: Any) -> bool:
    """Whether costs.json, which people may delete and edit, has a cost there."""
    if not isinstance(kept, Mapping) or not {"model_hash", "seconds", "megabytes"} <= set(kept):
        return False
    numbers = [kept["megabytes"], *([] if kept["seconds"] is None else [kept["seconds"]])]
    return all(isinstance(number, (int, float)) and np.isfinite(number) and number >= 0 for number in numbers)


def _limits(settings: SearchSettings) -> dict[str, float]:
    asked = {LATENCY: settings.max_latency_ms, SIZE: settings.max_megabytes}
    return {name: limit for name, limit in asked.items() if limit is not None}


def _milliseconds(costs: Mapping[str, Cost]) -> dict[str, float]:
    return {name: 1000 * cost.seconds for name, cost in costs.items() if cost.seconds is not None}
