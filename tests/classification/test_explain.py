"""A classifier's network is rebuilt from its SavedModel, and its maps lie where the picture tells the class."""

import numpy as np
import pytest
import tensorflow as tf

from classification.config import Settings
from classification.explain import WatchedClassifier, watched_layer
from classification.export import ServedClassifier
from classification.model import base_of, build
from spine.core.problems import SpineError
from spine.training.view import View
from tests.member_contract import png

WHOLE = (0, 0, 1, 1)
SETTINGS = Settings(network="plain_cnn", weights="none", filters=(4, 6), height=32, width=32, head={"dense": [5]})


@pytest.fixture(scope="module")
def network():
    tf.keras.utils.set_random_seed(0)
    return build(SETTINGS, 3)


@pytest.fixture(scope="module")
def saved(network):
    return ServedClassifier(network, SETTINGS)


def test_the_rebuilt_network_says_what_the_saved_model_says(saved):
    for shape in ((20, 31), (40, 12)):
        picture = np.random.default_rng(0).random(shape, np.float32)
        (own,), (cam,) = WatchedClassifier.of(SETTINGS, 3, saved).look(picture, [WHOLE], [2])
        assert cam.shape == shape
        assert cam.min() >= 0
        expected = saved.image(tf.constant(picture[np.newaxis, ..., np.newaxis]))["probabilities"][0]
        np.testing.assert_allclose(own, expected, atol=1e-5)


def test_a_box_is_looked_at_by_the_network_s_own_view(network):
    settings = SETTINGS.model_copy(update={"view": View(grow=0.5, aspect="stretch", levels="picture")})
    saved = ServedClassifier(network, settings, settings.view)
    picture = np.random.default_rng(0).integers(0, 65535, (40, 60), np.uint16)
    box = (10 / 40, 24 / 60, 18 / 40, 48 / 60)
    (own,), (cam,) = WatchedClassifier.of(settings, 3, saved).look((picture / 65535).astype(np.float32), [box], [1])
    expected = saved.regions(tf.constant([png(picture)]), tf.constant([box]))["probabilities"][0]
    np.testing.assert_allclose(own, expected, atol=1e-5)
    seen = np.zeros((40, 60), bool)
    seen[10 - 2 : 18 + 2, 24 - 6 : 48 + 6] = True
    assert cam[seen].max() > 0
    assert not cam[~seen].any()


def test_a_network_of_grades_in_order_is_rebuilt_alike():
    saved, picture = ServedClassifier(build(SETTINGS, 3, ordinal=True), SETTINGS), np.full((32, 32), 0.5, np.float32)
    picture[:9] = 1
    own, (seen,) = WatchedClassifier.of(SETTINGS, 3, saved, ordinal=True).look(picture, [WHOLE], [1])
    expected = saved.image(tf.constant(picture[np.newaxis, ..., np.newaxis]))["probabilities"]
    np.testing.assert_allclose(own, expected, atol=1e-5)
    assert np.isfinite(seen).all()
    with pytest.raises(SpineError, match="of other shapes"):
        WatchedClassifier.of(SETTINGS, 3, saved)


def through(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def test_the_map_is_the_gradient_of_the_log_odds_as_finite_differences_have_it(network):
    """An independent way: the head alone, asked about maps that are a little larger."""
    watched = WatchedClassifier.of(SETTINGS, 3, ServedClassifier(network, SETTINGS))
    picture = np.random.default_rng(1).random((32, 32), np.float32)
    inputs = tf.constant((picture - picture.min()) / np.ptp(picture))[tf.newaxis, ..., tf.newaxis]
    layers = base_of(network).layers[1:]
    after = 1 + layers.index(watched_layer(base_of(network)))
    head = [network.get_layer(name) for name in ("pool", "dense1", "probabilities")]
    scaled = network.get_layer("network_scale")(network.get_layer("three_channels")([inputs] * 3))
    maps = through(layers[:after], scaled).numpy()

    def log_odds(maps):
        odds = through([*layers[after:], *head], tf.constant(maps)).numpy()[0].astype(np.float64)
        return np.log(odds[1] / (1 - odds[1]))

    importance = [
        (log_odds(maps + step) - log_odds(maps - step)) / 2e-2 / maps[0, ..., 0].size
        for step in 1e-2 * np.eye(maps.shape[-1], dtype=np.float32)
    ]
    expected = np.maximum((maps[0] * importance).sum(axis=-1), 0)
    _, (own,) = watched.look(picture, [WHOLE], [1])
    whole = tf.image.resize(expected[..., np.newaxis], (32, 32))[..., 0].numpy()
    np.testing.assert_allclose(own, whole, rtol=0.05, atol=0.02 * whole.max() + 1e-6)


def test_a_saved_model_of_another_network_is_refused(saved):
    wider = SETTINGS.model_copy(update={"filters": (4, 8)})
    with pytest.raises(SpineError, match="variables, a plain_cnn of these settings"):
        WatchedClassifier.of(wider, 3, saved)
    with pytest.raises(SpineError, match="has 0 variables"):
        WatchedClassifier.of(SETTINGS, 3, tf.Module())


@pytest.mark.parametrize(("side", "cells"), [(32, 8), (16, 16)])
def test_the_last_layer_with_seven_cells_a_side_is_watched(side, cells):
    settings = SETTINGS.model_copy(update={"height": side, "width": side, "filters": (4, 6, 6)})
    layer = watched_layer(base_of(build(settings, 2)))
    assert layer.output.shape[1:3] == (cells if side == 32 else 8,) * 2
