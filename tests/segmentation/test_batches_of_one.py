"""Networks trained a picture at a time: what they learned is what is served."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest

from pipeline.experiments import validate_experiment
from segmentation.architectures import ARCHITECTURES
from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.model import build
from segmentation.train import train
from spine.core.problems import SpineError
from spine.training.batch_norm import norms_of, refuse_lone_values
from spine.training.data import FitData
from tests.segmentation_on_disk import LABELS, write_masks

SIDE = 96
BRANCHES = {"pspnet": [f"psp_level{level}_gn" for level in (1, 2, 3, 6)], "deeplabv3plus": ["pyramid_image_gn"]}


def settings(architecture: str, side: int = SIDE) -> Settings:
    return Settings(
        architecture=architecture, encoder="mobilenet0.25", encoder_weights="none", height=side, width=side, batch=1
    )


def pictures(count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs in noise (N, H, W, 1), and where they are (N, H, W)."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    masks = np.stack([(rows - 30 - 4 * n) ** 2 + (columns - 40 - 5 * n) ** 2 < 300 for n in range(count)])
    noise = 0.1 * np.random.default_rng(0).uniform(size=(count, SIDE, SIDE))
    return (noise + 0.8 * masks)[..., np.newaxis].astype(np.float32), masks


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize(("architecture", "branches"), BRANCHES.items())
def test_what_is_pooled_is_the_same_in_training_and_served_and_no_constant(architecture, branches):
    model = build(settings(architecture), 2)
    for norm in map(model.get_layer, branches):
        value = np.random.default_rng(0).normal(size=(1, *norm.input.shape[1:])).astype(np.float32)
        served = norm(value, training=False).numpy()
        np.testing.assert_array_equal(norm(value, training=True), served)
        assert np.ptp(served) > 0.1, "batch norm would give a constant for a branch of one value a channel"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_batch_norm_has_maps_of_one_pixel(architecture):
    assert min(np.prod(norm.output.shape[1:-1]) for norm in norms_of(build(settings(architecture), 2))) > 1


@pytest.mark.slow
@pytest.mark.parametrize("architecture", BRANCHES)
def test_a_network_trained_a_picture_at_a_time_is_served_as_it_learned(architecture):
    keras.utils.set_random_seed(1)
    model, (images, masks) = build(settings(architecture), 2), pictures()
    model.compile(keras.optimizers.Adam(1e-3), CompoundLoss.from_settings(settings(architecture), ("around", "disc")))
    model.fit(images, np.eye(2)[masks.astype(int)], epochs=40, batch_size=1, verbose=0)
    served = model(images, training=False).numpy().argmax(-1) == 1
    learned = np.concatenate([model(images[n : n + 1], training=True).numpy() for n in range(6)]).argmax(-1) == 1
    assert dice(learned, masks) > 0.95
    assert dice(learned, masks) - dice(served, masks) < 0.03  # with batch norm in PSPNet's branches 0.05


@dataclass(frozen=True)
class Rows:
    samples: range


def data(rows: int, batch: int, replicas: int = 1) -> FitData:
    """Data of so many training rows; nothing of them is read."""
    given = Settings(batch=batch, encoder_weights="none")
    return FitData(Rows(range(rows // replicas * replicas)), None, given, 0, replicas)


@pytest.mark.parametrize(
    ("rows", "batch", "replicas", "fewest"),
    [(9, 4, 1, 1), (8, 4, 1, 4), (10, 4, 1, 2), (3, 8, 1, 3), (1, 1, 1, 1), (9, 4, 2, 2), (10, 8, 2, 1), (16, 8, 4, 2)],
)
def test_the_smallest_step_of_an_epoch(rows, batch, replicas, fewest):
    assert data(rows, batch, replicas).fewest == fewest


def test_batch_norm_over_a_single_value_is_refused_with_the_batch_that_gives_it():
    lone = build(settings("unet", side=32), 2)  # the encoder ends at 1 x 1
    refuse_lone_values(lone, data(10, 4))
    with pytest.raises(SpineError, match=r"of 9 pictures in batches of 4 the last has 1: one a device\. Batch"):
        refuse_lone_values(lone, data(9, 4))
    with pytest.raises(SpineError, match=r"of 10 pictures in batches of 8 over 2 devices the last has 2"):
        refuse_lone_values(lone, data(10, 8, replicas=2))
    lone.trainable = False
    refuse_lone_values(lone, data(9, 4))
    refuse_lone_values(build(settings("unet", side=64), 2), data(9, 4))


def test_it_is_told_before_training_and_before_anything_is_written(tmp_path):
    write_masks(tmp_path / "data")
    small = {"encoder": "mobilenet0.25", "encoder_weights": "none", "height": 32, "width": 32, "batch": 11, "epochs": 1}
    raw = {
        "name": "one",
        "task": "segmentation",
        "data": tmp_path / "data",
        "labels": LABELS,
        "runs": tmp_path / "runs",
    }
    experiment = validate_experiment({**raw, "members": {"unet": small}}, "the experiment")
    with pytest.raises(SpineError, match="of 12 pictures in batches of 11 the last has 1"):
        train(experiment, "unet")
    assert not experiment.member_directory("unet").exists()
