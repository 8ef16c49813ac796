"""The exported ensemble: its SavedModel beside weights.json, or why there can be none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.results.found_weights import FoundWeights
from spine.core.differing import differing
from spine.core.problems import SpineError
from spine.core.refusals import as_yaml
from spine.core.words import enumerated
from spine.experiment.config import Experiment
from spine.experiment.postprocess import PostprocessSettings
from spine.member.member import Member

__all__ = ["describe_lacking_model", "exported", "not_exportable_reason", "postprocess_on_card"]


def not_exportable_reason(members: Mapping[str, Member], weights: FoundWeights) -> str:
    """Why the ensemble of these weights cannot be one SavedModel, such as for a foreign member; empty where it can."""
    lacking = [name for name in weights.kept if not members[name].has_model]
    if not lacking:
        return ""
    lack = "has" if len(lacking) == 1 else "have"
    return f"{enumerated(lacking)}, of weight above 0, {lack} no SavedModel, only stored predictions"


def exported(run: ExperimentRun) -> Member | None:
    """The exported ensemble; None where there is none yet, or can be none.

    What is judged is what is served: SpineError where it was exported with other weights than weights.json holds.
    """
    directory, weights = run.directory, run.weights
    if not (directory / "member.json").exists() or not_exportable_reason(run.members, weights):
        return None
    member = Member.open(directory)
    if not weights.fused_as(member.card.details):
        raise SpineError(
            f"the model in {directory} was exported with other weights than its weights.json now holds; "
            "run `spine export EXPERIMENT` again"
        )
    nothing = PostprocessSettings().model_dump(mode="json")
    then = {**nothing, **member.card.details.get("postprocess", {})}
    now = run.experiment.postprocess.model_dump(mode="json")
    if other := [f"{key} {as_yaml(old)}, now {as_yaml(new)}" for key, old, new in differing(then, now)]:
        raise SpineError(
            f"the model in {directory} was exported with other settings of postprocess: {'; '.join(other)}; run "
            "`spine export EXPERIMENT` again"
        )
    return member


def postprocess_on_card(experiment: Experiment) -> dict[str, Any]:
    """What `details` of an exported ensemble's card has of its post-processing; nothing where there is none."""
    settings = experiment.postprocess
    return {} if settings.asks_for_nothing else {"postprocess": settings.model_dump(mode="json", exclude_defaults=True)}


def describe_lacking_model(members: Mapping[str, Member], weights: FoundWeights) -> list[str]:
    """The note that there can be no model to serve, where that is so."""
    reason = not_exportable_reason(members, weights)
    return [f"This ensemble has no SavedModel and cannot be served: {reason}."] if reason else []
