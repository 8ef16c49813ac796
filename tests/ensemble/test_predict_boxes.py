"""Predicting boxes: pictures of any size, what is stored, what is refused; and the contract's own tests."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from ensemble import predict
from ensemble.experiment_run import ExperimentRun
from spine.core.problems import SpineError
from spine.dataset.detections import OUTPUTS, Detections
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth
from spine.member.member import Member
from spine.member.predict import predict_split
from spine.member.run_model import load_model
from spine.member.serving import publish_model
from spine.predictions.predictions import BoxPredictions
from tests.detection_on_disk import publish_detectors, write_detection_experiment
from tests.member_contract import MemberContract, assert_detections, assert_same_answers


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Two detectors; every picture was predicted."""
    experiment = write_detection_experiment(tmp_path_factory.mktemp("boxes"), members=("one", "two"))
    publish_detectors(experiment, {"one": 2.0, "two": 1.0})
    predict.run(experiment)
    return experiment


class TestDetector(MemberContract):
    normalises = False

    @pytest.fixture
    def member_directory(self, experiment):
        return experiment.member_directory("one")


def test_what_is_stored_is_what_the_saved_model_finds(experiment):
    split = ExperimentRun(experiment).predictions("test")
    assert isinstance(split.truth, BoxTruth)
    member = Member.open(experiment.member_directory("two"))
    image = load_model(member).signatures["image"]
    assert len(set(split.truth.sizes)) > 1
    for number, (path, found) in enumerate(zip(split.truth.paths, split.stored["two"], strict=True)):
        grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 65535
        outputs = {name: value.numpy() for name, value in image(image=tf.constant(grey[None, :, :, None])).items()}
        expected = Detections.from_outputs(outputs, 0)
        assert len(found) == len(expected), number
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-6)


def test_current_detections_are_kept_and_stale_ones_made_anew(experiment):
    path = experiment.member_directory("one") / "predictions" / "test"
    before = (path / "detection_boxes.npy").stat().st_mtime_ns
    predict.run(experiment)
    assert (path / "detection_boxes.npy").stat().st_mtime_ns == before


def test_the_search_gets_detections_and_true_boxes(experiment):
    members, truth = ExperimentRun(experiment).predictions("validation").to_search()
    assert isinstance(truth, BoxTruth)
    assert [type(stored) for stored in members.values()] == [BoxPredictions, BoxPredictions]


def test_progress_is_told_picture_by_picture(experiment, tmp_path):
    told = []
    one = Member.open(experiment.member_directory("one"))
    member = Member.publish(tmp_path, one.card)
    truth = BoxTruth.of_detection(Manifest.read(experiment.data), "test", experiment.labels)
    predict_split(member, load_model(one), "test", truth, told.append)
    assert told == [1] * len(truth)


class Wrong(tf.Module):
    """A detector's signatures and outputs, with boxes that leave the image; `outputs` are those it gives."""

    def __init__(self, outputs=OUTPUTS):
        super().__init__()
        self.outputs = outputs

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        return self._answer(tf.size(image_bytes))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        return self._answer(tf.shape(image)[0])

    def _answer(self, n):
        row = ([[[0.0, 0.0, 40.0, 60.0]]], [[0.5]], [[1.0]], [1.0])
        answers = (tf.repeat(tf.constant(values), n, axis=0) for values in row)
        return {name: values for name, values in zip(OUTPUTS, answers, strict=True) if name in self.outputs}


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (OUTPUTS, r"the answer of 'wrong' to \S+ breaks the contract: boxes hold 40\.0; they lie in \[0, 1\]"),
        (OUTPUTS[:3], r"a detection member lacks the outputs \['num_detections'\]"),
    ],
    ids=["boxes in pixels", "an output too few"],
)
def test_a_model_against_the_contract_is_refused_and_leaves_nothing(experiment, tmp_path, outputs, reason):
    version = publish_model(Wrong(outputs), tmp_path)
    card = Member.open(experiment.member_directory("one")).card
    changes = {"name": "wrong", "model_hash": Member.hash_model(version)}
    member = Member.publish(tmp_path, card.model_copy(update=changes))
    truth = BoxTruth.of_detection(Manifest.read(experiment.data), "test", experiment.labels)
    with pytest.raises(SpineError, match=reason):
        predict_split(member, load_model(member), "test", truth)
    assert not list((tmp_path / "predictions").glob("*"))


RIGHT = {
    "detection_boxes": np.array([[[0.0, 0.1, 0.5, 0.6], [0.2, 0.2, 0.3, 0.3], [0, 0, 0, 0]]]),
    "detection_scores": np.array([[0.9, 0.4, 0.0]]),
    "detection_classes": np.array([[2.0, 1.0, 0.0]]),
    "num_detections": np.array([2.0]),
}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("detection_boxes", [[[0.0, 0.1, 0.5, 1.6], [0.2, 0.2, 0.3, 0.3], [0, 0, 0, 0]]]),
        ("detection_boxes", [[[0.5, 0.1, 0.0, 0.6], [0.2, 0.2, 0.3, 0.3], [0, 0, 0, 0]]]),
        ("detection_boxes", [[[0.0, 0.1, 0.5, 0.6], [0.2, 0.2, 0.3, 0.3], [0, 0, 1, 1]]]),
        ("detection_scores", [[0.4, 0.9, 0.0]]),
        ("detection_classes", [[3.0, 1.0, 0.0]]),
        ("detection_classes", [[2.0, 1.0, 1.0]]),
        ("num_detections", [1.0]),
        ("num_detections", [4.0]),
    ],
)
def test_the_contract_s_check_of_detections_can_fail(name, wrong):
    assert_detections(RIGHT, 1, 2)
    with pytest.raises(AssertionError):
        assert_detections({**RIGHT, name: np.array(wrong)}, 1, 2)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("detection_boxes", [[[0.0, 0.1, 0.5, 0.7], [0.2, 0.2, 0.3, 0.3], [0, 0, 0, 0]]]),
        ("detection_scores", [[0.9, 0.5, 0.0]]),
        ("detection_classes", [[1.0, 1.0, 0.0]]),
        ("num_detections", [1.0]),
    ],
)
def test_the_contract_s_comparison_of_detections_can_fail(name, wrong):
    padding = [(0, 0), (0, 2), (0, 0)]  # two more rows an image
    padded = {key: np.pad(values, padding[: values.ndim]) for key, values in RIGHT.items() if values.ndim > 1}
    padded["num_detections"] = RIGHT["num_detections"]
    assert_same_answers(RIGHT, padded, atol=1e-3)
    with pytest.raises(AssertionError):
        assert_same_answers({**RIGHT, name: np.array(wrong)}, RIGHT, atol=1e-3)
