"""A base takes its weights from models as others save them: RadImageNet's, whole ones, bases inside others."""

import sys

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from classification.config import Settings as Classifier
from classification.model import base_of, build
from detection.backbones.table import BACKBONES
from detection.backbones.weights import build_base
from segmentation.encoders import ENCODERS
from spine.core.problems import SpineError
from spine.training.pretrained import keras_base
from spine.training.pretrained.base_weights import load_file

RADIMAGENET = {  # its name in each task; segmentation's InceptionV3 is the library's, of the same weights
    "ResNet50": ("resnet50", "resnet50v1", "resnet50v1"),
    "DenseNet121": ("densenet121", "densenet121", "densenet121"),
    "InceptionV3": ("inceptionv3", "inceptionv3", "inception_v3"),
    "InceptionResNetV2": ("inceptionresnetv2", "inceptionresnetv2", "inception_resnet_v2"),
}


def short_densenet(of):
    """Two blocks of DenseNet's, of either Keras: Keras 2 has layers named conv1/conv."""
    whole = sys.modules[of.applications.DenseNet121.__module__]
    return whole.DenseNet([1, 1, 1, 1], include_top=False, weights=None, input_shape=(32, 32, 3))


def filled(model):
    """The model with weights of their own, so that no two arrays are alike."""
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=value.shape).astype(np.float32) for value in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def base():
    return filled(short_densenet(tf_keras))


def alone(of, base):
    """As RadImageNet's are: saved with graph and pooling."""
    return of.Model(base.input, of.layers.GlobalAveragePooling2D()(base.output))


def with_head(of, base):
    x = of.layers.Dropout(0.5)(of.layers.GlobalAveragePooling2D()(base.output))
    return of.Model(base.input, of.layers.Dense(165, activation="softmax")(x))


def inside(of, base):
    return of.Sequential([base, of.layers.GlobalAveragePooling2D(), of.layers.Dense(2)])


def same_weights(one, other) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("wrapped", [alone, with_head, inside])
@pytest.mark.parametrize("into", [keras, tf_keras], ids=["keras3", "keras2"])
def test_a_base_is_found_in_a_model_of_keras_2(wrapped, into, base, tmp_path):
    wrapped(tf_keras, base).save(tmp_path / "model.h5")
    loaded = short_densenet(into)
    load_file(loaded, str(tmp_path / "model.h5"), "densenet")
    assert same_weights(loaded, base)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("frozen", ["batch norm", "first half"])
@pytest.mark.parametrize("of", [keras, tf_keras], ids=["keras3", "keras2"])
def test_a_base_inside_a_model_may_have_been_frozen_in_part(frozen, of, tmp_path):
    saved = filled(short_densenet(of))
    for number, layer in enumerate(saved.layers):
        is_first = number < len(saved.layers) // 2
        layer.trainable = not (is_first if frozen == "first half" else "BatchNorm" in type(layer).__name__)
    inside(of, saved).save(tmp_path / "model.h5")
    loaded = short_densenet(keras)
    load_file(loaded, str(tmp_path / "model.h5"), "densenet")
    stored = {layer.name.replace("/", "_"): layer.get_weights() for layer in saved.layers}
    for layer in filter(lambda layer: layer.weights, loaded.layers):
        for own, theirs in zip(layer.get_weights(), stored[layer.name.replace("/", "_")], strict=True):
            np.testing.assert_array_equal(own, theirs)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_weights_alone_of_a_whole_model_will_do(base, tmp_path):
    with_head(tf_keras, base).save_weights(tmp_path / "weights.h5")
    loaded = short_densenet(keras)
    load_file(loaded, str(tmp_path / "weights.h5"), "densenet")
    assert same_weights(loaded, base)


def small(of, *filters: int):
    x = inputs = of.Input((8, 8, 1))
    for number, count in enumerate(filters):
        x = of.layers.Conv2D(count, 3, padding="same", name=f"conv{number}")(x)
    return of.Model(inputs, x)


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        ((4, 5, 6), "goes on with conv2, which is no head"),
        ((4, 9, 6), r"layer conv1 has the shapes \[\(3, 3, 4, 9\), \(9,\)\] where conv1 takes"),
        ((4,), "it has 1 layers with weights, the network 2"),
    ],
)
def test_a_model_that_does_not_begin_with_the_base_is_refused_and_nothing_is_assigned(stored, complaint, tmp_path):
    filled(small(tf_keras, *stored)).save_weights(tmp_path / "other.h5")
    base = small(keras, 4, 5)
    before = [value.copy() for value in base.get_weights()]
    with pytest.raises(SpineError, match=f"do not fit small .*{complaint}"):
        load_file(base, str(tmp_path / "other.h5"), "small")
    assert all(np.array_equal(value, kept) for value, kept in zip(base.get_weights(), before, strict=True))


def test_a_stored_graph_is_never_built(tmp_path):
    """A model_config that Keras would have to run code for, or cannot read, is not looked at."""
    model = filled(small(tf_keras, 4, 5))
    with_dense = tf_keras.Model(model.input, tf_keras.layers.Dense(2)(tf_keras.layers.Flatten()(model.output)))
    with_dense.save_weights(tmp_path / "weights.h5")
    with h5py.File(tmp_path / "weights.h5") as weights, h5py.File(tmp_path / "whole.h5", "w") as whole:
        whole.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": ["not code"]}}'
        weights.copy(weights["/"], whole, "model_weights")
    base = small(keras, 4, 5)
    load_file(base, str(tmp_path / "whole.h5"), "small")
    assert same_weights(base, model)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", RADIMAGENET)
def test_a_file_of_radimagenet_s_kind_starts_each_task_s_network(name, tmp_path):
    classifier, encoder, backbone = RADIMAGENET[name]
    saved = getattr(tf_keras.applications, name)(
        include_top=False, weights=None, input_shape=(256, 256, 3), pooling="avg"
    )
    file = str(tmp_path / f"RadImageNet-{name}_notop.h5")
    filled(saved).save(file)
    settings = Classifier(network=classifier, weights=file, pixel_scale="radimagenet", height=96, width=96)
    loaded = [
        base_of(build(settings, 2)),
        keras_base.build_base(
            lambda weights: ENCODERS[encoder].build(weights=weights, input_shape=(96, 96, 3)), encoder, file
        ),
        build_base(backbone, BACKBONES[backbone], file),
    ]
    for network in loaded:
        assert same_weights(network, saved)
