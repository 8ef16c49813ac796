"""A served segmentation network: answers at the input's own size, whatever that is."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from segmentation.architectures import ARCHITECTURES
from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.export import ServedSegmenter, export
from segmentation.model import build
from tests.clean_process import run_clean
from tests.member_contract import as_image, grey, png

SETTINGS = Settings(encoder="resnet18", encoder_weights="none", height=64, width=96, normalisation="none")


def grey_network() -> keras.Model:
    """Probabilities [grey, 1 - grey] of each pixel, by a convolution that only copies."""
    inputs = keras.Input((64, 96, 1))
    copy = keras.layers.Conv2D(2, 1, kernel_initializer=lambda *_, **__: np.array([[[[1.0, -1.0]]]]), name="copy")
    outputs = copy(inputs)
    model = keras.Model(inputs, outputs)
    copy.bias.assign([0.0, 1.0])
    return model


@pytest.fixture(scope="module")
def served():
    return ServedSegmenter(grey_network(), SETTINGS)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (97, 131), (512, 620), (64, 96)])
def test_answers_lie_where_the_picture_does_at_its_own_size(served, height, width):
    picture = cv2.resize(grey(40, 60) * 16, (width, height))  # no detail finer than the network's own pixels
    answer = served.image(as_image(picture))["probabilities"].numpy()
    assert answer.shape == (1, height, width, 2)
    np.testing.assert_allclose(answer.sum(axis=-1), 1, atol=1e-6)
    expected = picture / 65535
    assert np.corrcoef(answer[0, ..., 0].ravel(), expected.ravel())[0, 1] > 0.97
    assert np.abs(answer[0, ..., 0] - expected).mean() < 0.05


def test_pictures_of_one_size_share_a_request(served):
    pictures = [png(grey(50, 70, seed)) for seed in range(2)]
    together = served.serving_default(tf.constant(pictures))["probabilities"].numpy()
    for index, picture in enumerate(pictures):
        alone = served.serving_default(tf.constant([picture]))["probabilities"].numpy()
        np.testing.assert_allclose(together[index], alone[0], atol=1e-6)


def test_pictures_of_different_sizes_are_refused(served):
    files = tf.constant([png(grey(50, 70)), png(grey(70, 50))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in size"):
        served.serving_default(files)


def test_flips_of_the_settings_are_in_the_graph():
    inputs = keras.Input((64, 96, 1))
    ramp = np.linspace(0, 0.5, 96, dtype=np.float32)[:, None]  # what depends on the place: the column
    first = inputs / 2 + ramp
    network = keras.Model(inputs, keras.ops.concatenate([first, 1 - first], axis=-1))
    flipped = ServedSegmenter(network, SETTINGS.model_copy(update={"test_time": ("horizontal_flip",)}))
    image = as_image(grey(64, 96))
    expected = image[..., 0] / 2 + 0.5 / 2  # a ramp and its reverse add up to 0.5
    np.testing.assert_allclose(flipped.image(image)["probabilities"][..., 0], expected, atol=1e-5)
    plain = ServedSegmenter(network, SETTINGS).image(image)["probabilities"][..., 0]
    np.testing.assert_allclose(plain, image[..., 0] / 2 + ramp[:, 0], atol=1e-5)


@pytest.mark.parametrize("flips", [("horizontal_flip",), ("horizontal_flip", "vertical_flip")])
def test_the_answer_of_a_flipped_picture_is_the_flipped_answer(flips):
    inputs = keras.Input((64, 96, 1))
    drawn = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    uneven = keras.layers.Conv2D(2, 5, padding="same", activation="softmax", kernel_initializer=drawn)
    network = keras.Model(inputs, uneven(inputs))
    served = ServedSegmenter(network, SETTINGS.model_copy(update={"test_time": flips}))
    image = as_image(grey(50, 37))  # 47 of 96 columns, 24 and 25 beside them
    axes = {"horizontal_flip": 2, "vertical_flip": 1}
    answer = served.image(image)["probabilities"].numpy()
    plain = ServedSegmenter(network, SETTINGS)
    for flip in flips:
        turned = served.image(np.flip(image, axes[flip]))["probabilities"].numpy()
        np.testing.assert_allclose(turned, np.flip(answer, axes[flip]), atol=1e-5)
        alone = plain.image(np.flip(image, axes[flip]))["probabilities"].numpy()
        assert np.abs(alone - np.flip(plain.image(image)["probabilities"], axes[flip])).max() > 0.01


SERVE = """
import sys
sys.modules["keras"] = None  # an import of it fails from here on
import numpy as np, tensorflow as tf
answer = tf.saved_model.load(sys.argv[1]).signatures["image"](image=tf.constant(np.load(sys.argv[2])))
np.save(sys.argv[3], answer["probabilities"].numpy())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "side", "height", "width"),  # one of them at full size
    [(name, *((400, 512, 620) if name == "unet" else (96, 123, 149))) for name in ARCHITECTURES],
)
def test_every_architecture_trains_a_step_and_answers_at_the_picture_s_size_where_there_is_only_tensorflow(
    tmp_path, architecture, side, height, width
):
    settings = Settings(
        architecture=architecture, encoder="mobilenet0.25", encoder_weights="none", height=side, width=side
    )
    network = build(settings, 3)
    network.compile("adam", CompoundLoss.from_settings(settings, ("background", "bone", "disc")))
    truth = np.random.default_rng(0).integers(3, size=(2, side, side))
    before = [value.copy() for value in network.get_weights()]
    loss = network.train_on_batch(truth[..., None] / 2, np.eye(3, dtype=np.float32)[truth])
    assert np.isfinite(loss)
    assert any((value != kept).any() for value, kept in zip(network.get_weights(), before, strict=True))
    model = export(network, settings, tmp_path)
    picture = as_image(grey(height, width))
    np.save(tmp_path / "picture.npy", picture)
    run_clean(SERVE, tmp_path, str(model), str(tmp_path / "picture.npy"), str(tmp_path / "answer.npy"))
    answer = np.load(tmp_path / "answer.npy")
    assert answer.shape == (1, height, width, 3)
    expected = ServedSegmenter(network, settings).image(picture)["probabilities"].numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-5)
