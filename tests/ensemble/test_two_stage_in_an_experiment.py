"""A two-stage detector among an experiment's members: predicted, searched, exported and judged as any other."""

import pytest

from ensemble import evaluate, export, predict
from ensemble.serving.two_stage import publish
from pipeline.training import train_members
from spine.core.files import read_json
from spine.core.privacy import salt_id
from spine.member.member import Member, Patients
from tests.bright_detector import write_detector
from tests.detection_on_disk import LABELS, publish_detectors, write_box_weights, write_detection_experiment

WHOLE = (0.0, 1.1, 0.9, 1)  # a region around every pixel
THINGS = ((0.75, 1.1, 0.9, 1), (0.0, 0.25, 0.8, 2))  # bright and dark, on a background of middle grey


@pytest.mark.slow
def test_it_is_predicted_searched_exported_and_judged_as_any_other(tmp_path):
    experiment = write_detection_experiment(tmp_path, members=("network", "two_stage"))
    publish_detectors(experiment, {"network": 2.0})
    seen = Patients(salt=salt_id(), trained=Member.open(experiment.member_directory("network")).card.patients.trained)
    regions = write_detector(tmp_path / "regions", ["all"], WHOLE, patients=seen)
    things = write_detector(tmp_path / "things", LABELS, *THINGS, patients=seen)
    directory = experiment.member_directory("two_stage")
    directory.rename(tmp_path / "stand-in")
    publish(regions.path, things.path, directory)
    assert train_members(experiment, lambda line: None, ["two_stage"]) == [directory]  # nothing to train
    predict.run(experiment)
    write_box_weights(experiment, {"network": 0.5, "two_stage": 0.5})
    export.run(experiment)
    evaluate.run(experiment)
    rows = read_json(experiment.evaluation_directory / "metrics.json")["rows"]
    map50 = {row["name"]: row["metrics"]["map50"]["value"] for row in rows}
    assert map50["two_stage"] > 0.9
