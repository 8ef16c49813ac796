"""A member that trains on patches, and answers whole pictures at their own resolution."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ensemble.predict import run as predict
from segmentation.architectures import ARCHITECTURES
from segmentation.config import Settings
from segmentation.data import Data
from segmentation.model import build
from segmentation.own_size import ServedOwnSize, in_tiles
from segmentation.train import train
from spine.dataset.manifest import Manifest
from spine.member.member import Member
from spine.training.history import History
from tests.member_contract import MemberContract, as_image, grey, png
from tests.segmentation_on_disk import experiment_of, write_masks

pytestmark = pytest.mark.slow

MEMBER = {
    "encoder": "mobilenet0.25",
    "encoder_weights": "none",
    "height": 32,
    "width": 32,
    "patches": {"per_picture": 2, "foreground": 0.5},
    "deep_supervision": True,
    "batch": 8,
    "epochs": 2,
    "augmentation": {"rotation": 10},
}
SETTINGS = Settings(**{**MEMBER, "normalisation": "none"})


def copying(scale: float = 1.0) -> keras.Model:
    """Probabilities [grey, 1 - grey] of each pixel of pictures of any size, both times `scale`."""
    inputs = keras.Input((None, None, 1))
    copy = keras.layers.Conv2D(2, 1, name="copy")
    model = keras.Model(inputs, copy(inputs))
    copy.set_weights([np.array([[[[scale, -scale]]]]), np.array([0, scale])])
    return model


def around() -> keras.Model:
    """The mean grey of the 9 x 9 pixels around each, and 1 less that; what lies outside counts 0."""
    inputs = keras.Input((None, None, 1))
    blur = keras.layers.Conv2D(2, 9, padding="same")
    model = keras.Model(inputs, blur(inputs))
    kernel = np.full((9, 9, 1, 1), 1 / 81)
    blur.set_weights([np.concatenate([kernel, -kernel], axis=-1), np.array([0, 1])])
    return model


@pytest.mark.parametrize("most", [2**21, 500])
def test_every_pixel_is_answered_where_it_lies(most):
    served = ServedOwnSize(copying(2.0), SETTINGS, most, tile=40)
    for height, width in ((32, 64), (33, 31), (97, 131)):
        picture = as_image(grey(height, width))
        answer = served.image(picture)["probabilities"].numpy()
        assert answer.shape == (1, height, width, 2)
        np.testing.assert_allclose(answer[..., :1], picture, atol=1e-6)


def test_pictures_of_a_request_are_answered_as_alone_whole_or_in_tiles():
    pictures = [png(grey(50, 70, seed)) for seed in range(3)]
    for most in (50 * 70 * 3, 50 * 70, 50 * 70 - 1):  # together; one by one; each in tiles
        served = ServedOwnSize(around(), SETTINGS, most, tile=32)
        together = served.serving_default(tf.constant(pictures))["probabilities"].numpy()
        for index, one in enumerate(pictures):
            alone = served.serving_default(tf.constant([one]))["probabilities"].numpy()
            np.testing.assert_allclose(together[index], alone[0], atol=1e-6)


def test_tiles_that_see_enough_answer_as_the_whole_picture_does():
    picture = as_image(grey(150, 90))
    whole = ServedOwnSize(around(), SETTINGS).image(picture)["probabilities"].numpy()
    tiled = ServedOwnSize(around(), SETTINGS, 1000, tile=64).image(picture)["probabilities"].numpy()
    assert np.abs(tiled - whole).max() < 0.02  # at a tile's edge it sees zeros, and weighs little
    assert np.abs(tiled - whole)[:, 5:-5, 5:-5].mean() < 1e-3


@pytest.mark.parametrize("most", [2**21, 1000])
def test_the_answer_of_a_flipped_picture_is_the_flipped_answer(most):
    inputs = keras.Input((None, None, 1))
    drawn = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    uneven = keras.layers.Conv2D(2, 5, padding="same", activation="softmax", kernel_initializer=drawn)
    network = keras.Model(inputs, uneven(inputs))
    picture = as_image(grey(51, 77))  # padded by odd numbers of lines
    flipped, plain = (
        ServedOwnSize(network, SETTINGS.model_copy(update={"test_time": flips}), most, tile=32)
        for flips in (("horizontal_flip", "vertical_flip"), ())
    )
    for axis in (1, 2):
        answer = flipped.image(np.flip(picture, axis))["probabilities"]
        np.testing.assert_allclose(answer, np.flip(flipped.image(picture)["probabilities"], axis), atol=1e-5)
        alone = plain.image(np.flip(picture, axis))["probabilities"]
        assert np.abs(alone - np.flip(plain.image(picture)["probabilities"], axis)).max() > 0.01


def test_tiles_are_averaged_by_gaussian_weights():
    random = np.random.default_rng(0)
    picture = random.uniform(size=(1, 25, 10, 1)).astype(np.float32)
    ramp = np.arange(12, dtype=np.float32)[:, None, None]  # what a tile answers depends on the place in it

    def answer(part):
        return tf.concat([part, part * 0 + ramp[: tf.shape(part)[1]]], axis=-1)

    found = in_tiles(answer, tf.constant(picture), 12, 2).numpy()[0]
    gaussian = [np.exp(-0.5 * ((np.arange(side) - (side - 1) / 2) / (side / 8)) ** 2) for side in (12, 10)]
    total, counted = np.zeros((25, 10)), np.zeros((25, 10))
    for top in (0, 4, 9, 13):  # 13 rows more than a tile: three steps of at most 6
        weights = np.outer(*gaussian)
        total[top : top + 12] += weights * ramp[:, 0]
        counted[top : top + 12] += weights
    np.testing.assert_allclose(found[..., 1], total / counted, rtol=1e-4)
    np.testing.assert_allclose(found[..., 0], picture[0, ..., 0], rtol=1e-4)


def test_sides_of_patches_are_multiples_and_the_network_has_no_size():
    with pytest.raises(ValueError, match=r"height and width are 50 and 64; .* multiples of 32 .* give 64 and 64"):
        Settings(patches={}, height=50, width=64)
    with pytest.raises(ValueError, match="which pspnet is not; use one of unet, linknet, deeplabv3plus"):
        Settings(patches={}, architecture="pspnet", height=96, width=96)


@pytest.mark.parametrize("architecture", [name for name, one in ARCHITECTURES.items() if one.any_size])
def test_architectures_answer_any_size_alike(architecture):
    settings = Settings(**{**MEMBER, "architecture": architecture, "deep_supervision": False})
    network = build(settings, 3)
    fixed = build(settings.model_copy(update={"patches": None, "height": 64, "width": 96}), 3)
    fixed.set_weights(network.get_weights())
    picture = np.random.default_rng(0).uniform(size=(1, 64, 96, 1)).astype(np.float32)
    any_size = tf.function(network, input_signature=[tf.TensorSpec([None, None, None, 1])])
    np.testing.assert_allclose(any_size(picture), fixed(picture), atol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches")
    write_masks(folder / "data")
    experiment = experiment_of(folder, {"patches": MEMBER})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        directory = train(experiment, "patches")
        predict(experiment)
    return experiment, directory


def test_a_picture_is_several_patches_of_an_epoch_and_validation_is_whole_pictures(trained):
    experiment, _ = trained
    data = Data.of(experiment, Manifest.read(experiment.data), experiment.members["patches"], seed=1)
    assert data.steps == 6 * 2 * 2 / 8
    assert next(iter(data.training(0)))[0].shape == (8, 32, 32, 1)
    assert [tuple(images.shape[1:3]) for images, _ in data.validation_batches()] == [(64, 64), (64, 64)] * 2


def test_its_history_and_predictions_are_of_whole_pictures(trained):
    _, directory = trained
    history = History.read(directory / "history.csv")
    assert len(history) == 2
    assert all(np.isfinite(float(row["val_loss"])) for row in history.rows)
    stored = Member.open(directory).predictions("test")
    assert stored.values.shape == (2 * 48 * 48 + 2 * 40 * 56, 3)
    assert "network" not in Member.open(directory).card.input


class TestPatchMember(MemberContract):
    @pytest.fixture
    def member_directory(self, trained):
        return trained[1]

    def test_its_network_has_no_size_of_its_own(self, model):
        assert "prepared" not in model.signatures
