"""Residual blocks left out at random: a network that is counted by hand, and which part of others is left out."""

import keras
import numpy as np
import pytest
from keras import layers

from classification.config import Settings
from classification.networks import NETWORKS
from spine.core.problems import SpineError
from spine.training.regularisation.stochastic_depth import with_stochastic_depth


def doubling() -> keras.Model:
    """Two blocks, each of which adds its input to itself; the second the other way round, its shortcut projected."""
    ones = {"use_bias": False, "kernel_initializer": "ones"}
    x = inputs = keras.Input((2, 2, 1))
    x = layers.Add()([x, layers.Conv2D(1, 1, **ones)(x)])
    branch = layers.Conv2D(1, 1, **ones)(layers.ReLU()(layers.Conv2D(1, 1, **ones)(x)))
    return keras.Model(inputs, branch + layers.Conv2D(1, 1, **ones)(x))


def test_each_picture_loses_branches_of_its_own_the_deeper_the_more_often():
    network = with_stochastic_depth(doubling(), 0.5)
    pictures = np.ones((400, 2, 2, 1), np.float32)
    np.testing.assert_array_equal(network(pictures, training=False), 4 * pictures)
    keras.utils.set_random_seed(1)
    answers = network(pictures, training=True).numpy().reshape(400, 4)
    np.testing.assert_array_equal(answers, answers[:, :1].repeat(4, axis=1))
    # Rates 0.25 and 0.5: a branch that stays counts 4/3 and 2 times, so the blocks multiply by 1 or 7/3, and 1 or 3.
    kept = [(round(answer, 3) in (2.333, 7), round(answer, 3) in (3, 7)) for answer in answers[:, 0].tolist()]
    assert {round(answer, 3) for answer in answers[:, 0].tolist()} == {1, 2.333, 3, 7}
    assert np.mean(kept, axis=0) == pytest.approx([0.75, 0.5], abs=0.06)
    assert np.mean(answers) == pytest.approx(4, abs=0.3)


def test_weights_and_what_settles_them_are_kept_and_what_the_network_left_out_itself_is_replaced():
    x = inputs = keras.Input((2, 2, 1))
    x = layers.Normalization(name="scale")(x)
    branch = layers.Dropout(0.9, noise_shape=(None, 1, 1, 1), name="own")(layers.Conv2D(1, 1, name="branch")(x))
    base = keras.Model(inputs, layers.Add()([branch, x]), name="base")
    base.get_layer("scale").adapt(np.array([0.0, 4.0]).reshape(2, 1, 1, 1).repeat(2, 1).repeat(2, 2))
    found = with_stochastic_depth(base, 0.3)
    assert [layer.rate for layer in found.layers if isinstance(layer, layers.Dropout)] == [0.3]
    picture = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    kernel, bias = (value.item() for value in base.get_layer("branch").get_weights())
    scaled = (picture - 2) / 2  # mean and deviation of 0 and 4
    np.testing.assert_allclose(found(picture), scaled + kernel * scaled + bias, rtol=1e-5)
    assert found.name == "base"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("mobilenetv2", ("project_BN",)),
        ("mobilenetv3small", ("project_bn",)),
        ("efficientnetlite0", ("project_bn",)),
        ("efficientnetv2b0", ("project_bn",)),
        ("resnet50", ("_3_bn",)),
        ("resnet50v2", ("_3_conv",)),
        ("xception", ("_pool", "_sepconv3_bn")),
        ("convnexttiny", ("_identity",)),
        ("inceptionresnetv2", ("_conv",)),
    ],
)
def test_of_every_residual_block_the_branch_is_left_out(name, ends):
    base = NETWORKS[name].build(Settings(network=name, weights="none"), weights=None, input_shape=(80, 80, 3))
    found = with_stochastic_depth(base, 0.3)
    drops = [layer for layer in found.layers if isinstance(layer, layers.Dropout)]
    assert all(drop.input._keras_history.operation.name.endswith(ends) for drop in drops)
    assert [drop.rate for drop in drops] == pytest.approx(np.linspace(0, 0.3, len(drops) + 1)[1:])
    picture = np.random.default_rng(0).uniform(0, 255, (1, 80, 80, 3)).astype(np.float32)
    np.testing.assert_allclose(found(picture), base(picture), rtol=1e-5)


def test_a_network_without_residual_blocks_is_refused():
    inputs = keras.Input((4, 4, 1))
    with pytest.raises(SpineError, match=r"stochastic_depth is 0.1, but plain has no residual blocks; leave it out"):
        with_stochastic_depth(keras.Model(inputs, layers.ReLU()(inputs), name="plain"), 0.1)
