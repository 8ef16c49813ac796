"""Every network by name: its least size, its published preprocessing, and what learns in each phase."""

import keras
import numpy as np
import pytest
from keras import layers

from classification.config import Head, Settings
from classification.model import base_of, build, set_trainable
from classification.networks import NETWORKS
from classification.squeezenet import SqueezeNet
from spine.training.pretrained.base_weights import scale_and_offset

APPLICATIONS = {
    name.lower(): getattr(keras.applications, name) for name in dir(keras.applications) if name[0].isupper()
}
PARAMETERS = {  # of the base without its top, as published with the weights
    "vgg16": 14_714_688,
    "vgg19": 20_024_384,
    "resnet50": 23_587_712,
    "densenet121": 7_037_504,
    "inceptionv3": 21_802_784,
    "xception": 20_861_480,
    "squeezenet": 722_496,
    "mobilenet": 3_228_864,
}


def small(network: str, **changes) -> Settings:
    size = NETWORKS[network].least_size
    return Settings(**{"network": network, "weights": "none", "height": size, "width": size + 5, **changes})


def test_the_known_names_are_those_of_keras_and_our_own():
    assert set(NETWORKS) == set(APPLICATIONS) | {"squeezenet", "efficientnetlite0", "resnet50v1.5", "plain_cnn"}


@pytest.mark.parametrize("network", sorted(APPLICATIONS))
def test_keras_refuses_a_pixel_less_than_the_least_size(network):
    size = NETWORKS[network].least_size - 1
    with pytest.raises(ValueError, match="Input size must be at least"):
        APPLICATIONS[network](include_top=False, weights=None, input_shape=(size, size, 3))


@pytest.mark.parametrize("network", ["vgg16", "squeezenet", "mobilenet"])
def test_a_network_of_its_least_size_has_its_published_parameters(network):
    assert base_of(build(small(network), 2)).count_params() == PARAMETERS[network]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["vgg19", "resnet50", "densenet121", "inceptionv3", "xception"])
