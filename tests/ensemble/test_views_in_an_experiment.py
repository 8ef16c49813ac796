"""Members with views of their own, and one that knows no boxes, from training over stored predictions to one model."""

import numpy as np
import pytest
import tensorflow as tf

from classification.train import train
from ensemble import export, predict
from ensemble.experiment_run import ExperimentRun
from pipeline.client import RemoteModel, ServerError
from pipeline.client.check import check_served
from pipeline.experiments import validate_experiment
from pipeline.server import Server, Source
from spine.core.privacy import salt_id
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.foresight import require_trainable
from spine.intake.crop import CropSettings, crop_samples
from spine.member.member import Card, Member, Patients
from spine.member.run_model import load_model, predict_samples
from spine.member.serving import package_versions, publish_model
from tests.experiment_on_disk import write_weights
from tests.grey_model import MeanGrey
from tests.spine.dataset_on_disk import smooth_noise, write_dataset

pytestmark = pytest.mark.slow

SMALL = {"network": "plain_cnn", "weights": "none", "filters": [2], "height": 8, "width": 12, "epochs": 1, "batch": 8}
VIEWS = {"near": {}, "wide": {"grow": 1.0, "aspect": "stretch", "levels": "picture"}, "three": {"slices": 3}}
WEIGHTS = {"near": 0.4, "wide": 0.2, "old": 0.1, "three": 0.3}
LABELS = ("x", "y")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Crops of two boxes a picture, each with a slice before or after it, and four members: three trained, and one that
    was published without `regions`.
    """
    root = tmp_path_factory.mktemp("views")
    samples = [f"p{number}" for number in range(6)]
    pairs = {first: f"p{number + 3}" for number, first in enumerate(samples[:3])}  # of one split
    neighbours = {"after": pairs, "before": {second: first for first, second in pairs.items()}}
    neighbours |= {f"{side}_sha256": dict.fromkeys(told, "1f") for side, told in neighbours.items()}
    corners = {"0": (8.0, 6.5, 28.0, 16.25), "1": (40.0, 30.0, 63.0, 47.5)}
    whole = write_dataset(
        root / "whole",
        {sample: smooth_noise(number) for number, sample in enumerate(samples)},
        boxes=[(sample, box, "disc", *xyxy, box) for sample in samples for box, xyxy in corners.items()],
        labels=[(sample, box, "grade", LABELS[int(box)]) for sample in samples for box in corners],
        splits=list(zip(samples, ["train", "validation", "test"] * 2, [""] * 6, strict=True)),
        **neighbours,
    )
    crop_samples(whole, whole.boxes, root / "data", CropSettings(label="disc", grow=0.2))
    raw = {
        "name": "views",
        "task": "classification",
        "data": root / "data",
        "target": "grade",
        "labels": LABELS,
        "runs": root / "runs",
        "members": {**{name: {**SMALL, "view": view} for name, view in VIEWS.items()}, "old": SMALL},
    }
    experiment = validate_experiment(raw, "the experiment")
    for name in VIEWS:
        train(experiment, name)
    _write_old(experiment)
    predict.run(experiment)
    write_weights(experiment, WEIGHTS)
    return experiment


def _write_old(experiment):
    directory, manifest = experiment.member_directory("old"), Manifest.read(experiment.data)
    version = publish_model(MeanGrey(1.0), directory)
    card = Card(
        name="old",
        task="classification",
        labels=LABELS,
        versions=package_versions(),
        model_hash=Member.hash_model(version),
        config_hash=experiment.member_hash("old", manifest.data_hash, manifest.splits_hash),
        patients=Patients(salt=salt_id()),
    )
    Member.publish(directory, card)


@pytest.fixture(scope="module")
def run(experiment):
    return ExperimentRun(experiment)


def regions_of(model, truth):
    """By hand: the parents' files, the boxes in shares of them, and where it is asked for the slices next to them."""
    root = truth.paths[0].parents[1]
    images = Manifest.read(root).images.set_index("sample").loc[list(truth.samples)]
    boxes = images[["box_y0", "box_x0", "box_y1", "box_x1"]].to_numpy() / [48, 64, 48, 64]
    asked = {"image_bytes": images["parent"]}
    if "slices" in model.signatures:
        asked |= {"before": images["before"], "after": images["after"]}
    files = {
        name: tf.constant([(root / "parents" / f"{one}.png").read_bytes() if one else b"" for one in column])
        for name, column in asked.items()
    }
    signature = model.signatures["slices" if "slices" in model.signatures else "regions"]
    return signature(**files, boxes=tf.constant(boxes, tf.float32))["probabilities"].numpy()


