"""Where an answer comes from: Grad-CAM where members' networks are at hand, else occlusion of the model as served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.demo.overlaps import overlaps
from pipeline.demo.shown_run import Grader, ShownRun
from spine.answers.answer import Answer, Finding, Grade
from spine.answers.gradcam import weighted_maps
from spine.answers.occlusion import Patches, occlusion
from spine.core.problems import SpineError
from spine.intake.crop import expand_box

__all__ = ["BOXES", "LIKELIEST", "Explanation", "explain", "subjects_of"]

BOXES = "boxes"  # what is explained, where it is no target
LIKELIEST = "the likeliest of each"  # instead of a label
AGREED = 0.02  # how far the watched networks' probabilities may be from the answer's
ALONG = 14  # squares along the longer side of what is covered
AROUND = 0.5  # by how much more than the boxes
BATCH = 8  # pictures a request

Advance = Callable[[float], None]  # told the share that is done
Region = tuple[int, int, int, int]  # x0 y0 x1 y1 in pixels
Score = Callable[[np.ndarray], np.ndarray]  # pictures (N, H, W) -> scores (N, K)


@dataclass(frozen=True)
class Explanation:
    """A map (H, W) over a picture, from 0 to `top` of `unit`, and `how` it was made."""

    values: np.ndarray
    top: float
    unit: str
    how: str


def subjects_of(answer: Answer) -> list[str]:
    """What can be explained of an answer: its targets, else its boxes; of a segmentation alone nothing."""
    targets = dict.fromkeys(grade.target for finding in answer.findings for grade in finding.grades)
    return list(targets) or ([BOXES] if any(finding.box for finding in answer.findings) else [])


def explain(
    run: ShownRun,
    pixels: np.ndarray,
    answer: Answer,
    subject: str,
    label: str = LIKELIEST,
    advance: Advance = lambda share: None,
) -> Explanation:
    """Where the grades of a target come from, or the boxes; `label` asks for another than each grade's likeliest.

    `pixels` (H, W) uint16 are those that were answered. SpineError where there is nothing to explain.
    """
    if subject not in subjects_of(answer):
        raise SpineError(f"the answer has no {subject or 'grades or boxes'} to explain; show a picture with some")
    picture = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    if subject == BOXES:
        findings = [finding for finding in answer.findings if finding.box]
        return _occluded(picture, findings, _of_boxes(run, findings), advance, "score of a box")
    graded = [(finding, one) for finding in answer.findings for one in finding.grades if one.target == subject]
    classes = [_class(grade, label) for _, grade in graded]
    reason = run.reasons.get(subject, "the model is given as a directory, which does not tell the networks in it")
    if grader := run.graders.get(subject):
        if explanation := _gradcam(grader, picture, graded, classes):
            return explanation
        reason = _why_they_differ(grader)
    findings = [finding for finding, _ in graded]
    score = _of_grades(run, findings, subject, classes)
    return _occluded(picture, findings, score, advance, f"probability of {subject}", f" No Grad-CAM: {reason}.")


def _class(grade: Grade, label: str) -> int:
    return grade.labels.index(label) if label in grade.labels else int(np.argmax(grade.probabilities))


def _gradcam(
    grader: Grader, picture: np.ndarray, graded: list[tuple[Finding, Grade]], classes: list[int]
) -> Explanation | None:
    """The members' maps by their weights; None where the networks do not say what the answer says."""
    boxes = [_box(finding, picture) for finding, _ in graded]
    looks = [network.look(picture, boxes, classes) for network in grader.networks]
    fused = grader.part.mean([probabilities.astype(np.float64) for probabilities, _ in looks])
    if np.abs(fused - np.stack([grade.probabilities for _, grade in graded])).max() > AGREED:
        return None
    whole = np.zeros(picture.shape)
    for number, which in enumerate(classes):
        of_box = weighted_maps([maps[number] for _, maps in looks], _weights(grader, which))
        whole = np.maximum(whole, of_box)
    told = zip((member.name for member in grader.part.members), _weights(grader, classes[0]), strict=True)
    names = ", ".join(f"{name} {weight:.2f}" for name, weight in told)
    how = f"Grad-CAM of the ensemble: its members' maps by their weights ({names}). Each crop is scaled to itself."
    return Explanation(whole, 1.0, "of the members' strongest", how)


