"""A member that measures beside a network: predicted, searched, exported, judged and shown as any other."""

import numpy as np
import pytest
import tensorflow as tf

from classification.train import train
from ensemble.evaluate import run as evaluate
from ensemble.export import run as export
from ensemble.predict import run as predict
from ensemble.report import run as report
from ensemble.search import run as search
from spine.dataset.manifest import Manifest
from spine.experiment.truth import read_truth
from spine.member.member import Member
from tests.spines_on_disk import write_spines

pytestmark = pytest.mark.slow

MEMBERS = {
    "measured": {"network": "measurements", "trees": 10, "shrinkage": 0.2, "fewest": 3},
    "plain": {"network": "plain_cnn", "weights": "none", "height": 16, "width": 24, "filters": [4], "epochs": 1},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    experiment = write_spines(tmp_path_factory.mktemp("ensemble"), MEMBERS, search={"method": "equal", "resamples": 0})
    for member in MEMBERS:
        train(experiment, member)
    for stage in (predict, search, export, evaluate, report):
        stage(experiment)
    return experiment


def test_the_ensemble_answers_boxes_as_its_members_do(exported):
    truth = read_truth(exported, Manifest.read(exported.data), "test")
    members = [Member.open(exported.member_directory(name)) for name in MEMBERS]
    mean = np.mean([np.asarray(member.predictions("test").values) for member in members], axis=0)
    fused = tf.saved_model.load(str(Member.open(exported.ensemble_directory).model))
    files = tf.constant([region.picture.read_bytes() for region in truth.regions])
    boxes = tf.constant([region.box for region in truth.regions], tf.float32)
    answer = fused.signatures["regions"](image_bytes=files, boxes=boxes)["probabilities"].numpy()
    np.testing.assert_allclose(answer, mean, atol=1e-5)


def test_the_report_draws_the_importance_and_tells_the_masks(exported):
    page = (exported.directory / "report.html").read_text()
    assert "how much it matters" in page
    assert "measured on the segmenter&#39;s masks" in page
    assert (exported.evaluation_directory / "importance_measured.png").exists()
    assert not (exported.evaluation_directory / "importance_plain.png").exists()
