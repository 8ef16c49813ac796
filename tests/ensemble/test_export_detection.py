"""The fused model of detectors that are a few lines of TensorFlow, and the whole way there: predict, search, export."""

import json

import numpy as np
import pytest

from ensemble import export, predict, search
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from ensemble.serving.parity import BOX_PARITY, distance
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.member.member import Member
from spine.metrics.detection import METRICS
from spine.metrics.matches import match_images
from tests.clean_process import run_clean
from tests.detection_on_disk import publish_detectors, write_box_weights, write_detection_experiment
from tests.member_contract import MemberContract

SHARPNESS = {"resnet": 2.0, "vgg": 1.6, "mobilenet": 1.2}
WEIGHTS = {"resnet": 0.7, "vgg": 0.3, "mobilenet": 0.0}
FUSION = {"iou_threshold": 0.5, "score_threshold": 0.35}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_detection_experiment(
            tmp_path_factory.mktemp("export"), search={"metric": "map50", "step": 0.25}
        )
        publish_detectors(experiment, SHARPNESS)
        predict.run(experiment)
        write_box_weights(experiment, WEIGHTS, FUSION)
        export.run(experiment)
    return experiment


def test_boxes_are_the_ensemble_s_where_there_is_only_tensorflow(experiment, tmp_path):
    truth = ExperimentRun(experiment).predictions("test").truth
    code = """
import json
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
pictures = [open(path, "rb").read() for path in sys.argv[2:]]
out = model.signatures["serving_default"](image_bytes=tf.constant(pictures))
print(json.dumps({name: value.numpy().tolist() for name, value in out.items()}))
"""
    model = Member.open(experiment.ensemble_directory).model
    printed = run_clean(code, tmp_path, str(model), *map(str, truth.paths[:4]))
    outputs = {name: np.array(values) for name, values in json.loads(printed.splitlines()[-1]).items()}
    members = [Member.open(experiment.member_directory(name)).predictions("test") for name in ("resnet", "vgg")]
    for number in range(4):
        found = Detections.from_outputs(outputs, number)
        expected = fuse_boxes([member.detections(number) for member in members], [0.7, 0.3], BoxFusion(**FUSION))
        assert len(found) > 0
        assert distance(found, expected) < 1e-5


def test_the_card_tells_weights_thresholds_and_parity(experiment):
    card = Member.open(experiment.ensemble_directory).card
    assert card.kind == "ensemble"
    assert card.details["weights"] == {"resnet": 0.7, "vgg": 0.3}
    assert card.details["fusion"] == FUSION
    assert card.details["parity"] < BOX_PARITY
    assert set(card.outputs) == {"detection_boxes", "detection_scores", "detection_classes", "num_detections"}


def test_search_writes_thresholds_that_export_takes(experiment, monkeypatch):
    monkeypatch.setenv("SPINE_SALT", "salt of the tests")
    weights, table, _ = search.run(experiment)
    found = read_json(weights)
    assert found["metric"] == "map50"
    stored = ExperimentRun(experiment).predictions("validation")
    images = zip(*stored.stored.values(), strict=True)
    fused = [fuse_boxes(image, list(found["weights"].values()), BoxFusion(**found["fusion"])) for image in images]
    assert found["score"] == METRICS["map50"].function(match_images(stored.truth, fused))
    assert table.read_text().splitlines()[0] == "resnet,vgg,mobilenet,iou_threshold,score_threshold,map50"
    before = Member.open(experiment.ensemble_directory).card
    version, *kit = export.run(experiment)
    card = Member.open(experiment.ensemble_directory).card
    assert card.details["fusion"] == found["fusion"]
    assert card.model_hash != before.model_hash
    assert version.name == "2"
    assert all(file.exists() for file in kit)
    assert export.run(experiment)[0] == version


def test_weights_without_thresholds_are_refused(experiment, monkeypatch):
    monkeypatch.setenv("SPINE_SALT", "salt of the tests")
    path = write_box_weights(experiment, WEIGHTS)
    found = read_json(path)
    del found["fusion"]
    path.write_text(json.dumps(found))
    with pytest.raises(SpineError, match="has no thresholds of box fusion"):
        export.run(experiment)


def test_distance_is_blind_to_order_and_infinite_where_classes_differ():
    boxes, scores = np.array([[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.6, 0.7]]), np.array([0.8, 0.8])
    one = Detections.from_arrays(boxes, scores, np.array([1, 2]))
    other = Detections.from_arrays(boxes[::-1] + 0.01, scores, np.array([2, 1]))
    assert distance(one, other) == pytest.approx(0.01, abs=1e-6)
    assert distance(one, Detections.from_arrays(boxes, scores, np.array([1, 1]))) == float("inf")
    assert distance(one, one.above(0.9)) == float("inf")
    assert distance(one.above(0.9), one.above(0.9)) == 0


class TestDetectorEnsemble(MemberContract):
    @pytest.fixture(scope="class")
    @classmethod
    def member_directory(cls, experiment):
        return experiment.ensemble_directory
