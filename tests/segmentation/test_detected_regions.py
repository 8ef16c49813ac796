"""Segmenters of a region read a detector's crops of it: trained on them, or judged there beside the true ones."""

import numpy as np
import pytest

from ensemble import evaluate
from pipeline import registry
from pipeline.experiments import validate_experiment
from segmentation.data import Data
from segmentation.train import train
from spine.core.files import read_json
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.dataset.truth import MaskTruth
from spine.images.pictures import read_mask, read_picture, write_png16
from spine.intake import DataConfig, build
from tests.bright_detector import write_detector
from tests.segmentation.test_region_crops import HEIGHT, LEFT, MEMBER, TOP, WIDTH, data_config, write_source
from tests.segmentation_on_disk import LABELS

pytestmark = pytest.mark.slow

BRIGHTER = 20_000  # of 65,535: what the pixels of a region are above those around it
INSIDE = np.s_[TOP + 4 : TOP + 40, LEFT : LEFT + 60]  # its first rows are not found: detection is not perfect


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """True crops in `data`, whole slices in `whole`, and the crops of the detector's regions in `detected`."""
    folder = tmp_path_factory.mktemp("detected")
    write_source(folder)
    for path in sorted((folder / "images").iterdir()):
        pixels = read_picture(path, path.name).pixels
        pixels[INSIDE] += BRIGHTER
        write_png16(pixels, path)
    write_detector(folder / "detector", ["lumbar_region"], (BRIGHTER / 65535, 1.1, 0.9, 1))
    true = data_config(folder)
    whole = true.model_copy(update={"output": folder / "whole", "crop": None})
    crop = {"label": "lumbar_region", "grow": 0.1, "count": 1, "detector": folder / "detector"}
    raw = {"name": "detected", "output": folder / "detected", "dataset": folder / "whole", "crop": crop}
    for config in (true, whole, validate(DataConfig, raw, "the data config of detected regions")):
        build(config)
    return folder


def experiment_of(folder, name="true", data="data"):
    raw = {
        "name": name,
        "task": "segmentation",
        "data": folder / data,
        "labels": LABELS,
        "runs": folder / "runs",
        "members": {"one": MEMBER},
        "search": {"metric": "dice_foreground", "step": 1.0},
        "evaluate": {"resamples": 100},
    }
    return validate_experiment(raw, f"the experiment {name}")


def test_a_detected_crop_has_the_piece_of_the_mask_that_lies_in_it(folder):
    whole, detected = (Manifest.read(folder / name) for name in ("whole", "detected"))
    assert len(detected.images) == len(whole.images) == 8
    for row in detected.images.itertuples():
        x0, y0, x1, y1 = map(int, (row.x0, row.y0, row.x1, row.y1))
        # 36 x 60 pixels were found, and grow by 5 % a side, to whole pixels.
        assert (x0, y0, x1, y1) == (LEFT - 3, TOP + 4 - 2, LEFT + 60 + 3, TOP + 40 + 2)
        expected = read_mask(whole.mask_path(row.parent))[y0:y1, x0:x1]
        np.testing.assert_array_equal(read_mask(detected.mask_path(row.sample)), expected)
        assert expected.shape != (HEIGHT, WIDTH)


def test_a_network_can_learn_from_them(folder):
    experiment = experiment_of(folder, "learned", "detected")
    data = Data.of(experiment, Manifest.read(experiment.data), experiment.members["one"], seed=1)
    images, truth = next(iter(data.training(0)))
    assert images.shape == (4, 32, 64, 1)
    assert truth.shape == (4, 32, 64, len(LABELS))
    assert set(np.unique(truth.numpy().sum(axis=-1))) == {0, 1}  # letterbox padding has no truth


def test_one_that_learned_from_true_crops_is_judged_on_detected_ones(folder):
    experiment = experiment_of(folder)
    train(experiment, "one")
    for stage in registry.STAGES:
        registry.stage(stage)(experiment)
    evaluate.run(experiment, folder / "detected")
    registry.report(experiment, folder / "detected")
    found = read_json(experiment.directory / "evaluation-detected" / "metrics.json")
    truth = MaskTruth.of_segmentation(Manifest.read(folder / "detected"), "test", LABELS)
    assert found["counts"]["units"] == len(truth)
    assert found["against_own_dataset"]["ensemble"]["low"] <= found["against_own_dataset"]["ensemble"]["high"]
    assert "the members learned from data" in found["notes"][0]
    assert (experiment.directory / "report-detected.html").is_file()
