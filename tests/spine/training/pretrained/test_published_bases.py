"""EfficientNet-Lite0 and VGG16 in all three tasks start with the numbers that their published files hold."""

import keras
import numpy as np
import pytest

from classification.config import Settings as Classifier
from classification.model import base_of
from classification.model import build as build_classifier
from detection.backbones.table import BACKBONES
from detection.backbones.weights import build_base
from segmentation.config import Settings as Segmenter
from segmentation.model import build as build_segmenter
from segmentation.model import encoder_of
from spine.training.pretrained.bases.efficientnet_lite import efficientnet_lite0, preprocess_input
from tests.published_weights import published, stored_by_layer

pytestmark = pytest.mark.slow

FILES = {
    "efficientnetlite0": "efficientnetlite0_notop.weights.h5",
    "vgg16": "vgg16_hed_bsds500_notop.weights.h5",
}
PARAMETERS = {"efficientnetlite0": 3_413_031, "vgg16": 14_714_688}
NETWORKS = pytest.mark.parametrize("network", FILES)


def check_layers(base, network: str) -> None:
    """Every layer of the base that learns holds what the file has under its name."""
    stored = stored_by_layer(published(FILES[network]))
    weighted = [layer for layer in base.layers if layer.trainable_weights]
    for layer in weighted:
        for own, given in zip(layer.get_weights(), stored[layer.name], strict=True):
            np.testing.assert_array_equal(own, given)
    assert len(weighted) > 8


@NETWORKS
def test_a_classifier_starts_with_the_file(network):
    file = published(FILES[network])
    base = base_of(build_classifier(Classifier(network=network, weights=str(file), height=32, width=32), 2))
    assert base.count_params() == PARAMETERS[network]
    check_layers(base, network)


@NETWORKS
def test_an_encoder_starts_with_the_file(network):
    settings = Segmenter(encoder=network, encoder_weights=str(published(FILES[network])), height=32, width=32)
    check_layers(encoder_of(build_segmenter(settings, 2)), network)


@NETWORKS
def test_a_backbone_of_keras_2_starts_with_the_file(network):
    base = build_base(network, BACKBONES[network], str(published(FILES[network])))
    assert base.count_params() == PARAMETERS[network]
    check_layers(base, network)


def test_efficientnet_lite_reads_imagenet_s_mean_as_nothing():
    mean = 255 * np.array([[0.485, 0.456, 0.406]])
    deviation = 255 * np.array([[0.229, 0.224, 0.225]])
    np.testing.assert_allclose(preprocess_input(mean), 0, atol=1e-12)
    np.testing.assert_allclose(preprocess_input(mean + deviation), 255)  # the graph divides it by 255


def test_efficientnet_lite_has_neither_squeeze_nor_excitation_and_ends_at_six():
    base = efficientnet_lite0(keras, (32, 32, 3))
    assert base.count_params() == PARAMETERS["efficientnetlite0"]
    assert not [layer.name for layer in base.layers if "_se_" in layer.name]
    assert {layer.activation.__name__ for layer in base.layers if isinstance(layer, keras.layers.Activation)} == {
        "relu6"
    }
