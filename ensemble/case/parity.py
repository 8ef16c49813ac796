"""How far a case's SavedModel is from its stages run one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensemble.case.stages import Stages, WholePixels
from ensemble.decisions.decide import names_of
from ensemble.results.decisions import Decisions
from ensemble.serving.parity import distance, require_decisions, require_masks
from spine.answers.description import disc_output
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.truth import Region
from spine.images.pictures import read_picture
from spine.member.run_model import answer_files, answer_picture, sees_slices

__all__ = ["CASE_PARITY", "measure_case_parity", "require_case_parity"]

CASE_PARITY = 1e-4  # the largest difference allowed of probabilities, and of the boxes' corners and scores


def require_case_parity(model: Any, stages: Stages, pictures: Sequence[Region]) -> float:
    """The largest difference of the chained model from its stages on these pictures; SpineError above `CASE_PARITY`."""
    difference = measure_case_parity(model, stages, pictures)
    if difference > CASE_PARITY:
        raise SpineError(
            f"the chained model differs from its stages run one by one by {difference:.2e}, more than "
            f"{CASE_PARITY:.0e}; it was not published. Report this with the case file and its configs"
        )
    return difference


def measure_case_parity(model: Any, stages: Stages, pictures: Sequence[Region]) -> float:
    """Largest absolute difference of boxes and scores, and with the model's own boxes of all probabilities.

    Pictures with slices next to them are answered with these, where the model sees them, and without.
    """
    alone = [(answer_files(model, [one.picture]), one.alone) for one in pictures]
    beside = [(answer_picture(model, one), one) for one in pictures if sees_slices(model)]
    return max((_of_picture(answer, stages, picture) for answer, picture in alone + beside), default=0.0)


def _of_picture(answer: Mapping[str, np.ndarray], stages: Stages, picture: Region) -> float:
    pixels = read_picture(picture.picture, picture.picture.name).pixels
    found = Detections.from_outputs(answer, 0)
    for target, part in stages.parts.grades.items():
        if part.decisions:
            _require_decided(answer, target, part.decisions)
    differences = [distance(found, stages.detect(picture.picture)), *_of_discs(answer, found, picture, pixels, stages)]
    if segmentation := stages.parts.segmentation:
        expected = stages.map_of(segmentation, pixels, _region(found, pixels, stages))
        if segmentation.pieces:
            require_masks([answer], segmentation.pieces)
        differences.append(float(np.abs(answer["probabilities"][0] - expected).max()))
    return max(differences)


def _require_decided(answer: Mapping[str, np.ndarray], target: str, decisions: Decisions) -> None:
    """SpineError unless decisions on the discs follow from their probabilities, and on other rows there are none."""
    is_disc = answer["disc_level"][0] > 0
    named = {name: answer[disc_output(name, target)][0] for name in ("probabilities", *names_of(decisions))}
    require_decisions({name: values[is_disc] for name, values in named.items()}, decisions)
    if any(values[~is_disc].any() for values in named.values()):
        raise SpineError(
            f"the chained model decides {target} of boxes that are no disc. Report this with the case file"
        )


def _of_discs(
    answer: Mapping[str, np.ndarray], found: Detections, picture: Region, pixels: np.ndarray, stages: Stages
) -> list[float]:
    return [
        float(np.abs(answer[f"disc_probabilities_{target}"][0, row] - stages.of_box(part, picture, pixels, box)).max())
        for row in np.flatnonzero(answer["disc_level"][0])
        for box in [_corners(found, int(row), pixels)]
        for target, part in stages.parts.grades.items()
    ]


def _region(found: Detections, pixels: np.ndarray, stages: Stages) -> WholePixels | None:
    """What of a picture is segmented: all of it where anything is found, or the best region that is sure enough."""
    if not (region := stages.settings.region):
        return (0, 0, pixels.shape[1], pixels.shape[0]) if len(found) else None
    which = 1 + stages.parts.detector.labels.index(region.label)
    rows = np.flatnonzero((found.classes == which) & (found.scores >= region.confidence))
    return stages.grown(_corners(found, int(rows[0]), pixels), region.grow, pixels) if len(rows) else None


def _corners(found: Detections, row: int, pixels: np.ndarray) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = found.in_pixels(*pixels.shape)[row].round(3).tolist()  # float32 reaches no further
    return x0, y0, x1, y1
