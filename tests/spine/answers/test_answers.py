"""Outputs of a served model become an answer a picture, by the names that its description gives them."""

import json

import numpy as np
import pytest

from spine.answers.answer import Finding, Grade
from spine.answers.description import Description
from spine.answers.from_outputs import answers_of
from spine.core.problems import SpineError

CASE = Description(
    name="lumbar",
    task="case",
    labels=("region", "disc"),
    targets={"degeneration": ("normal", "degenerated")},
    disc="disc",
    mask_labels=("background", "vertebra", "disc", "canal"),
    members={"degeneration": ("small", "large"), "mask": ("unet",)},
)
SIZE = (20, 40)
# A region, which has no grade, between two discs; the fourth row is padding.
OUTPUTS = {
    "detection_boxes": np.array([[[0.5, 0, 1, 0.5], [0, 0, 1, 1], [0, 0, 0.25, 0.5], [0, 0, 0, 0]]], np.float32),
    "detection_scores": np.array([[0.9, 0.8, 0.7, 0]], np.float32),
    "detection_classes": np.array([[2, 1, 2, 0]], np.float32),
    "num_detections": np.array([3], np.float32),
    "disc_level": np.array([[1, 0, 2, 0]], np.int32),
    "disc_probabilities_degeneration": np.array([[[0.25, 0.75], [0, 0], [0.5, 0.5], [0, 0]]], np.float32),
    "mask": np.zeros((1, *SIZE), np.int32),
    "probabilities": np.ones((1, *SIZE, 4), np.float32) / 4,
}


def test_a_case_is_answered_by_findings_and_a_mask():
    (answer,) = answers_of(OUTPUTS, CASE, "3", [SIZE], [(0.5, 0.5)])
    lower, region, upper = answer.findings
    assert (lower.label, lower.box, lower.level) == ("disc", (0, 10, 20, 20), 1)
    assert (lower.grades[0].best, lower.grades[0].probability) == ("degenerated", 0.75)
    assert (region.label, region.level, region.grades) == ("region", 0, ())
    assert (upper.level, upper.grades[0].best) == (2, "normal")  # the first of two that are as likely
    assert answer.mask.shape == SIZE
    told = json.loads(json.dumps(answer.to_json()))
    assert told["note"] == "Research software: not for diagnosis."
    assert told["mask_pixels"] == {"background": 800, "vertebra": 0, "disc": 0, "canal": 0}
    assert told["findings"][0]["grades"][0]["probabilities"] == {"normal": 0.25, "degenerated": 0.75}


def test_members_and_their_disagreement_are_named():
    members = np.zeros((1, 4, 2, 2), np.float32)
    members[0, 0] = [[0.5, 0.5], [0, 1]]
    more = {
        "disc_probabilities_degeneration_members": members,
        "disc_disagreement_degeneration": np.array([[0.3, 0, 0, 0]], np.float32),
        "disagreement": np.full((1, *SIZE), 0.1, np.float32),
    }
    (answer,) = answers_of(OUTPUTS | more, CASE, "3", [SIZE], [None])
    (grade,) = answer.findings[0].grades
    assert {name: values.tolist() for name, values in grade.members.items()} == {"small": [0.5, 0.5], "large": [0, 1]}
    assert grade.disagreement == pytest.approx(0.3)
    assert answer.disagreement.max() == pytest.approx(0.1)
    assert answer.to_json()["spacing_mm"] is None


def test_a_classification_grades_the_whole_picture():
    about = Description(
        name="ct", task="classification", targets={"fracture": ("no", "yes")}, members={"fracture": ("a",)}
    )
    outputs = {"probabilities": np.array([[0.2, 0.8], [1, 0]], np.float32)}
    first, second = answers_of(outputs, about, "1", [SIZE, (5, 5)], [None, None])
    assert first.findings[0].box is None
    assert (first.findings[0].grades[0].best, second.findings[0].grades[0].best) == ("yes", "no")
    assert first.probabilities is None  # those of pixels


def test_detections_without_levels_are_counted_from_below():
    about = Description(name="discs", task="detection", labels=("region", "disc"))
    outputs = {name: value for name, value in OUTPUTS.items() if name.startswith(("detection", "num"))}
    (answer,) = answers_of(outputs, about, "1", [SIZE], [None])
    assert [finding.level for finding in answer.findings] == [1, 1, 2]


def test_measurements_are_taken_where_roles_are_named():
    about = CASE.model_copy(update={"roles": {"vertebra": "vertebra", "disc": "disc", "canal": "canal"}})
    mask = np.zeros((1, 60, 60), np.int32)
    mask[0, 25:33, 10:40] = 2
    outputs = {"mask": mask, "probabilities": np.zeros((1, 60, 60, 4), np.float32)}
    (answer,) = answers_of(outputs, about, "1", [(60, 60)], [(0.5, 0.5)])
    assert answer.measurements.unit == "mm"
    assert [disc.level for disc in answer.measurements.discs] == [1]
    assert "measurements" in answer.to_json()


def test_outputs_that_do_not_fit_are_refused():
    with pytest.raises(SpineError, match=r"the mask is \(20, 40\) of a picture of \(10, 10\)"):
        answers_of(OUTPUTS, CASE, "3", [(10, 10)], [None])
    with pytest.raises(SpineError, match=r"detection_boxes is \(1, 4, 4\) for 2 pictures"):
        answers_of(OUTPUTS, CASE, "3", [SIZE, SIZE], [None, None])
    with pytest.raises(SpineError, match="not one of this project"):
        Description.from_json('{"name": 3}')


def test_a_description_survives_json_and_ignores_what_a_newer_one_adds():
    assert Description.from_json(CASE.model_dump_json()) == CASE
    assert Description.from_json('{"name": "a", "task": "detection", "more": 1}').name == "a"


def test_a_finding_of_nothing_more_is_short():
    assert Finding("disc").to_json() == {"label": "disc", "grades": []}
    assert Grade("t", ("a", "b"), np.array([0.5, 0.5])).to_json() == {
        "target": "t",
        "label": "a",
        "probabilities": {"a": 0.5, "b": 0.5},
    }
