"""A served network: one scan answers alike however it was stored, and the SavedModel says what Keras says."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from classification.config import Settings
from classification.export import ServedClassifier, export
from classification.model import build
from spine.training.preprocess import prepare
from spine.training.view import View
from tests.member_contract import as_image, grey, png

SETTINGS = Settings(network="plain_cnn", weights="none", height=32, width=48, filters=(4, 8))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    network = build(SETTINGS, classes=3)
    head = network.get_layer("probabilities")
    head.kernel.assign(head.kernel * 60)  # decided answers, so that likeness means something
    return network


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    return export(network, SETTINGS, tmp_path_factory.mktemp("member"))


@pytest.fixture(scope="module")
def served(exported):
    return tf.saved_model.load(str(exported))


def test_the_network_s_graph_is_stored_once_for_all_signatures(network, exported):
    stored = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    nodes = [node.op for function in stored.meta_graphs[0].graph_def.library.function for node in function.node_def]
    layers = [part for layer in network.layers for part in getattr(layer, "layers", [layer])]
    assert nodes.count("Conv2D") == sum(isinstance(layer, keras.layers.Conv2D) for layer in layers) > 0


def answer(served, picture: bytes) -> np.ndarray:
    return served.signatures["serving_default"](image_bytes=tf.constant([picture]))["probabilities"].numpy()


def test_one_scan_as_8_12_and_16_bits_is_answered_alike(served):
    scan = np.round(grey(60, 70) / 4095 * 255).astype(np.uint16)  # 256 levels, which every depth can hold
    answers = [answer(served, png(picture)) for picture in (scan.astype(np.uint8), scan * 16, scan * 257)]
    assert answers[0].max() > 0.5
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5)
    np.testing.assert_allclose(answers[2], answers[0], atol=1e-5)


def test_a_jpeg_is_answered_nearly_as_the_png(served):
    scan = (grey(60, 70) // 16).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", scan, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    np.testing.assert_allclose(answer(served, jpeg), answer(served, png(scan)), atol=0.02)


def test_a_colour_picture_of_greys_is_answered_as_the_grey_one(served):
    scan = (grey(60, 70) // 16).astype(np.uint8)
    np.testing.assert_allclose(answer(served, png(np.dstack([scan] * 3))), answer(served, png(scan)), atol=1e-4)


def test_pictures_of_different_sizes_share_a_request(served):
    pictures = [png(grey(60, 70)), png(grey(20, 90))]
    together = served.signatures["serving_default"](image_bytes=tf.constant(pictures))["probabilities"].numpy()
    np.testing.assert_allclose(together, np.concatenate([answer(served, one) for one in pictures]), atol=1e-5)


def test_a_picture_of_the_network_s_size_is_answered_as_by_keras(network, served):
    picture = grey(32, 48)
    stretched = (picture - picture.min()) / (picture.max() - picture.min())  # Ma et al. 2020
    expected = network.predict(stretched[None, :, :, None].astype(np.float32), verbose=0)
    np.testing.assert_allclose(answer(served, png(picture)), expected, atol=1e-5)


def test_an_image_of_one_grey_level_has_an_answer(served):
    flat = served.signatures["image"](image=tf.fill([2, 9, 9, 1], 0.5))["probabilities"].numpy()
    np.testing.assert_allclose(flat.sum(axis=1), 1, atol=1e-5)


def test_a_flipped_picture_is_answered_alike_where_flips_are_averaged(network):
    served = ServedClassifier(network, SETTINGS.model_copy(update={"test_time": ("vertical_flip", "horizontal_flip")}))
    pictures = [grey(60, 73), grey(61, 70, seed=4), grey(20, 47, seed=5)]  # padded by odd and even numbers of lines
    turned = [picture[::-1] if row % 2 else picture[:, ::-1] for row, picture in enumerate(pictures)]
    answers, of_turned = (
        served.serving_default(tf.constant([png(np.ascontiguousarray(one)) for one in some]))["probabilities"].numpy()
        for some in (pictures, turned)
    )
    np.testing.assert_allclose(of_turned, answers, atol=1e-5)
    inputs = np.stack([network.predict(_prepared(picture), verbose=0)[0] for picture in _four(pictures[0])])
    np.testing.assert_allclose(answers[0], inputs.mean(axis=0), atol=1e-5)
    assert np.ptp(inputs, axis=0).max() > 0.01  # the flips alone are answered otherwise
    prepared = served.prepared(_prepared(pictures[0]), tf.constant([[60, 73]]))["probabilities"]
    np.testing.assert_allclose(prepared[0], answers[0], atol=1e-5)


def test_a_flipped_box_of_a_flipped_picture_is_answered_alike(network):
    """Odd padding of what is seen of the box, not of the picture."""
    settings = SETTINGS.model_copy(update={"test_time": ("horizontal_flip",)})
    picture = grey(60, 80)
    for aspect in ("keep", "stretch"):
        served = ServedClassifier(network, settings, View(grow=0.0, aspect=aspect))
        answers = [
            served.regions(tf.constant([png(np.ascontiguousarray(one))]), tf.constant([box]))["probabilities"]
            for one, box in ((picture, [0.1, 0.1, 0.9, 0.425]), (picture[:, ::-1], [0.1, 0.575, 0.9, 0.9]))
        ]
        np.testing.assert_allclose(answers[1], answers[0], atol=1e-5)


def _four(picture):
    return picture, picture[::-1], picture[:, ::-1], picture[::-1, ::-1]


def _prepared(picture):
    return prepare(as_image(picture), SETTINGS.height, SETTINGS.width, SETTINGS.normalisation)


def test_inputs_below_the_network_s_least_size_are_resized_up():
    small = Settings(network="xception", weights="none", height=24, width=36)
    network = build(small, classes=2)
    assert network.get_layer("resize_up").output.shape[1:3] == (71, 107)  # 24 * 71 / 24, 36 * 71 / 24 = 106.5
    served = ServedClassifier(network, small)
    answers = served.image(as_image(grey(20, 30)))["probabilities"].numpy()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_a_network_of_mixed_precision_answers_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = build(SETTINGS, classes=2)
    finally:
        keras.config.set_dtype_policy(before)
    assert network.get_layer("base").compute_dtype == "float16" or network.layers[-2].compute_dtype == "float16"
    assert ServedClassifier(network, SETTINGS).image(as_image(grey(32, 48)))["probabilities"].dtype == tf.float32
