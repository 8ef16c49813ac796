"""A member that measures, from its settings to what it serves beside a network."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from classification.measured.config import MeasuredSettings
from classification.measured.data import MeasuredData
from classification.measured.fitted import Fitted
from classification.train import train
from ensemble.predict import run as predict
from pipeline.experiments import validate_experiment
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.folds import view
from spine.experiment.foresight import require_strangers
from spine.experiment.truth import read_truth
from spine.member.importance import Importance
from spine.member.member import Member
from tests.member_contract import MemberContract
from tests.spines_on_disk import write_segmenter, write_spines

pytestmark = pytest.mark.slow

FEW = {"network": "measurements", "trees": 15, "shrinkage": 0.2, "fewest": 3}
MEMBERS = {"measured": FEW, "regression": FEW | {"model": "logistic_regression", "masks": True, "l2": 1000.0}}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return write_spines(tmp_path_factory.mktemp("spines"), MEMBERS)


@pytest.fixture(scope="module")
def trained(experiment) -> Path:
    directory = train(experiment, "measured")
    only = experiment.model_copy(update={"members": {"measured": experiment.members["measured"]}})
    predict(only)
    return directory


@pytest.fixture(scope="module")
def regression(experiment) -> Path:
    directory = train(experiment, "regression")
    predict(experiment.model_copy(update={"members": {"regression": experiment.members["regression"]}}))
    return directory


@pytest.fixture(scope="module")
def model(trained):
    return tf.saved_model.load(str(Member.open(trained).model))


class TestTheContract(MemberContract):
    @pytest.fixture(scope="class")
    @classmethod
    def member_directory(cls, regression) -> Path:
        return regression


def test_what_is_measured_tells_narrow_discs(experiment, trained):
    truth = read_truth(experiment, Manifest.read(experiment.data), "test")
    stored = Member.open(trained).predictions("test")
    positive = np.asarray(stored.values)[:, 1]
    assert positive[truth.values == 1].min() > positive[truth.values == 0].max()
    importance = Importance.of_member(trained)
    best = max(importance.rises, key=lambda title: importance.rises[title].mean)
    assert "height" in best or "area" in best or "thickness" in best
    assert (importance.split, importance.rows) == ("validation", 12)


def test_masks_of_the_segmenter_and_true_ones_give_the_same_where_they_are_the_same(experiment, regression):
    true = experiment.model_copy(update={"name": "again", "members": {"one": experiment.members["regression"]}})
    settings = experiment.members["regression"].model_copy(update={"masks": "segmenter"})
    other = train(true.model_copy(update={"members": {"one": settings}, "seed": 5}), "one")
    one, two = (Fitted.read("logistic_regression", path / "fitted.npz") for path in (regression, other))
    for first, second in zip(one.variables, two.variables, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)
    told = [Member.open(path).card.details["masks"] for path in (regression, other)]
    assert told[0].startswith("measured on true masks")
    assert told[1].startswith("measured on the segmenter's masks")


def test_a_box_is_answered_alike_alone_and_among_others_and_in_any_order(experiment, model):
    truth = read_truth(experiment, Manifest.read(experiment.data), "test")
    files = [region.picture.read_bytes() for region in truth.regions]
    boxes = np.array([region.box for region in truth.regions], np.float32)
    regions = model.signatures["regions"]

    def answer(rows) -> np.ndarray:
        chosen = tf.constant([files[row] for row in rows])
        return regions(image_bytes=chosen, boxes=tf.constant(boxes[rows]))["probabilities"].numpy()

    together = answer(range(len(files)))
    np.testing.assert_allclose(answer([5, 0, 3, 0]), together[[5, 0, 3, 0]], atol=1e-6)
    assert regions(image_bytes=tf.constant([], tf.string), boxes=tf.zeros([0, 4]))["probabilities"].shape == (0, 2)
    # A picture without a spine, and one without a canal, have an answer too.
    blank = cv2.imencode(".png", np.zeros((30, 20), np.uint16))[1].tobytes()
    lacking = regions(image_bytes=tf.constant([blank]), boxes=tf.constant([[0.1, 0.1, 0.5, 0.5]]))[
        "probabilities"
    ].numpy()
    assert np.isfinite(lacking).all()
    assert lacking.sum() == pytest.approx(1)


def test_the_segmenters_patients_count_as_seen_and_another_segmenter_is_another_member(experiment, trained, tmp_path):
    card = Member.open(trained).card
    assert patient_hash("a stranger") in card.patients.trained
    assert patient_hash("train00") in card.patients.trained
    assert card.patients.stopped == tuple(sorted(patient_hash(f"validation{n:02d}") for n in range(6)))
    assert card.details["segmenter"] == "outlines"
    before = experiment.member_hash("measured", "data", "splits")
    write_segmenter(tmp_path / "other", ("another",))
    assert experiment.member_hash("measured", "data", "splits") == before
    moved = experiment.members["measured"].model_copy(update={"segmenter": tmp_path / "other"})
    assert moved.made_of
    assert (
        experiment.model_copy(update={"members": {"measured": moved}}).member_hash("measured", "data", "splits")
        != before
    )


def test_a_killed_training_goes_on_and_a_complete_one_is_left(experiment, trained):
    member = Member.open(trained)
    version, content = member.model, (trained / "fitted.npz").read_bytes()
    (trained / "member.json").rename(trained / "hidden.json")  # as killed just before it was published
    (trained / "fitted.npz").write_bytes(content)
    assert train(experiment, "measured") == trained
    assert Member.open(trained).card.model_hash != ""
    assert (trained / "fitted.npz").read_bytes() == content
    assert version.name == Member.open(trained).model.name


def test_what_does_not_fit_is_said_before_a_training(experiment, tmp_path):
    truth = read_truth(experiment, Manifest.read(experiment.data), "train")
    with pytest.raises(SpineError, match="is not a member"):
        MeasuredSettings(segmenter=tmp_path / "nowhere").check(truth)
    classifier = Member.open(experiment.members["measured"].segmenter)
    Member.publish(tmp_path / "grey", classifier.card.model_copy(update={"labels": ("background", "bone", "disc")}))
    (tmp_path / "grey" / "model").symlink_to(classifier.path.resolve() / "model")
    with pytest.raises(SpineError, match="none that is called vertebra"):
        MeasuredSettings(segmenter=tmp_path / "grey").check(truth)
    lost = dataclasses.replace(truth, regions=tuple(region._replace(lost=True) for region in truth.regions))
    with pytest.raises(SpineError, match="build the dataset again"):
        experiment.members["measured"].check(lost)


def test_settings_of_networks_are_none_of_its_own_and_of_shared_ones_it_takes_what_it_has(experiment):
    raw = experiment.model_dump(mode="json") | {"shared": {"epochs": 3, "class_weights": "balanced"}}
    raw["members"] = {
        "measured": {"network": "measurements", "segmenter": "x"},
        "plain": {"network": "plain_cnn", "weights": "none"},
    }
    members = validate_experiment(raw, "a file").members
    assert members["measured"].class_weights == members["plain"].class_weights == "balanced"
    assert members["plain"].epochs == 3
    raw["members"]["measured"]["epochs"] = 3
    with pytest.raises(SpineError, match="epochs"):
        validate_experiment(raw, "a file")
    with pytest.raises(SpineError, match="segmenter"):
        validate_experiment(raw | {"members": {"measured": {"network": "measurements"}}}, "a file")


def test_true_masks_that_lack_or_hold_no_discs_are_said(experiment):
    settings = experiment.members["measured"].model_copy(update={"masks": "true"})
    manifest = Manifest.read(experiment.data)
    with pytest.raises(SpineError, match=r"masks: true measures discs .* none of which is called disc"):
        MeasuredData.of(experiment, dataclasses.replace(manifest, mask_labels=("bone",)), settings, 0)
    truth = read_truth(experiment, manifest, "train")
    settings.check(truth)
    elsewhere = truth.regions[0]._replace(picture=truth.regions[0].picture.with_name("nowhere.png"))
    with pytest.raises(SpineError, match="is missing, and masks: true measures on the dataset's own masks"):
        settings.check(dataclasses.replace(truth, regions=(elsewhere,)))


def test_a_fold_takes_the_segmenters_own_fold_and_refuses_one_that_knows_its_patients(experiment, tmp_path):
    manifest = Manifest.read(experiment.data)
    of_fold = experiment.model_copy(update={"folds": 3, "fold": 1})
    seen = view(of_fold, manifest)
    train_truth, own = (read_truth(of_fold, seen, split) for split in ("train", "validation"))
    segmenter = write_segmenter(tmp_path / "outlines", (*train_truth.patients, *own.patients))
    settings = experiment.members["measured"].model_copy(update={"segmenter": segmenter})
    of_fold = of_fold.model_copy(update={"members": {"measured": settings}})
    inner = of_fold.model_copy(update={"stop_on": "inner"})
    for one in (of_fold, inner):
        with pytest.raises(
            SpineError, match=f"measured: .* has learned from {len(set(own.patients))} of the .* fold 1"
        ):
            require_strangers(one, manifest, ["measured"])
    write_segmenter(segmenter / "fold-1", train_truth.patients)
    for one in (of_fold, inner):
        require_strangers(one, manifest, ["measured"])
    assert MeasuredData.of(of_fold, seen, settings, 0).segmenter.path == segmenter / "fold-1"
    card = Member.open(segmenter / "fold-1").card
    stopped = card.patients.model_copy(update={"stopped": tuple(map(patient_hash, sorted(set(own.patients))))})
    Member.publish(segmenter / "fold-1", card.model_copy(update={"patients": stopped}))
    require_strangers(of_fold, manifest, ["measured"])
    with pytest.raises(SpineError, match="and the same `stop_on`"):
        require_strangers(inner, manifest, ["measured"])