def _why_they_differ(grader: Grader) -> str:
    if any(getattr(network, "answers_by_flips", False) for network in grader.networks):
        return "the model answers by the mean over flipped pictures, and says something else of this one as it is"
    return "the run's networks no longer say what the model says: it was exported before they were trained"


def _weights(grader: Grader, which: int) -> list[float]:
    """One a member, for a class."""
    return [weight[which] if isinstance(weight, tuple) else weight for weight in grader.part.mean.weights]


def _box(finding: Finding, picture: np.ndarray) -> tuple[float, float, float, float]:
    """Of a finding, y0 x0 y1 x1 in [0, 1]."""
    if finding.box is None:
        return 0.0, 0.0, 1.0, 1.0
    (x0, y0, x1, y1), (height, width) = finding.box, picture.shape
    return y0 / height, x0 / width, y1 / height, x1 / width


def _region(finding: Finding, grow: float, picture: np.ndarray) -> Region:
    height, width = picture.shape
    if finding.box is None:
        return 0, 0, width, height
    x0, y0, x1, y1 = (round(corner, 3) for corner in finding.box)  # float32 reaches no further
    return expand_box((x0, y0, x1, y1), grow, height, width)


def _occluded(
    picture: np.ndarray, findings: list[Finding], score: Score, advance: Advance, of_what: str, why: str = ""
) -> Explanation:
    """How far the scores of findings fall where a part of the area around them is covered: the most of any."""
    regions = np.array([_region(finding, AROUND, picture) for finding in findings])
    (x0, y0), (x1, y1) = regions[:, :2].min(axis=0), regions[:, 2:].max(axis=0)
    patches = Patches.over((int(x0), int(y0), int(x1), int(y1)), ALONG)
    falls = occlusion(picture, score, patches, batch=BATCH, advance=advance)
    values = np.maximum(falls.max(axis=0), 0)
    how = (
        f"Occlusion: how far the {of_what} falls where a square of {patches.side} pixels is covered with grey, the "
        f"mean of the squares over a pixel.{why}"
    )
    return Explanation(values, max(float(values.max()), 1e-6), f"fall of the {of_what}", how)


def _of_grades(run: ShownRun, findings: list[Finding], target: str, classes: list[int]) -> Score:
    """The probability of each finding's class, in the box that lies where its own was; 0 where none does."""

    def score(pictures: np.ndarray) -> np.ndarray:
        if run.model.description.task == "classification":  # of the picture, or of one disc in it
            return run.model.outputs_of_images(pictures, findings[0].box)["probabilities"][:, classes]
        outputs = run.model.outputs_of_images(pictures)
        there = overlaps(findings, outputs["detection_boxes"], pictures.shape[1:])
        there = there * (outputs["disc_level"] > 0)[:, np.newaxis]
        probabilities = outputs[f"disc_probabilities_{target}"][:, :, classes].swapaxes(1, 2)
        return _best(there, np.where(there > 0.3, probabilities, 0.0))

    return score


def _of_boxes(run: ShownRun, findings: list[Finding]) -> Score:
    """Of each box the largest IoU times score of a box of its class: Petsiuk et al., D-RISE, CVPR 2021."""
    classes = np.array([1 + run.model.description.labels.index(finding.label) for finding in findings])

    def score(pictures: np.ndarray) -> np.ndarray:
        outputs = run.model.outputs_of_images(pictures)
        there = overlaps(findings, outputs["detection_boxes"], pictures.shape[1:])
        alike = outputs["detection_classes"][:, np.newaxis].astype(int) == classes[:, np.newaxis]
        weighed = there * outputs["detection_scores"][:, np.newaxis] * alike
        return _best(weighed, weighed)

    return score


def _best(rank: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of values (N, K, M) those of the highest rank, (N, K); 0 where M is 0."""
    if not rank.shape[-1]:
        return np.zeros(rank.shape[:2])
    return np.take_along_axis(values, rank.argmax(axis=-1)[..., np.newaxis], axis=-1)[..., 0]
