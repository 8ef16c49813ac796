"""Every network by name: what goes in and comes out, what it weighs, what learns, and where its weights come from."""

import threading
from dataclasses import replace
from functools import lru_cache, partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from operator import itemgetter

import classification_models.weights
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from segmentation.architectures import ARCHITECTURES
from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.encoders import ENCODERS, SCALES, features_of
from segmentation.model import build, encoder_of, set_trainable
from spine.core.problems import SpineError
from spine.training.keras_fitting import make_variables
from spine.training.pretrained import base_weights
from tests.segmentation.published_networks import SAYED2025

SMALL = {"encoder": "mobilenet0.25", "encoder_weights": "none", "height": 50, "width": 71}
LARGE = ("vgg19", "resnet50", "resnext50", "densenet121", "inceptionv3", "efficientnetb7")


def small(**changes) -> Settings:
    return Settings(**{**SMALL, **changes})


BUILDERS = {name: encoder.build for name, encoder in ENCODERS.items()}


@lru_cache(maxsize=2)  # an encoder's networks for the two sizes that architectures pad to
def base_of(encoder: str, **given) -> keras.Model:
    return BUILDERS[encoder](**given)


@pytest.fixture
def built_once(monkeypatch):
    """Architectures that follow one another share the network of their encoder, which takes longest to build."""
    for name, encoder in ENCODERS.items():
        monkeypatch.setitem(ENCODERS, name, replace(encoder, build=partial(base_of, name)))


def pictures(settings: Settings, count: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(count, settings.height, settings.width, 1)).astype(np.float32)


def norms(model: keras.Model) -> list[layers.Layer]:
    inner = [layer for part in model.layers if isinstance(part, keras.Model) for layer in norms(part)]
    return inner + [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def answers_like_a_segmenter(settings: Settings) -> None:
    model = build(settings, 3)
    answer = model(pictures(settings)).numpy()
    assert answer.shape == (1, settings.height, settings.width, 3)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(-1), 1, atol=1e-5)
    assert {layer.momentum for layer in norms(model)} <= {0.9}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_answers_at_the_input_s_size(architecture):
    answers_like_a_segmenter(small(architecture=architecture))


@pytest.mark.slow
@pytest.mark.usefixtures("built_once")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name != SMALL["encoder"]])
def test_every_architecture_takes_every_encoder(encoder, architecture):
    answers_like_a_segmenter(small(architecture=architecture, encoder=encoder))


@pytest.mark.slow
@pytest.mark.usefixtures("built_once")
@pytest.mark.parametrize(("architecture", "encoder"), sorted(SAYED2025, key=itemgetter(1)))
def test_the_published_networks_take_400_by_400(architecture, encoder):
    model = build(small(architecture=architecture, encoder=encoder, height=400, width=400), 4)
    assert model.output_shape == (None, 400, 400, 4)


@pytest.mark.parametrize(
    "encoder", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in ENCODERS]
)
def test_features_lie_at_their_part_of_the_input_s_size(encoder):
    base = ENCODERS[encoder].build(weights=None, input_shape=(96, 192, 3))
    for scale, feature in zip((*SCALES, 32), features_of(base, ENCODERS[encoder], (*SCALES, 32)), strict=True):
        assert feature.shape[1:3] == (96 // scale, 192 // scale)


def test_the_decoder_s_softmax_is_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build(small(), 3)
    finally:
        keras.config.set_dtype_policy("float32")
    answer = model(pictures(small())).numpy()
    assert encoder_of(model).compute_dtype == "float16"
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(-1), 1, atol=1e-5)


def test_padding_is_black_around_the_picture_and_cut_off_again():
    settings = small()  # 50 x 71 in 64 x 96: 7 and 7 rows, 12 and 13 columns
    model = build(settings, 2)
    padded = keras.Model(model.input, model.get_layer("pad").output)(pictures(settings)).numpy()
    assert padded.shape == (1, 64, 96, 1)
    np.testing.assert_array_equal(padded[:, 7:57, 12:83], pictures(settings))
    assert padded.sum() == pytest.approx(pictures(settings).sum(), rel=1e-5)
    assert model.get_layer("unpad").cropping == ((7, 7), (12, 13))


@pytest.mark.parametrize(
    ("encoder", "black", "white"),
    [
        ("vgg16", [-103.939, -116.779, -123.68], [255 - 103.939, 255 - 116.779, 255 - 123.68]),  # Caffe: BGR, mean off
        ("resnet34", [0, 0, 0], [255, 255, 255]),  # its first batch norm scales
        ("mobilenetv2", [-1, -1, -1], [1, 1, 1]),
        ("inceptionv3", [-1, -1, -1], [1, 1, 1]),
        ("efficientnetb0", [0, 0, 0], [255, 255, 255]),  # it scales inside
    ],
)
def test_grey_comes_in_the_encoder_s_own_scale(encoder, black, white):
    scale, offset = base_weights.scale_and_offset(ENCODERS[encoder].preprocess)
    np.testing.assert_allclose(offset, black, rtol=1e-5)
    np.testing.assert_allclose(scale + offset, white, rtol=1e-5)


