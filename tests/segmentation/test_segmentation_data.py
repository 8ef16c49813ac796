"""What a segmentation network reads: pictures and masks in one frame, moved together, padding without truth."""

import numpy as np
import pytest

from segmentation.config import Settings
from segmentation.data import Data
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import write_mask
from spine.training.augment import Augmentation
from tests.segmentation_on_disk import experiment_of, write_masks

MEMBER = {"encoder": "resnet18", "encoder_weights": "none", "height": 64, "width": 96, "batch": 4}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    write_masks(folder / "data")
    return experiment_of(folder, {"one": MEMBER})


def data_of(experiment, **changes) -> Data:
    settings = Settings(**MEMBER, **changes)
    return Data.of(experiment, Manifest.read(experiment.data), settings, seed=1)


def test_the_mask_lies_where_its_picture_does_and_padding_has_no_truth(experiment):
    images, truth = (part.numpy() for part in next(iter(data_of(experiment).validation_batches())))
    assert images.shape == (4, 64, 96, 1)
    assert truth.shape == (4, 64, 96, 3)
    known = truth.sum(axis=-1)
    # The first picture is 48 x 48: 64 columns of 96 are its own, 16 on each side are padding.
    np.testing.assert_array_equal(known[0], np.tile([0] * 16 + [1] * 64 + [0] * 16, (64, 1)))
    grey = [images[0, ..., 0][truth[0, ..., label] == 1].mean() for label in range(3)]
    assert grey[2] < grey[0] < grey[1]  # dark disc, background, bright disc


def test_every_patient_is_on_one_side(experiment):
    data = data_of(experiment)
    assert set(data.train.patients) == {f"train{number:02d}" for number in range(6)}
    assert set(data.validation.patients) == {"validation00", "validation01"}
    assert data.steps == 6 * 2 / 4


def test_augmentation_moves_the_mask_with_the_picture(experiment):
    moving = Augmentation(rotation=(10, 30), shift=(0.1, 0.1), elastic=0.02)
    images, truth = (part.numpy() for part in next(iter(data_of(experiment, augmentation=moving).training(0))))
    bright, background = truth[..., 1] == 1, truth[..., 0] == 1
    assert images[..., 0][bright].mean() > images[..., 0][background].mean() + 0.2
    # A shift of 10 % brings in at least that share from outside, which has no truth either.
    assert (truth.sum(axis=-1) == 0).mean(axis=(1, 2)).min() > 0.1


def test_a_pasted_rectangle_brings_its_mask_along(experiment):
    plain = next(iter(data_of(experiment).training(0)))[0].numpy()
    images, truth = (
        part.numpy() for part in next(iter(data_of(experiment, augmentation=Augmentation(cutmix=1.0)).training(0)))
    )
    assert (images != plain).mean() > 0.05
    assert set(np.unique(truth)) == {0.0, 1.0}
    assert images[..., 0][truth[..., 1] == 1].mean() > images[..., 0][truth[..., 0] == 1].mean() + 0.2
    assert (images[..., 0][truth.sum(axis=-1) == 0] == 0).all()  # the padding's black came with its want of truth


def test_a_blend_has_the_shares_of_both_masks(experiment):
    _, truth = next(iter(data_of(experiment, augmentation=Augmentation(mixup=5.0)).training(0)))
    truth = truth.numpy()
    assert ((truth > 0.05) & (truth < 0.95)).any(axis=(1, 2, 3)).all()
    assert truth.sum(axis=-1).max() == pytest.approx(1)


def test_devices_share_rows_evenly(experiment):
    shared = data_of(experiment).shared_by(5)
    assert len(shared.train.samples) == len(shared.train.mask_paths) == 12 // 5 * 5


def test_a_class_without_a_label_is_refused(tmp_path):
    manifest = write_masks(tmp_path / "data")
    sample = manifest.samples_in("validation")[0]
    write_mask(np.full((48, 48), 3, np.uint8), manifest.mask_path(sample))
    with pytest.raises(SpineError, match=rf"{sample}\.png holds class 3"):
        data_of(experiment_of(tmp_path, {"one": MEMBER})).validation_batches()
