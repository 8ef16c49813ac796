"""What an experiment may ask to be made of its probabilities, and what it may not."""

import pytest

from pipeline.experiments import load_experiment, validate_experiment
from spine.core.problems import SpineError

RAW = {
    "name": "small",
    "task": "classification",
    "data": "data/small",
    "target": "degeneration",
    "labels": ["normal", "degenerated"],
    "members": {"one": {"network": "plain_cnn", "weights": "none"}},
}
MASKS = {
    "task": "segmentation",
    "labels": ["background", "disc"],
    "members": {"one": {"architecture": "unet", "encoder": "vgg16"}},
}
BOXES = {"task": "detection", "labels": ["disc"], "members": {"one": {}}}


def decide(**others):
    return validate_experiment({**RAW, **others}, "small").decide


def test_nothing_is_decided_unless_asked():
    assert decide().asks_for_nothing
    assert not decide(decide={"calibration": "isotonic"}).asks_for_nothing
    assert not decide(decide={"coverage": 0.9}).asks_for_nothing
    assert decide(decide={"cost": 5}).operating_points == ["cost"]


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"decide": {"sensitivity": 0.9, "youden": True}}, "sensitivity and youden each ask for .*; give one of them"),
        ({"decide": {"sensitivity": 1.0}}, r"decide.sensitivity: is 1.0; it has to be above 0 and below 1"),
        ({"decide": {"cost": 0}}, "decide.cost: is 0; it has to be above 0 and at most 1,000,000"),
        ({"decide": {"coverage": 90}}, "decide.coverage: is 90; it has to be above 0 and below 1"),
        ({"decide": {"coverage": True}}, "coverage is true, where a number is expected"),
        (
            {"decide": {"coverage_per_class": True}},
            "coverage_per_class needs a coverage; set it, such as coverage: 0.9",
        ),
        (
            {"decide": {"calibration": "platt"}},
            "decide.calibration: is 'platt'; it has to be .*'temperature' or 'isotonic'",
        ),
        ({"decide": {"sensitivty": 0.9}}, "unknown key; .* Did you mean 'sensitivity'"),
        (
            {"decide": {"youden": True}, "labels": ["a", "b", "c"]},
            r"decide.youden is of two labels, .* labels is \[a, b, c\]; leave it out, or ask for sets",
        ),
        ({"decide": {"coverage": 0.9}, **MASKS}, "decide is for classification, and the task is segmentation; leave"),
        ({"decide": {"coverage": 0.9}, **BOXES}, "decide is for classification, and the task is detection; leave"),
    ],
    ids=lambda given: "-".join(f"{k}={v}" for k, v in given["decide"].items()) if isinstance(given, dict) else "",
)
def test_what_does_not_fit_together_is_told(others, words):
    with pytest.raises(SpineError, match=words):
        decide(**others)


def test_sets_and_calibration_are_of_any_number_of_labels():
    asked = {"calibration": "temperature", "coverage": 0.9, "coverage_per_class": True}
    assert decide(decide=asked, labels=["a", "b", "c"]).coverage_per_class


def test_the_written_experiment_asks_for_the_same(tmp_path):
    asked = {"sensitivity": 0.95, "confidence": 0.9, "coverage": 0.8}
    experiment = validate_experiment({**RAW, "decide": asked}, "small")
    assert load_experiment(experiment.write(tmp_path / "written.yaml")).decide == experiment.decide
