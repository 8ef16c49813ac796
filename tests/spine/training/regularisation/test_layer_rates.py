"""Layer-wise rates: stages of networks that are known, and the first steps of each optimizer by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from spine.training.regularisation.layer_rates import rates_of, stages_of, with_rates


def stages_by_name(base):
    return dict(zip((layer.name for layer in base.layers), stages_of(base), strict=True))


def test_the_stages_of_vgg_are_its_blocks():
    # A pool ends a block, and its maps are the next one's.
    stages = stages_by_name(keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 96, 3)))
    convolutions = {name: stage for name, stage in stages.items() if "conv" in name}
    assert convolutions == {name: int(name[len("block")]) - 1 for name in convolutions}
    assert len(convolutions) == 13


def test_a_base_without_a_size_has_the_stages_of_one_that_has():
    """As that of a segmenter of patches has none."""
    size, none = (keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(*sides, 3))
                  for sides in ((128, 96), (None, None)))  # fmt: skip
    assert stages_of(none) == stages_of(size)
    assert set(stages_of(none)) == {0, 1, 2, 3, 4, 5}


def test_maps_of_one_pixel_and_lost_borders_begin_no_stage():
    x = inputs = keras.Input((19, 19, 3))
    x = layers.Conv2D(2, 3, name="border")(x)  # 17
    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    x = layers.Multiply(name="excite")([x, layers.Conv2D(2, 1, name="weigh")(squeezed)])
    x = layers.Conv2D(2, 3, strides=2, padding="same", name="half")(x)  # 9
    x = layers.Conv2D(2, 3, strides=2, padding="same", name="quarter")(x)  # 5
    stages = stages_by_name(keras.Model(inputs, x))
    stages.pop(inputs._keras_history.operation.name)
    assert stages == {"border": 0, "squeeze": 0, "weigh": 0, "excite": 0, "half": 1, "quarter": 2}


def test_rates_fall_from_the_head_to_the_input():
    inputs = keras.Input((8, 8, 1))
    x = layers.MaxPooling2D()(layers.Conv2D(1, 1, name="first")(inputs))
    x = layers.MaxPooling2D()(layers.Conv2D(1, 1, name="second")(x))
    base = keras.Model(inputs, layers.Conv2D(1, 1, name="third")(x))
    head = layers.Dense(1)
    model = keras.Model(inputs, head(base(inputs)))
    found = rates_of(model.trainable_variables, base, 0.5)
    assert found == [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1, 1]  # a kernel and a bias each
    base.get_layer("first").trainable = False
    assert rates_of(model.trainable_variables, base, 0.5) == [0.25, 0.25, 0.5, 0.5, 1, 1]


@pytest.mark.parametrize("side", [32, 96])
def test_a_pool_after_the_last_weights_is_no_stage_of_rates(side):
    """Whether it leaves one pixel, as of 32, or more."""
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(side, side, 3))
    assert rates_of(base.get_layer("block5_conv3").weights, base, 0.5) == [0.5, 0.5]
    assert rates_of(base.get_layer("block1_conv1").weights, base, 0.5) == [0.5**5, 0.5**5]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (keras.optimizers.Adam, {}),
        (keras.optimizers.SGD, {"momentum": 0.9}),
        (keras.optimizers.RMSprop, {"momentum": 0.9}),
    ],
)
def test_a_variable_moves_as_with_an_optimizer_of_its_own_rate(kind, settings):
    random = np.random.default_rng(0)
    gradients = random.normal(0, [[1], [100]], (4, 2, 1)).astype(np.float32)  # of four steps and two variables
    together = [keras.Variable([1.0]), keras.Variable([1.0])]
    optimizer = with_rates(kind, [0.25, 1.0])(0.1, **settings)
    for step in gradients:
        optimizer.apply(list(step), together)
    for number, rate in enumerate((0.025, 0.1)):
        alone, own = keras.Variable([1.0]), kind(rate, **settings)
        for step in gradients:
            own.apply([step[number]], [alone])
        np.testing.assert_allclose(together[number].numpy(), alone.numpy(), rtol=1e-6)
