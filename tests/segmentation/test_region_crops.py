"""The whole path on crops of a region, as the published segmenters read them: build, train, predict ... report."""

import csv
import json

import numpy as np
import pytest

from pipeline import registry
from pipeline.experiments import validate_experiment
from segmentation.train import train
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.experiment.truth import read_truth
from spine.images.pictures import read_mask, write_mask, write_png16
from spine.intake import DataConfig, build
from spine.member.member import Member
from tests.segmentation_on_disk import LABELS, picture_and_mask

HEIGHT, WIDTH, TOP, LEFT = 96, 120, 20, 40  # of the whole slice; the region of 40 x 60 begins at row 20, column 40
MEMBER = {  # of the architectures that which is built soonest
    "architecture": "pspnet",
    "encoder": "mobilenet0.25",
    "encoder_weights": "none",
    "height": 32,
    "width": 64,
    "batch": 4,
    "epochs": 1,
}


def write_source(folder, patients: int = 8) -> None:
    """A slice a patient, a bright and a dark disc in its region, a mask of the whole slice, boxes in a table."""
    rows = []
    for patient in range(patients):
        picture = np.random.default_rng(patient).normal(2000, 100, (HEIGHT, WIDTH)).astype(np.uint16)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        inside = np.s_[TOP : TOP + 40, LEFT : LEFT + 60]
        picture[inside], mask[inside] = picture_and_mask(40, 60, patient)
        mask[0, 0] = 1  # outside the region: cut away
        write_png16(picture, folder / "images" / f"p{patient}.png")
        write_mask(mask, folder / "masks" / f"p{patient}.png")
        rows.append((f"p{patient}.png", LEFT, TOP, LEFT + 60, TOP + 40))
    with (folder / "regions.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "xmin", "ymin", "xmax", "ymax"), *rows])


def data_config(folder) -> DataConfig:
    table = {"format": "table", "path": folder / "regions.csv", "label": "lumbar_region"}
    masks = {"format": "mask", "path": folder / "masks", "labels": list(LABELS[1:])}
    source = {
        "name": "mr",
        "images": folder / "images",
        "patient": r"(?P<patient>p\d)",
        "annotations": [{**table, "box": ["xmin", "ymin", "xmax", "ymax"]}, masks],
    }
    raw = {
        "name": "regions",
        "output": folder / "data",
        "sources": [source],
        "crop": {"label": "lumbar_region", "grow": 0.1},
        "splits": {"train": 0.5, "validation": 0.25, "test": 0.25},
    }
    return validate(DataConfig, raw, "the data config of regions")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Manifest:
    folder = tmp_path_factory.mktemp("regions")
    write_source(folder)
    return Manifest.read(build(data_config(folder)).root)


def test_crops_hold_their_piece_of_the_picture_and_of_the_mask(dataset):
    assert set(dataset.images["height"]) == {round(1.1 * 40)}
    assert set(dataset.images["width"]) == {round(1.1 * 60)}
    assert set(dataset.images[["x0", "y0"]].itertuples(index=False, name=None)) == {(LEFT - 3, TOP - 2)}
    for row in dataset.images.itertuples():
        number = int(row.patient[1:])
        expected = np.pad(picture_and_mask(40, 60, number)[1], ((2, 2), (3, 3)))
        np.testing.assert_array_equal(read_mask(dataset.mask_path(row.sample)), expected)


@pytest.mark.slow
def test_members_of_crops_are_trained_searched_exported_judged_and_reported(dataset):
    raw = {
        "name": "regions",
        "task": "segmentation",
        "data": dataset.root,
        "labels": LABELS,
        "runs": dataset.root.parent / "runs",
        "members": {"one": MEMBER, "other": {**MEMBER, "learning_rate": 0.01}},
        "search": {"metric": "dice_foreground", "step": 0.5},
        "evaluate": {"resamples": 100},
    }
    experiment = validate_experiment(raw, "the experiment of regions")
    for name in experiment.members:
        train(experiment, name)
    for stage in registry.STAGES:
        registry.stage(stage)(experiment)
    truth = read_truth(experiment, dataset, "test")
    stored = Member.open(experiment.member_directory("one")).predictions("test")
    assert stored.values.shape == (len(truth) * 44 * 66, len(LABELS))
    assert (stored.index[["height", "width"]].to_numpy() == (44, 66)).all()
    metrics = json.loads((experiment.evaluation_directory / "metrics.json").read_text())
    assert "dice_foreground" in json.dumps(metrics)
    assert (experiment.directory / "report.html").is_file()
