"""Decisions as weights.json holds them: absent where not asked for, read leniently, and never half of one."""

import pytest
from pydantic import ValidationError

from ensemble.results.decisions import Decisions
from ensemble.results.found_weights import FoundWeights
from tests.found_weights import found_weights

DECISIONS = {
    "calibration": {"method": "isotonic", "knots": [[[0.1, 0.0], [0.7, 1.0]], [[0.3, 0.0], [0.9, 1.0]]]},
    "operating_point": {
        "kind": "sensitivity",
        "asked": 0.9,
        "threshold": 0.25,
        "bound": 0.91,
        "confidence": 0.95,
        "sensitivity": 0.98,
        "specificity": 0.7,
        "reached": True,
    },
    "conformal": {"coverage": 0.9, "per_class": False, "thresholds": [0.75, 0.75]},
    "patients": 40,
    "units": 200,
}


def test_they_are_written_as_they_were_read():
    weights = found_weights(decisions=DECISIONS)
    assert weights.as_json()["decisions"] == DECISIONS
    assert FoundWeights.model_validate(weights.as_json()) == weights


def test_without_any_the_file_has_no_such_key():
    assert "decisions" not in found_weights().as_json()
    assert "decisions" not in found_weights(decisions=None).as_json()
    assert found_weights().decisions is None


def test_what_another_version_adds_is_kept():
    weights = found_weights(decisions={**DECISIONS, "conformal": {**DECISIONS["conformal"], "mondrian": "level"}})
    assert weights.as_json()["decisions"]["conformal"]["mondrian"] == "level"


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("calibration", {"method": "temperature"}, "temperature is missing"),
        ("calibration", {"method": "temperature", "temperature": 0.0}, "greater than 0"),
        ("calibration", {"method": "isotonic", "knots": []}, "knots are of 0 classes; there is a list for each"),
        ("calibration", {"method": "isotonic", "knots": [[[0.5, 0.1], [0.5, 0.9]]] * 2}, "the x of knots do not rise"),
        ("calibration", {"method": "isotonic", "knots": [[], []]}, "at least 1 item"),
        ("operating_point", {**DECISIONS["operating_point"], "threshold": float("nan")}, "finite"),
        ("conformal", {**DECISIONS["conformal"], "thresholds": [0.5, 1.5]}, "less than or equal to 1"),
    ],
)
def test_half_a_decision_is_refused(part, content, words):
    with pytest.raises(ValidationError, match=words):
        Decisions.model_validate({part: content})
