"""What is served of an ensemble: its exported SavedModel, or why there can be none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ensemble.fuse import fusion_of, without_zeros
from spine.config import Experiment
from spine.member import Member
from spine.problems import SpineError

__all__ = ["exported", "told", "why_none"]


def why_none(experiment: Experiment, found: Mapping[str, Any]) -> str:
    """Why weights.json's ensemble cannot be one SavedModel, such as for a foreign member; empty where it can."""
    names = without_zeros(found["weights"])
    lacking = [name for name in names if not Member.open(experiment.member_directory(name)).has_model]
    if not lacking:
        return ""
    they, lack = (lacking[0], "has") if len(lacking) == 1 else (f"{', '.join(lacking[:-1])} and {lacking[-1]}", "have")
    return f"{they}, of weight above 0, {lack} no SavedModel, only stored predictions"


def exported(experiment: Experiment, found: Mapping[str, Any]) -> Member | None:
    """The exported ensemble; None where there is none yet, or can be none.

    What is judged is what is served: SpineError where it was exported with other weights than weights.json holds.
    """
    directory = experiment.ensemble_directory
    if not (directory / "member.json").exists() or why_none(experiment, found):
        return None
    member = Member.open(directory)
    details = member.card.details
    if (details.get("weights"), fusion_of(details)) != (without_zeros(found["weights"]), fusion_of(found)):
        raise SpineError(
            f"the model in {directory} was exported with other weights than its weights.json now holds; "
            "run `spine export EXPERIMENT` again"
        )
    return member


def told(experiment: Experiment, found: Mapping[str, Any]) -> list[str]:
    """The note that there can be no model to serve, where that is so."""
    reason = why_none(experiment, found)
    return [f"This ensemble has no SavedModel and cannot be served: {reason}."] if reason else []
