"""The export stage: the weighted members become one SavedModel, a member like any other, with what TF Serving needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.results.decisions import Decisions
from ensemble.results.found_weights import FoundWeights
from ensemble.serving.decide_outputs import decided_on_card, deciding
from ensemble.serving.describe import description_of
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.exported import not_exportable_reason, postprocess_on_card
from ensemble.serving.fuse_outputs import fuse_for
from ensemble.serving.fused_model import FusedModel, told_input
from ensemble.serving.kit.write import write_serving_kit
from ensemble.serving.parity import measure_parity
from ensemble.serving.publish import publish_served
from ensemble.tasks import ENSEMBLE_TASKS
from spine.answers.decision_rules import DECIDED
from spine.answers.description import Description
from spine.core.files import fingerprint
from spine.dataset.truth import AnyTruth, ClassTruth
from spine.experiment.config import Experiment
from spine.experiment.postprocess import PieceRule
from spine.member.member import Card, Member, NoModel, Patients
from spine.member.serving import drop_unnamed_versions, package_versions
from spine.training.inputs import subset

__all__ = ["publish_fused", "run"]

PARITY_PICTURES = 8


def run(experiment: Experiment) -> list[Path]:
    """Fuse the members of weight > 0 into the ensemble's next SavedModel version; skipped where nothing has changed.

    NoModel, before any is loaded, where one of them has no SavedModel, as a foreign one.
    """
    run = ExperimentRun(experiment)
    directory, weights = run.directory, run.weights
    if reason := not_exportable_reason(run.members, weights):
        raise NoModel(
            f"the ensemble {experiment.search.name!r} cannot be exported: {reason}. It can be searched and evaluated; "
            "to serve one, give every member a SavedModel with the contract's signatures (docs/design.md), or search "
            "without those that have none"
        )
    members = [run.members[name] for name in weights.kept]
    models = [member.card.model_hash for member in members]
    searched = weights.patients.model_dump()
    description = description_of(experiment, list(weights.kept), weights.decisions)
    config_hash = fingerprint(
        [
            *(weights.kept, models, searched, *weights.fusion_settings.values()),
            *(description.model_dump(mode="json"), experiment.export.frozen),
            *postprocess_on_card(experiment).values(),
        ]
    )
    if not Member.is_complete(directory, config_hash):
        drop_unnamed_versions(directory)
        boxes = weights.box_fusion if ENSEMBLE_TASKS[experiment.task].fuses_boxes else None
        version, parity = publish_fused(
            *(run, members, weights.mean(), boxes, directory, description, weights.decisions),
            frozen=experiment.export.frozen,
            pieces=experiment.postprocess.rules(experiment.labels),
        )
        cut = _cut(run.truth(experiment.search_split))
        card = _card(experiment, members, weights, config_hash, version, parity)
        Member.publish(directory, card.model_copy(update={"input": told_input(members, cut)}))
    kit = write_serving_kit(directory, experiment.exported_name, experiment.export)
    return [Member.open(directory).model, *kit]


def publish_fused(
    run: ExperimentRun,
    members: Sequence[Member],
    mean: Mean,
    boxes: BoxFusion | None,
    directory: Path,
    description: Description | None = None,
    decisions: Decisions | None = None,
    *,
    frozen: bool = False,
    pieces: Mapping[int, PieceRule] | None = None,
) -> tuple[Path, float]:
    """Publish members' SavedModels as one below `directory`; its path, and how far it is from the NumPy ensemble.

    Detectors are fused by the weights of the `mean` and the thresholds of `boxes`, others by the `mean`; what the
    `decisions` make of a classification is served too, and a mask is post-processed by the rules of `pieces`.
    """
    fuse = deciding(fuse_for(run.experiment.task, mean, boxes, pieces), decisions, len(run.experiment.labels))
    ensemble = Ensemble.load(members, fuse, frozen=frozen)
    truth = run.truth(run.experiment.search_split)
    pictures = truth.paths[:PARITY_PICTURES]
    measure = partial(
        measure_parity,
        models=ensemble.models,
        weights=mean.weights,
        pictures=pictures,
        fusion=boxes,
        temperatures=mean.temperatures,
        decisions=decisions,
        frozen=frozen,
        pieces=pieces,
        crops=_crops(truth),
    )
    return publish_served(FusedModel(ensemble, description, _cut(truth)), directory, measure, pictures)


def _crops(truth: AnyTruth) -> ClassTruth | None:
    """The first samples, where they are crops of pictures that are at hand, or have slices next to them."""
    if not isinstance(truth, ClassTruth) or (truth.grow is None and not truth.has_neighbours):
        return None
    return subset(truth, range(min(len(truth.samples), PARITY_PICTURES)))


def _cut(truth: AnyTruth) -> float | None:
    """By how much boxes grow for members that know only what is cut out; None where the samples are no crops."""
    return truth.grow if isinstance(truth, ClassTruth) else None


def _card(
    experiment: Experiment,
    members: list[Member],
    weights: FoundWeights,
    config_hash: str,
    version: Path,
    parity: float,
) -> Card:
    return Card(
        name=experiment.search.name,
        task=experiment.task,
        labels=experiment.labels,
        kind="ensemble",
        outputs=_outputs(experiment, members, weights),
        versions=package_versions(),
        config_hash=config_hash,
        model_hash=Member.hash_model(version),
        patients=Patients.union([*(member.card.patients for member in members), weights.searched_patients]),
        details={
            "weights": weights.kept,
            **weights.fusion_settings,
            "frozen": experiment.export.frozen,
            **postprocess_on_card(experiment),
            "parity": parity,
        },
    )


def _outputs(experiment: Experiment, members: list[Member], weights: FoundWeights) -> dict[str, Any]:
    """A member's own, but what it decides where it is an ensemble, and what is added here."""
    of_a_member = {name: told for name, told in members[0].card.outputs.items() if name not in DECIDED}
    decided = decided_on_card(weights.decisions, len(experiment.labels))
    return {**of_a_member, **ENSEMBLE_TASKS[experiment.task].outputs, **decided}
