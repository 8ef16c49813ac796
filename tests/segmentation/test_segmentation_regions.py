"""Segmenters read whole slices or crops of a region, as the dataset is: the crops' masks are cut along."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmentation.config import Settings
from segmentation.data import Data
from spine.dataset.manifest import BOXES, Manifest
from spine.dataset.truth import MaskTruth
from spine.images.pictures import read_picture
from spine.intake import build, load_data_config
from spine.intake.crop import CropSettings, crop_samples
from tests.segmentation_on_disk import LABELS, SIZES, experiment_of, write_masks

ROOT = Path(__file__).resolve().parents[2]
REGION = (4.0, 8.0, 24.0, 38.0)  # x0, y0, x1, y1: the left of every picture, where the bright disc lies
GROWN = (slice(8 - 2, 38 + 2), slice(4 - 1, 24 + 1))  # rows and columns: a tenth is 1.5 rows and 1 column a side


@pytest.fixture
def crops(tmp_path):
    whole = write_masks(tmp_path / "whole")
    boxes = [(sample, "0", "lumbar_region", *REGION, "") for sample in whole.images["sample"]]
    whole = replace(whole, boxes=pd.DataFrame(boxes, columns=list(BOXES)))
    crop_samples(whole, whole.boxes, tmp_path / "data", CropSettings(label="lumbar_region", grow=0.1))
    return whole, experiment_of(tmp_path, {"one": {}})


def test_a_crop_is_its_parents_piece_in_picture_and_mask(crops):
    whole, experiment = crops
    parent, crop = (
        MaskTruth.of_segmentation(manifest, "train", LABELS) for manifest in (whole, Manifest.read(experiment.data))
    )
    assert crop.sizes == ((34, 22),) * len(parent)
    for number in range(len(SIZES)):
        np.testing.assert_array_equal(crop.mask(number), parent.mask(number)[GROWN])
        piece, picture = (read_picture(of.paths[number], "").pixels for of in (crop, parent))
        np.testing.assert_array_equal(piece, picture[GROWN])


def test_a_network_trains_on_the_crops_with_their_aspect_kept(crops):
    _, experiment = crops
    settings = Settings(architecture="unet", encoder_weights="none", height=68, width=68, batch=2)
    data = Data.of(experiment, Manifest.read(experiment.data), settings, seed=1)
    _, truth = next(iter(data.validation_batches()))
    # 34 x 22 becomes 68 x 44: 12 columns of padding, which has no truth, on each side.
    np.testing.assert_array_equal(truth.numpy().sum(axis=-1)[0], np.tile([0] * 12 + [1] * 44 + [0] * 12, (68, 1)))


@pytest.mark.slow
def test_regions_of_real_slices_hold_the_spine(spine_data, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SPINE_DATA", str(spine_data))
    config = load_data_config("configs/data/spider_region_segmentation.yaml")
    manifest = Manifest.read(build(config.model_copy(update={"output": tmp_path / "regions"})).root)
    truth = MaskTruth.of_segmentation(manifest, "train", ("background", "vertebra", "disc", "canal"))
    share = np.mean([np.bincount(mask.ravel(), minlength=4) / mask.size for mask in truth], axis=0)
    assert (share > 0.05).all()  # of a whole slice the discs are 0.024
    assert share[1] > share[3] > share[2]
