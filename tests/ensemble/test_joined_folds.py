"""What the folds said, joined: of masks and boxes as of classes; and the mean of detectors, by boxes fusion."""

import numpy as np
import pandas as pd
import pytest

from ensemble import join_folds as folds
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from ensemble.out_of_fold import predict_out_of_fold
from ensemble.serving.parity import BOX_PARITY, distance
from pipeline.experiments import validate_experiment
from spine.core.privacy import patient_hash, salt_id
from spine.dataset.manifest import OUT_OF_FOLD, Manifest
from spine.dataset.truth import AnyTruth
from spine.experiment.config import Experiment
from spine.experiment.folds import fold_of_patients, parts
from spine.experiment.truth import read_truth
from spine.member.member import Card, Member, Patients
from spine.member.run_model import detect_pictures, load_model
from spine.predictions.predictions import Predictions
from spine.training.inputs import subset
from tests import detection_on_disk as boxes
from tests.experiment_on_disk import MASK_LABELS, noisy_pixels, write_masks, write_model

pytestmark = pytest.mark.slow

PATIENTS = {"train": 4, "validation": 2, "test": 2}


def publish_folds(experiment: Experiment, store) -> tuple[Manifest, AnyTruth]:
    """Two fold models of the member "one", `store(directory, truth, model_hash)` keeping what each says; the truth."""
    manifest = Manifest.read(experiment.data)
    truth, fold_of = read_truth(experiment, manifest, OUT_OF_FOLD), fold_of_patients(experiment, manifest)
    for part in parts(experiment):
        directory = part.member_directory("one")
        own = [row for row, patient in enumerate(truth.patients) if fold_of[patient] == part.fold]
        others = sorted(patient_hash(patient) for patient, fold in fold_of.items() if fold != part.fold)
        model_hash = write_model(directory, f"fold {part.fold}")
        store(directory, subset(truth, own), model_hash)
        card = Card(name="one", task=experiment.task, labels=experiment.labels, model_hash=model_hash)
        patients = Patients(salt=salt_id(), trained=tuple(others))
        Member.publish(directory, card.model_copy(update={"patients": patients}))
    return manifest, truth


def joined(experiment: Experiment, manifest: Manifest):
    """The joined predictions of the member, which is published here."""
    hashes = tuple(Member.open(part.member_directory("one")).card.model_hash for part in parts(experiment))
    card = Card(name="one", task=experiment.task, labels=experiment.labels, model_hash="served", folds=hashes)
    member = Member.publish(experiment.member_directory("one"), card)
    predict_out_of_fold(experiment, manifest, [member])
    return member.predictions(OUT_OF_FOLD)


@pytest.fixture
def masks(tmp_path) -> Experiment:
    write_masks(tmp_path / "data", PATIENTS, (0.5, 1.0), 0)
    return validate_experiment(
        {
            "name": "masks",
            "task": "segmentation",
            "data": tmp_path / "data",
            "labels": MASK_LABELS,
            "runs": tmp_path / "runs",
            "members": {"one": {"encoder_weights": "none"}},
            "folds": 2,
        },
        "the experiment of masks",
    )


@pytest.fixture
def detections(tmp_path) -> Experiment:
    boxes.write_boxes(tmp_path / "data", PATIENTS)
    return boxes.experiment_of(tmp_path, {"one": {}}, folds=2)


def test_masks_of_different_sizes_are_joined_in_the_order_of_the_manifest(masks):
    def store(directory, own, model_hash):
        index = pd.DataFrame({"sample": own.samples, "patient": own.patients})
        index[["height", "width"]] = own.sizes
        pixels = index["height"] * index["width"]
        values = np.concatenate([noisy_pixels(mask, 4, 0.5, 0) for mask in own])
        head = {"task": "segmentation", "labels": own.labels, "split": OUT_OF_FOLD}
        head |= {"model_hash": model_hash, "truth_hash": own.hash}
        Predictions.write(
            directory / "predictions" / OUT_OF_FOLD, values, index.assign(offset=pixels.cumsum() - pixels), **head
        )

    manifest, truth = publish_folds(masks, store)
    found = joined(masks, manifest)
    assert len({size for size in truth.sizes}) == 2
    assert tuple(found.index["sample"]) == truth.samples
    np.testing.assert_array_equal(found.values, np.concatenate([noisy_pixels(mask, 4, 0.5, 0) for mask in truth]))


def test_boxes_are_joined_in_the_order_of_the_manifest(detections):
    said = {}

    def store(directory, own, model_hash):
        found = boxes.noisy(own, 0.05, seed=len(said))
        said.update(zip(own.samples, found, strict=True))
        boxes.store_detections(directory, own, OUT_OF_FOLD, found, model_hash)

    manifest, truth = publish_folds(detections, store)
    found = joined(detections, manifest)
    assert tuple(found.index["sample"]) == truth.samples
    for sample, one in zip(truth.samples, found, strict=True):
        np.testing.assert_array_equal(one.boxes, said[sample].boxes)
        np.testing.assert_array_equal(one.scores, said[sample].scores)
        np.testing.assert_array_equal(one.classes, said[sample].classes)


def test_the_mean_of_detectors_is_their_boxes_fused(detections):
    publish_folds(detections, lambda directory, own, model_hash: None)
    for part, sharpness in zip(parts(detections), (2.0, 1.0), strict=True):
        boxes.publish_detectors(part, {"one": sharpness})
    (directory,) = folds.run(detections)
    member = Member.open(directory)
    assert member.card.kind == "folds"
    paths = read_truth(detections, Manifest.read(detections.data), "test").paths
    models = [load_model(Member.open(part.member_directory("one"))) for part in parts(detections)]
    answers = [list(detect_pictures(model, paths)) for model in (load_model(member), *models)]
    for fused, *single in zip(*answers, strict=True):
        assert distance(fused, fuse_boxes(single, [0.5, 0.5], BoxFusion())) < BOX_PARITY