def test_cards_tell_the_views_with_the_dataset_s_growth(experiment):
    told = {name: Member.open(experiment.member_directory(name)).card.input for name in VIEWS}
    assert told["near"]["network"]["view"] == {"grow": 0.2, "aspect": "keep", "levels": "crop", "slices": 1}
    assert told["wide"]["network"]["view"] == {**VIEWS["wide"], "slices": 1}
    assert told["three"]["network"]["view"] == {**told["near"]["network"]["view"], "slices": 3}
    assert all("regions" in one for one in told.values())
    assert [name for name, one in told.items() if "slices" in one] == ["three"]


def test_stored_predictions_are_of_the_boxes_as_each_member_sees_them(run):
    split = run.predictions("test")
    for name in VIEWS:
        expected = regions_of(load_model(run.members[name]), split.truth)
        np.testing.assert_allclose(split.stored[name].values, expected, atol=1e-6)
    crops = [tf.io.decode_png(path.read_bytes(), 1, tf.uint16).numpy().mean() / 65535 for path in split.truth.paths]
    np.testing.assert_allclose(split.stored["old"].values[:, 1], crops, atol=1e-5)


def test_the_dataset_s_own_view_is_its_crops(run):
    split = run.predictions("test")
    files = tf.constant([path.read_bytes() for path in split.truth.paths])
    said = load_model(run.members["near"]).signatures["serving_default"](image_bytes=files)["probabilities"]
    np.testing.assert_allclose(split.stored["near"].values, said, atol=1e-6)


def test_the_served_ensemble_is_what_was_searched_of_the_boxes(experiment, run):
    export.run(experiment)
    member = Member.open(experiment.ensemble_directory)
    assert {"regions", "slices"} < set(member.card.input)
    split = run.predictions("test")
    expected = sum(weight * split.stored[name].values.astype(float) for name, weight in WEIGHTS.items())
    model = load_model(member)
    np.testing.assert_allclose(regions_of(model, split.truth), expected, atol=1e-5)
    picture, box, *_ = split.truth.regions[0]
    alone = {"image_bytes": tf.constant([picture.read_bytes()]), "boxes": tf.constant([box], tf.float32)}
    without = model.signatures["slices"](**alone, before=tf.constant([b""]), after=tf.constant([b""]))["probabilities"]
    np.testing.assert_allclose(model.signatures["regions"](**alone)["probabilities"], without, atol=1e-6)
    assert np.abs(without[0] - expected[0]).max() > 1e-4  # its neighbour counts


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_server_answers_the_boxes_as_they_were_stored(experiment, run, protocol):
    export.run(experiment)
    with Server([Source("small", experiment.ensemble_directory)], rest_port=0, grpc_port=0) as server:
        address = server.rest_url if protocol == "http" else f"grpc://{server.grpc_address}"
        with RemoteModel.open(f"{address}/v1/models/small") as model:
            assert model.sees_boxes
            assert model.sees_slices
            done = check_served(model, experiment)
            assert done.samples == len(run.truth("test").samples)
            assert not done.differing
            picture, box, *_ = run.truth("test").regions[0]
            with pytest.raises(ServerError, match="boxes are y0 x0 y1 x1"):
                model.outputs([picture.read_bytes()], boxes=np.array([box[::-1]], np.float32))


def test_crops_without_their_pictures_are_read_as_they_are_and_a_view_of_more_is_refused(experiment, run, tmp_path):
    manifest = Manifest.read(experiment.data)
    lost = manifest.images.drop(
        columns=[name for name in manifest.images if name.startswith(("box_", "parent_", "grow"))]
    )
    for name in ("boxes", "labels", "splits"):
        getattr(manifest, name).to_csv(tmp_path / f"{name}.csv", index=False)
    lost.to_csv(tmp_path / "images.csv", index=False)
    (tmp_path / "dataset.json").write_text('{"mask_labels": []}')
    (tmp_path / "images").symlink_to((experiment.data / "images").resolve())
    older = experiment.model_copy(update={"data": tmp_path})
    require_trainable(older, Manifest.read(tmp_path), ["near", "old"], print)
    with pytest.raises(SpineError, match=r"members\.wide: view asks for grow: 1, .*build the dataset again"):
        require_trainable(older, Manifest.read(tmp_path), ["wide"], print)
    truth = ExperimentRun(older).truth("test")
    with pytest.raises(SpineError, match="crop without its picture"):
        list(predict_samples(load_model(run.members["near"]), truth))
    assert len(next(predict_samples(load_model(run.members["old"]), truth))) == len(truth.samples)
