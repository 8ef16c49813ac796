"""Exporting a case: its parts become one SavedModel, a member like any other, with what TF Serving needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ensemble.case.chain import Chain, Cut
from ensemble.case.config import CaseSettings, Discs, Region
from ensemble.case.parity import require_case_parity
from ensemble.case.parts import CaseParts, LoadExperiment, Part, open_parts
from ensemble.case.stages import Stages
from ensemble.serving.decide_outputs import decided_on_card
from ensemble.serving.describe import rules_of
from ensemble.serving.kit.write import write_serving_kit
from ensemble.serving.publish import publish_served
from spine.answers.description import Description, disc_output
from spine.core.files import fingerprint
from spine.dataset import truth
from spine.measurements import roles_of
from spine.member.member import Card, Member, Patients
from spine.member.serving import drop_unnamed_versions, package_versions
from spine.tasks import CASE
from spine.training.served import SLICES

__all__ = ["describe", "export_case", "hash_of", "load_chain"]

PARITY_PICTURES = 4


def export_case(settings: CaseSettings, load_experiment: LoadExperiment) -> list[Path]:
    """Publish a case as `runs/<name>/model/<n>/`; skipped where nothing has changed. The paths to open.

    SpineError where the parts do not fit together, or the directory holds another kind of member.
    """
    parts = open_parts(settings, load_experiment)
    directory = settings.directory
    Member.require_kind(directory, CASE, "choose another name or runs")
    config_hash = hash_of(settings, parts)
    if not Member.is_complete(directory, config_hash):
        drop_unnamed_versions(directory)
        pictures = _pictures(parts)
        stages = Stages(settings, parts)
        version, parity = publish_served(
            load_chain(settings, parts),
            directory,
            lambda model: require_case_parity(model, stages, pictures),
            [picture.picture for picture in pictures],
        )
        Member.publish(directory, _card(settings, parts, config_hash, version, parity if pictures else None))
    kit = write_serving_kit(directory, settings.exported_name, settings.export)
    return [Member.open(directory).model, *kit]


def hash_of(settings: CaseSettings, parts: CaseParts) -> str:
    """Names the settings and the parts that a case's model depends on."""
    shape = settings.model_dump_json(include={"discs", "region"})
    return fingerprint([shape, [*parts.grades], *(part.fingerprint for part in parts.all)])


def _pictures(parts: CaseParts) -> Sequence[truth.Region]:
    """Whole pictures of the parts' datasets, where one has some."""
    named = (parts.detector, parts.segmentation, *parts.grades.values())
    pictures = next((part.pictures for part in named if part and part.pictures), ())
    return pictures[:PARITY_PICTURES]


def load_chain(settings: CaseSettings, parts: CaseParts) -> Chain:
    """The parts' SavedModels as one module."""
    return Chain(
        parts.detector.load(),
        _cut(settings.discs, parts.detector),
        {target: part.load() for target, part in parts.grades.items()},
        parts.segmentation.load() if parts.segmentation else None,
        _cut(settings.region, parts.detector) if settings.region else None,
        describe(settings, parts),
        parts.segmentation.pieces if parts.segmentation else None,
    )


def describe(settings: CaseSettings, parts: CaseParts) -> Description:
    """The names behind the outputs of the chained model."""
    segmentation = parts.segmentation
    named = {"detection": parts.detector, **parts.grades} | ({"mask": segmentation} if segmentation else {})
    return Description(
        name=settings.name,
        task=CASE,
        labels=parts.detector.labels,
        targets={target: part.labels for target, part in parts.grades.items()},
        disc=settings.discs.label,
        mask_labels=segmentation.labels if segmentation else (),
        members={name: tuple(member.name for member in part.members) for name, part in named.items()},
        roles=roles_of(segmentation.labels) if segmentation else {},
        decided=rules_of({target: part.decisions for target, part in parts.grades.items()}),
    )


def _cut(settings: Discs | Region, detector: Part) -> Cut:
    which = 1 + detector.labels.index(settings.label)
    return Cut(which, settings.grow, settings.confidence, getattr(settings, "count", None))


def _card(settings: CaseSettings, parts: CaseParts, config_hash: str, version: Path, parity: float | None) -> Card:
    description = describe(settings, parts)
    return Card(
        name=settings.name,
        task=CASE,
        labels=parts.detector.labels,
        kind=CASE,
        input=_input(parts),
        outputs=_outputs(parts),
        versions=package_versions(),
        config_hash=config_hash,
        model_hash=Member.hash_model(version),
        patients=Patients.union([part.patients for part in parts.all]),
        details={
            "parts": {part.name: [member.name for member in part.members] for part in parts.all},
            "description": description.model_dump(mode="json"),
            **settings.model_dump(mode="json", include={"discs", "region"}),
            "parity": parity,
        },
    )


def _input(parts: CaseParts) -> dict[str, Any]:
    """As its detector's, and of slices with their neighbours where a classifier sees them."""
    graders = [member for part in parts.grades.values() for member in part.members]
    slices = {name: told for name, told in SLICES.items() if name != "boxes"}
    sees_slices = any("slices" in member.card.input for member in graders)
    return {**parts.detector.members[0].card.input, **({"slices": slices} if sees_slices else {})}


def _outputs(parts: CaseParts) -> dict[str, Any]:
    rows: dict[str, list[int | None]] = {
        "detection_boxes": [None, None, 4],
        "detection_scores": [None, None],
        "detection_classes": [None, None],
        "num_detections": [None],
    }
    outputs: dict[str, Any] = {name: {"dtype": "float32", "shape": shape} for name, shape in rows.items()}
    for target, part in parts.grades.items():
        outputs |= _of_discs(target, part)
    outputs["disc_level"] = {"dtype": "int32", "shape": [None, None]}
    if parts.segmentation:
        classes = len(parts.segmentation.labels)
        outputs["probabilities"] = {"dtype": "float32", "shape": [None, None, None, classes]}
        outputs["mask"] = {"dtype": "int32", "shape": [None, None, None]}
    return outputs


def _of_discs(target: str, part: Part) -> dict[str, Any]:
    """The outputs of a classifier, a row a disc of each picture."""
    classes = len(part.labels)
    told = {"probabilities": {"dtype": "float32", "shape": [None, classes]}, **decided_on_card(part.decisions, classes)}
    return {
        disc_output(name, target): {"dtype": one["dtype"], "shape": [None, *one["shape"]]} for name, one in told.items()
    }