def test_a_large_network_of_its_least_size_has_its_published_parameters(network):
    model = build(small(network), 3)
    assert base_of(model).count_params() == PARAMETERS[network]
    images = np.zeros((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_allclose(model.predict(images, verbose=0).sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["efficientnetb0", "mobilenetv2", "mobilenetv3small", "resnet50v2"])
def test_any_other_application_builds_by_name(network):
    model = build(small(network), 4)
    assert model.output_shape == (None, 4)
    assert base_of(model).count_params() > 500_000


def test_squeezenet_cannot_be_smaller_than_its_least_size():
    with pytest.raises(ValueError, match="zero or negative"):
        SqueezeNet(input_shape=(NETWORKS["squeezenet"].least_size - 1, 64, 3))


def test_mobilenet_has_its_width():
    assert base_of(build(small("mobilenet", alpha=0.25), 2)).count_params() == 218_544


@pytest.mark.parametrize(
    ("network", "black", "white"),
    [
        ("vgg16", [-103.939, -116.779, -123.68], [255 - 103.939, 255 - 116.779, 255 - 123.68]),  # Caffe: BGR, mean off
        ("resnet50", [-103.939, -116.779, -123.68], [255 - 103.939, 255 - 116.779, 255 - 123.68]),
        ("inceptionv3", [-1, -1, -1], [1, 1, 1]),
        ("mobilenet", [-1, -1, -1], [1, 1, 1]),
        (  # Torch: mean and standard deviation of ImageNet
            "densenet121",
            [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
            [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225],
        ),
        ("efficientnetb0", [0, 0, 0], [255, 255, 255]),  # it scales inside
        ("plain_cnn", [-1, -1, -1], [1, 1, 1]),
    ],
)
def test_grey_comes_in_the_network_s_own_scale(network, black, white):
    scale, offset = scale_and_offset(NETWORKS[network].preprocess)
    np.testing.assert_allclose(offset, black, rtol=1e-5)
    np.testing.assert_allclose(scale + offset, white, rtol=1e-5)


def test_the_scale_is_applied_inside_the_model():
    model = build(small("vgg16"), 2)
    scaled = keras.Model(model.inputs, model.get_layer("network_scale").output)
    grey = np.full((1, *model.input_shape[1:]), 0.5, np.float32)
    expected = [0.5 * 255 - 103.939, 0.5 * 255 - 116.779, 0.5 * 255 - 123.68]
    np.testing.assert_allclose(scaled.predict(grey, verbose=0)[0, 0, 0], expected, rtol=1e-4)


def test_the_head_is_dense_layers_dropout_and_softmax():
    model = build(small("plain_cnn", head=Head(dense=(7, 5), dropout=0.2)), 2)
    after = model.layers[model.layers.index(base_of(model)) + 1 :]
    assert [type(layer) for layer in after] == [
        layers.GlobalAveragePooling2D,
        *[layers.Dense] * 2,
        layers.Dropout,
        layers.Dense,
    ]
    assert [layer.units for layer in after if isinstance(layer, layers.Dense)] == [7, 5, 2]


@pytest.fixture(scope="module")
def mobilenet():
    return build(small("mobilenet", alpha=0.25), 2)


def learning(model) -> set[str]:
    return {layer.name for layer in base_of(model).layers if layer.trainable and layer.count_params()}


def norms(model) -> set[str]:
    return {layer.name for layer in base_of(model).layers if isinstance(layer, layers.BatchNormalization)}


def test_a_frozen_base_does_not_learn_but_its_head_does(mobilenet):
    set_trainable(mobilenet, None, batch_norm=False)
    assert learning(mobilenet) == set()
    assert len(mobilenet.trainable_variables) == 6  # kernel and bias of two dense layers and the softmax


def test_unfreezing_a_number_takes_the_last_layers_but_no_batch_norm(mobilenet):
    set_trainable(mobilenet, 4, batch_norm=False)
    assert learning(mobilenet) == {"conv_pw_13", "conv_dw_13"}  # and conv_dw_13_bn, conv_pw_13_bn stay frozen


def test_unfreezing_a_fraction_counts_layers_that_hold_weights(mobilenet):
    # MobileNet has 27 convolutions, each with a batch norm: of 54 layers a tenth is 5.4, so the last 6.
    set_trainable(mobilenet, 0.1, batch_norm=False)
    assert learning(mobilenet) == {"conv_pw_13", "conv_dw_13", "conv_pw_12"}


def test_unfreezing_all_leaves_batch_norm_frozen_unless_trained_from_scratch(mobilenet):
    set_trainable(mobilenet, "all", batch_norm=False)
    assert len(learning(mobilenet)) == 27
    assert not learning(mobilenet) & norms(mobilenet)
    set_trainable(mobilenet, "all", batch_norm=True)
    assert norms(mobilenet) <= learning(mobilenet)


def test_frozen_batch_norm_keeps_its_statistics_while_the_rest_learns():
    model = build(small("plain_cnn", filters=(4,)), 2)
    set_trainable(model, "all", batch_norm=False)
    norm = next(layer for layer in base_of(model).layers if isinstance(layer, layers.BatchNormalization))
    before = [value.copy() for value in norm.get_weights()]
    model.compile("sgd", "categorical_crossentropy")
    images = np.random.default_rng(0).uniform(size=(8, *model.input_shape[1:])).astype(np.float32)
    model.fit(images, np.eye(2)[[0, 1] * 4], verbose=0)
    for value, kept in zip(norm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_batch_norm_from_scratch_has_the_momentum_of_the_settings():
    model = build(small("plain_cnn", batch_norm_momentum=0.8), 2)
    momenta = {layer.momentum for layer in base_of(model).layers if isinstance(layer, layers.BatchNormalization)}
    assert momenta == {0.8}
