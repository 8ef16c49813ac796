"""An ensemble whose weights.json decides: exported with its decisions, described, and refused where they change."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ensemble import export, predict
from ensemble.case.parts import Part
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse import Mean
from ensemble.results.decisions import Decisions
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.exported import exported
from ensemble.serving.fuse_outputs import FuseProbabilities
from ensemble.serving.parity import PARITY
from spine.answers.description import Description
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.member.member import Member
from spine.member.run_model import answer_files, load_model
from spine.member.serving import publish_model
from tests.experiment_on_disk import write_experiment, write_weights
from tests.grey_model import MeanGrey
from tests.member_contract import MemberContract

PROBABILITIES = {"probabilities": {"dtype": "float32", "shape": [None, 2]}}
WEIGHTS = {"vgg": 0.7, "dense": 0.3}
DECISIONS = {
    "notes": ["Few patients were searched."],
    "calibration": {"method": "temperature", "temperature": 2.0},
    "operating_point": {
        **{"kind": "youden", "threshold": 0.3, "bound": 0.8, "confidence": 0.95},
        **{"sensitivity": 0.9, "specificity": 0.7},
    },
    "conformal": {"coverage": 0.9, "per_class": False, "thresholds": [0.7, 0.7]},
}


def decide_in(experiment, decisions):
    path = write_weights(experiment, WEIGHTS)
    write_json({**read_json(path), "decisions": decisions}, path)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    experiment = write_experiment(
        tmp_path_factory.mktemp("decided"), members=tuple(WEIGHTS), patients={"train": 1, "validation": 2, "test": 3}
    )
    for name, exponent in (("vgg", 1.0), ("dense", 2.0)):
        directory = experiment.member_directory(name)
        card = Member.open(directory).card
        shutil.rmtree(directory / "model")
        version = publish_model(MeanGrey(exponent), directory)
        told = {"model_hash": Member.hash_model(version), "outputs": PROBABILITIES}
        Member.publish(directory, card.model_copy(update=told))
    predict.run(experiment)
    decide_in(experiment, DECISIONS)
    export.run(experiment)
    return experiment


@pytest.fixture(scope="module")
def served(searched):
    return load_model(Member.open(searched.ensemble_directory))


class TestDecidedEnsemble(MemberContract):
    normalises = False

    @pytest.fixture
    def member_directory(self, searched):
        return searched.ensemble_directory


def test_it_decides_what_weights_json_says_of_what_was_searched(searched, served):
    test = ExperimentRun(searched).predictions("test")
    fused = sum(weight * test.stored[name].values.astype(float) for name, weight in WEIGHTS.items())
    outputs = answer_files(served, test.truth.paths)
    np.testing.assert_allclose(outputs["probabilities"], fused, atol=1e-5)
    roots = np.sqrt(fused)  # a temperature of 2
    np.testing.assert_allclose(outputs["calibrated"], roots / roots.sum(axis=1, keepdims=True), atol=1e-5)
    assert outputs["decision"].tolist() == (fused[:, 1] >= 0.3).astype(int).tolist()
    assert set(outputs["decision"]) == {0, 1}
    assert outputs["prediction_set"].tolist() == (fused >= 0.3).astype(int).tolist()
    card = Member.open(searched.ensemble_directory).card
    assert card.details["parity"] < PARITY
    assert Decisions.model_validate(card.details["decisions"]) == Decisions.model_validate(DECISIONS)


def test_members_come_with_the_same_decisions(searched, served):
    paths = ExperimentRun(searched).truth("test").paths[:3]
    files = tf.constant([path.read_bytes() for path in paths])
    with_members = served.signatures["members"](image_bytes=files)
    for name, values in answer_files(served, paths).items():
        np.testing.assert_array_equal(with_members[name].numpy(), values)
    assert with_members["probabilities_members"].shape == (3, 2, 2)


def test_it_tells_how_it_decides(served):
    told = Description.from_json(served.signatures["describe"](question=tf.constant([""]))["json"].numpy()[0])
    rules = told.decided["degeneration"]
    assert (rules.kind, rules.threshold, rules.bound) == ("youden", 0.3, 0.8)
    assert (rules.coverage, rules.per_class, rules.calibration) == (0.9, False, "temperature")
    assert rules.notes == ("Few patients were searched.",)


def test_a_part_of_a_case_decides_by_experiment_and_by_directory(searched):
    of_experiment = Part.of_experiment("grades.degeneration", searched)
    of_directory = Part.of_directory("grades.degeneration", searched.ensemble_directory)
    paths = ExperimentRun(searched).truth("test").paths[:5]
    images = tf.constant(np.stack([tf.io.decode_png(path.read_bytes(), 1, tf.uint16) / 65535 for path in paths]))
    one, other = (part.load().of_images(tf.cast(images, tf.float32)) for part in (of_experiment, of_directory))
    for name in ("probabilities", "calibrated", "decision", "prediction_set"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-6)
    assert of_experiment.fingerprint != replace(of_experiment, decisions=None).fingerprint


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ({"conformal": {"coverage": 2}}, r"details.decisions: .*coverage.*; export it again"),
        ("yes", "details.decisions: .*; export it again"),
        ({"conformal": {**DECISIONS["conformal"], "thresholds": [0.5] * 3}}, "thresholds is of 3 labels, and there"),
    ],
)
def test_a_damaged_card_is_told_by_its_key(searched, decisions, message, tmp_path):
    shutil.copytree(searched.ensemble_directory, tmp_path / "copy")
    card = read_json(tmp_path / "copy" / "member.json")
    card["details"]["decisions"] = decisions
    write_json(card, tmp_path / "copy" / "member.json")
    with pytest.raises(SpineError, match=message):
        Part.of_directory("grades.degeneration", tmp_path / "copy").load()


def test_what_another_s_card_calls_decisions_is_its_own(searched, tmp_path):
    shutil.copytree(searched.ensemble_directory, tmp_path / "copy")
    card = read_json(tmp_path / "copy" / "member.json")
    write_json({**card, "kind": "network", "details": {"decisions": "mine"}}, tmp_path / "copy" / "member.json")
    assert Part.of_directory("grades.degeneration", tmp_path / "copy").decisions is None


def test_an_ensemble_of_it_does_not_inherit_its_decisions(searched):
    member = Member.open(searched.ensemble_directory)
    outputs = Ensemble.load([member], FuseProbabilities(Mean((1.0,)))).of_images(tf.zeros([2, 8, 8, 1]))
    assert set(outputs) == {"probabilities"}


def test_other_decisions_are_another_model(searched):
    first = Member.open(searched.ensemble_directory).model
    assert export.run(searched)[0] == first
    decide_in(searched, {**DECISIONS, "conformal": {**DECISIONS["conformal"], "thresholds": [0.6, 0.6]}})
    with pytest.raises(SpineError, match="exported with other weights"):
        exported(ExperimentRun(searched))
    write_weights(searched, WEIGHTS)
    second = export.run(searched)[0]
    assert second.name == str(int(first.name) + 1)
    member = Member.open(searched.ensemble_directory)
    assert set(load_model(member).signatures["serving_default"].structured_outputs) == {"probabilities"}
    assert "decisions" not in member.card.details
    decide_in(searched, DECISIONS)
    assert export.run(searched)[0].name == str(int(second.name) + 1)
    assert exported(ExperimentRun(searched))
