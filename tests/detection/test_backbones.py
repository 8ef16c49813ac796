"""Backbones: every map has the size of the input over its stride, and shows a thing where it is."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from detection.backbones.aligned import atrous, rebuilt, same_padding
from detection.backbones.backbone import GreyBackbone, GreyConfig, set_trainable
from detection.backbones.table import BACKBONES

FAST = ("mobilenet0.25", "resnet18", "vgg16")
EVERY = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES]
HEIGHT, WIDTH = 256, 320
BRIGHT = {"efficientnetlite0": 0.55}  # a 1 fills its ReLU6, which says no more where


def grey_backbone(name, height=HEIGHT, width=WIDTH, levels=None):
    levels = levels or BACKBONES[name].levels
    config = GreyConfig(name=name, weights="none", min_level=levels[0], max_level=levels[-1])
    return GreyBackbone(config, (height, width, 1))


def average(backbone):
    """Make every kernel a mean over what it reads: what is bright stays so, and spreads evenly."""
    for weight in backbone.trainable_weights:
        if "kernel" in weight.name:
            height, width, channels, _ = weight.shape
            weight.assign(tf.fill(weight.shape, 1 / (height * width * (1 if "depthwise" in weight.name else channels))))


def centre_of(response, stride):
    """Centre of mass (y, x) in pixels of the input, of a map's (h, w)."""
    ys, xs = ((np.arange(size) + 0.5) * stride for size in response.shape)
    return np.array([(response.sum(1) * ys).sum(), (response.sum(0) * xs).sum()]) / response.sum()


@pytest.mark.parametrize("name", EVERY)
def test_a_bright_box_is_found_at_its_place_in_every_map(name):
    backbone = grey_backbone(name)
    average(backbone)
    picture = np.zeros((1, HEIGHT, WIDTH, 1), np.float32)
    picture[0, 96:128, 176:208] = BRIGHT.get(name, 1)
    with_box, without = backbone(picture), backbone(np.zeros_like(picture))
    assert set(with_box) == {str(level) for level in BACKBONES[name].levels}
    for level, response in with_box.items():
        stride = 2 ** int(level)
        assert response.shape[1:3] == (HEIGHT // stride, WIDTH // stride)
        difference = np.abs(response - without[level]).sum(axis=(0, 3))
        off = centre_of(difference, stride) - [(96 + 128) / 2, (176 + 208) / 2]
        # Steps of 3x3 over even sizes move it by up to half a stride, in every network of TensorFlow's; an eighth more
        # is for what spreads past the map's edges.
        assert np.abs(off).max() < stride * (1 / 2 + 1 / 8), level


def test_the_trunk_reads_the_scale_that_it_was_trained_on():
    grey = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(1, 64, 64, 1)
    for name in FAST:
        backbone = grey_backbone(name, 64, 64)
        scaled = tf_keras.Model(backbone.input, backbone.get_layer("network_scale").output)(grey)
        # 255 in float64, as some of the published functions write into what they are given
        expected = BACKBONES[name].preprocess(np.repeat(grey, 3, axis=-1).astype(np.float64) * 255)
        np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-4)


def test_same_padding_keeps_what_a_step_of_two_reads():
    inputs = tf_keras.Input((None, None, 1))
    valid = tf_keras.Model(inputs, tf_keras.layers.Conv2D(2, 3, strides=2)(inputs))
    same = rebuilt(valid, same_padding)
    picture = tf.random.stateless_uniform([1, 8, 8, 1], [1, 2])
    assert same(picture).shape == (1, 4, 4, 2)
    np.testing.assert_allclose(same(picture)[:, :3, :3], valid(picture), atol=1e-6)


def test_atrous_gives_the_same_features_at_twice_the_density():
    x = inputs = tf_keras.Input((None, None, 1))
    for name, strides in (("first", 1), ("reduced", 2), ("last", 1)):
        x = tf_keras.layers.Conv2D(3, 3, strides, "same", name=f"{name}_convolution")(x)
        x = tf_keras.layers.ReLU(name=name)(x)
    sparse = tf_keras.Model(inputs, x)
    dense = rebuilt(sparse, atrous(sparse, "first", "reduced", "last"))
    picture = tf.random.stateless_uniform([1, 16, 16, 1], [1, 2])
    assert dense(picture).shape == (1, 16, 16, 3)
    # The step of two reads rows 2i to 2i + 2, whose middle is 2i + 1; the outermost rows see padding.
    np.testing.assert_allclose(dense(picture)[:, 3:-2:2, 3:-2:2], sparse(picture)[:, 1:-1, 1:-1], atol=1e-6)


def test_frozen_stages_keep_their_weights_and_the_others_learn():
    backbone = grey_backbone("mobilenet0.25", 64, 64)
    set_trainable(backbone, 3, batch_norm=True)
    learning = {weight.name.split("/")[0] for weight in backbone.trainable_weights}
    assert {"conv_pw_6", "conv_pw_13", "conv_pw_6_bn"} <= learning
    assert not {"conv1", "conv1_bn", "conv_pw_3", "conv_dw_5", "conv_pw_5_bn"} & learning
    single = grey_backbone("mobilenet0.25", 64, 64, levels=[4])
    set_trainable(single, 3, batch_norm=True)  # a stage that ends below the level it gives
    of_level_4 = {name for name in learning if "_12" not in name and "_13" not in name}
    assert {weight.name.split("/")[0] for weight in single.trainable_weights} == of_level_4
    set_trainable(backbone, 5, batch_norm=True)
    assert not backbone.trainable_weights
    set_trainable(backbone, 0, batch_norm=True)
    assert len(backbone.trainable_weights) == len(grey_backbone("mobilenet0.25", 64, 64).trainable_weights)


@pytest.mark.parametrize("name", ["mobilenet0.25", "resnet18"])
def test_a_frozen_batch_norm_uses_the_statistics_it_came_with(name):
    backbone = grey_backbone(name, 64, 64)
    set_trainable(backbone, 0, batch_norm=False)
    picture = tf.random.stateless_uniform([2, 64, 64, 1], [1, 2])
    training, inference = backbone(picture, training=True), backbone(picture, training=False)
    for level, response in training.items():
        np.testing.assert_allclose(response, inference[level], atol=1e-6)
    assert not any("gamma" in weight.name for weight in backbone.trainable_weights)
    assert any("kernel" in weight.name for weight in backbone.trainable_weights)