def test_a_frozen_encoder_keeps_its_weights_and_statistics_while_the_decoder_learns():
    model = build(small(), 2)
    set_trainable(model, False)
    before = [value.copy() for value in encoder_of(model).get_weights()]
    decoder = model.get_layer("final_conv").get_weights()[0].copy()
    fit(model, small(), steps=1)
    for value, kept in zip(encoder_of(model).get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
    assert (model.get_layer("final_conv").get_weights()[0] != decoder).any()


def test_a_freed_encoder_learns_again():
    model = build(small(), 2)
    set_trainable(model, False)
    frozen = len(model.trainable_variables)
    set_trainable(model, True)
    assert len(model.trainable_variables) == frozen + len(encoder_of(model).trainable_variables)
    assert encoder_of(model).trainable_variables


def fit(model: keras.Model, settings: Settings, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Train to tell bright discs from what is around them; gives the pictures and their masks."""
    images = 0.1 * pictures(settings, 4)
    rows, columns = np.mgrid[: settings.height, : settings.width]
    masks = np.stack([(rows - 20 - 3 * n) ** 2 + (columns - 30 - 5 * n) ** 2 < 150 for n in range(4)])
    images[masks] += 0.8
    model.compile(keras.optimizers.Adam(1e-3), CompoundLoss.from_settings(settings, ("around", "disc")))
    model.optimizer.build(model.trainable_variables)
    targets = np.eye(2, dtype=np.float32)[masks.astype(int)]
    batches = tf.data.Dataset.from_tensor_slices((images, targets)).batch(4).repeat(steps)
    make_variables(model, batches)
    model.fit(batches, shuffle=False, verbose=0)
    return images, masks


def disagreement(momentum: float, **changes) -> float:
    """The share of the discs that training mode finds and inference mode does not, after a short training."""
    settings = small(height=64, width=64, batch_norm_momentum=momentum, **changes)
    keras.utils.set_random_seed(1)
    model = build(settings, 2)
    images, masks = fit(model, settings, steps=100)
    training, inference = (model(images, training=mode).numpy().argmax(-1) == 1 for mode in (True, False))
    assert (training & masks).sum() > 0.9 * masks.sum()  # it has learned
    return (training != inference).sum() / masks.sum()


@pytest.mark.slow
def test_inference_is_blind_with_the_momentum_that_an_encoder_brings():
    assert disagreement(0.999) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_inference_agrees_with_training_for_every_architecture(architecture):
    assert disagreement(0.9, architecture=architecture) < 0.1


@pytest.mark.parametrize("name", ["encoder.weights.h5", "encoder.keras"])
def test_encoder_weights_come_from_a_file(tmp_path, name):
    base = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(96, 96, 3))
    file = tmp_path / name
    base.save(file) if name.endswith(".keras") else base.save_weights(file)
    loaded = encoder_of(build(small(encoder_weights=str(file)), 2))
    kernel = "conv_dw_3"
    np.testing.assert_array_equal(loaded.get_layer(kernel).get_weights()[0], base.get_layer(kernel).get_weights()[0])


def test_a_file_of_another_encoder_is_refused_with_both_sides_named(tmp_path):
    keras.applications.MobileNet(include_top=False, weights=None, alpha=0.5, input_shape=(96, 96, 3)).save_weights(
        tmp_path / "half.weights.h5"
    )
    with pytest.raises(SpineError, match=r"half.weights.h5' do not fit mobilenet0.25 .*218,544 parameters"):
        build(small(encoder_weights=str(tmp_path / "half.weights.h5")), 2)


def test_a_file_that_is_not_there_is_told_by_its_setting():
    with pytest.raises(SpineError, match=r"encoder_weights 'missing.h5' is not a file; give imagenet, none"):
        build(small(encoder_weights="missing.h5"), 2)


class NotThere(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """The URL of a server on the loopback address that holds nothing; Keras' cache is empty."""
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path / "keras"))
    (tmp_path / "keras").mkdir()
    server = HTTPServer(("127.0.0.1", 0), NotThere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_download_of_keras_that_fails_says_how_to_give_a_file(nothing, monkeypatch):
    monkeypatch.setattr(keras.src.applications.mobilenet, "BASE_WEIGHT_PATH", nothing)
    with pytest.raises(SpineError, match=r"mobilenet0.25 cannot be downloaded.*set `encoder_weights` to its path"):
        build(small(encoder_weights="imagenet"), 2)


def test_a_download_of_the_library_that_fails_says_how_to_give_a_file(nothing, monkeypatch):
    known = [{**entry, "url": nothing + entry["name"]} for entry in classification_models.weights.WEIGHTS_COLLECTION]
    monkeypatch.setattr(classification_models.weights, "WEIGHTS_COLLECTION", known)
    with pytest.raises(SpineError, match=r"resnet18 cannot be downloaded.*404"):
        build(small(encoder="resnet18", encoder_weights="imagenet"), 2)


def test_published_weights_of_mobilenet_load(spine_data):
    file = spine_data.parent / "weights" / "mobilenet_2_5_224_tf_no_top.h5"
    if not file.is_file():
        pytest.skip(f"no published weights at {file}")
    random, published = (encoder_of(build(small(encoder_weights=source), 2)) for source in ("none", str(file)))
    assert published.count_params() == random.count_params()
    statistics = published.get_layer("conv1_bn").get_weights()[3]
    assert (statistics != 1).all()  # moving variances that were learned
