"""The scale that a network's pixels have follows the origin of its weights, and a setting says it."""

import keras
import numpy as np
import pytest

from classification.config import Settings as Classifier
from classification.model import build
from classification.networks import NETWORKS
from detection.backbones.table import BACKBONES
from detection.config import Settings as Detector
from pipeline.experiments import validate_experiment
from segmentation.config import Settings as Segmenter
from segmentation.encoders import ENCODERS
from spine.core.problems import SpineError
from spine.training.pretrained.pixel_scale import scale_of

TORCH = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [
        ("caffe", [-103.939, -116.779, -123.68], [255 - 103.939, 255 - 116.779, 255 - 123.68]),
        ("tf", [-1, -1, -1], [1, 1, 1]),
        ("torch", -TORCH[0] / TORCH[1], (1 - TORCH[0]) / TORCH[1]),
        ("radimagenet", np.array([-103.939, -116.779, -123.68]) / 255, 1 - np.array([103.939, 116.779, 123.68]) / 255),
        ("own", [-1, -1, -1], [1, 1, 1]),
    ],
)
def test_black_and_white_in_every_scale(name, black, white):
    scale, offset = scale_of(name, NETWORKS["inceptionv3"].preprocess)
    np.testing.assert_allclose(offset, black, rtol=1e-6)
    np.testing.assert_allclose(scale + offset, white, rtol=1e-6)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_the_names_are_those_of_keras_modes(mode):
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 1, 1, 3))
    given = scale_of(mode, NETWORKS["plain_cnn"].preprocess)
    grey = np.full((1, 1, 1, 3), pixels[0, 0, 0, 0])
    expected = keras.applications.imagenet_utils.preprocess_input(grey.copy(), mode=mode)
    np.testing.assert_allclose(given[0] * grey / 255 + given[1], expected, rtol=1e-5)


@pytest.mark.parametrize(("table", "own"), [(NETWORKS, "network"), (ENCODERS, "encoder"), (BACKBONES, "backbone")])
def test_a_network_scales_inside_where_its_preprocessing_leaves_pixels_as_they_are(table, own):
    for name, one in table.items():
        scale, offset = scale_of("own", one.preprocess)
        assert one.scales_inside == (scale.max() > 256 or not offset.any()), f"{own} {name}"


@pytest.mark.parametrize(
    ("settings", "given", "scale"),
    [
        (Classifier, {"network": "densenet121", "weights": "a.pth"}, "torch"),
        (Classifier, {"network": "vgg16", "weights": "a.safetensors"}, "torch"),
        (Classifier, {"network": "vgg16", "weights": "a.pt", "pixel_scale": "tf"}, "tf"),
        (Classifier, {"network": "vgg16", "weights": "a.h5"}, "own"),
        (Classifier, {"network": "resnet50", "weights": "a.h5", "pixel_scale": "radimagenet"}, "radimagenet"),
        (Classifier, {"network": "efficientnetlite0", "weights": "a.pth"}, "own"),
        (Segmenter, {"encoder": "vgg16", "encoder_weights": "a.pth"}, "torch"),
        (Segmenter, {"encoder_weights": "none"}, "own"),
        (Detector, {"backbone": "resnet50v1.5", "backbone_weights": "a.pt"}, "torch"),
        (Detector, {"backbone_weights": "none"}, "own"),
    ],
)
def test_the_scale_is_that_of_the_file_unless_it_is_given(settings, given, scale):
    assert settings(**given).pixel_scale == scale
    assert settings(**settings(**given).model_dump()).pixel_scale == scale  # as a stored config is read again


def test_the_scale_stays_where_a_network_is_built_without_its_file():
    started = Classifier(network="vgg16", weights="a.pth", height=32, width=32)
    model = build(started.model_copy(update={"weights": "none"}), 2)  # as a resumed or an explained member is
    np.testing.assert_allclose(model.get_layer("network_scale").scale, 1 / TORCH[1])


@pytest.mark.parametrize(
    ("task", "network", "weights"),
    [
        ("classification", {"network": "efficientnetb0"}, "weights"),
        ("classification", {"network": "mobilenetv3small"}, "weights"),
        ("segmentation", {"encoder": "resnet34"}, "encoder_weights"),
        ("segmentation", {"encoder": "efficientnetlite0"}, "encoder_weights"),
        ("detection", {"backbone": "efficientnetlite0"}, "backbone_weights"),
    ],
)
def test_a_network_that_scales_inside_has_its_own_scale_only(task, network, weights):
    (name,) = network.values()
    told = f"pixel_scale is caffe, but {name} scales pixels inside; leave pixel_scale at own"
    for given, advice in (("none", ""), ("a.h5", f", and give {weights} that were trained so")):
        raw = {"task": task, "labels": ["no", "yes"], "name": "x", "data": "d", "target": "t"}
        members = {"first": {weights: "none"} | network, "m": {**network, weights: given, "pixel_scale": "caffe"}}
        with pytest.raises(SpineError) as error:
            validate_experiment({**raw, "members": members}, "x.yaml")
        assert f"{told}{advice}" in str(error.value)
        assert advice or "trained so" not in str(error.value)
