"""PyTorch weights in the Keras network give what PyTorch's definition of the network gives, computed by NumPy alone.

Each network is cut after its first parts, which hold every kind of its layers, strides and paddings.
"""

import sys

import keras
import numpy as np
import pytest
import tf_keras
from keras import applications

from spine.training.pretrained.bases.efficientnet_lite import efficientnet_lite0
from spine.training.pretrained.bases.resnet import resnet50_v1_5
from spine.training.pretrained.state_dict.layouts import LAYOUTS
from spine.training.pretrained.state_dict.loading import load_state_dict
from spine.training.pretrained.state_dict.opcodes import BadStateDict
from tests.torch_files import write_archive, write_safetensors, write_stream

Weights = dict[str, np.ndarray]


def convolved(x, weights: Weights, module: str, step: int = 1, pad: tuple[int, int] = (0, 0)):
    """(C, H, W) by the kernels (O, I, k, k), or (C, 1, k, k) each of its own channel; PyTorch's cross-correlation."""
    kernel = weights[f"{module}.weight"].astype(np.float64)
    padded = np.pad(x, ((0, 0), pad, pad))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))[:, ::step, ::step]
    deep = kernel.shape[1] == 1
    y = (
        np.einsum("chwij,cij->chw", windows, kernel[:, 0])
        if deep
        else np.tensordot(kernel, windows, ((1, 2, 3), (0, 3, 4)))
    )
    return y + weights[f"{module}.bias"][:, None, None] if f"{module}.bias" in weights else y


def normed(x, weights: Weights, module: str, epsilon: float = 1e-5):
    parts = (weights[f"{module}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var"))
    weight, bias, mean, variance = (part.astype(np.float64) for part in parts)
    return (x - mean) / np.sqrt(variance + epsilon) * weight + bias


def relu(x):
    return np.maximum(x, 0)


def pooled(x, size: int, step: int, reduce, pad: int = 0):
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::step, ::step]
    return reduce(windows, axis=(-2, -1))


def bottleneck(x, weights: Weights, module: str, step: int):
    y = relu(normed(convolved(x, weights, f"{module}.conv1"), weights, f"{module}.bn1"))
    y = relu(normed(convolved(y, weights, f"{module}.conv2", step, (1, 1)), weights, f"{module}.bn2"))
    y = normed(convolved(y, weights, f"{module}.conv3"), weights, f"{module}.bn3")
    if f"{module}.downsample.0.weight" in weights:
        x = normed(convolved(x, weights, f"{module}.downsample.0", step), weights, f"{module}.downsample.1")
    return relu(x + y)


def resnet(x, weights: Weights):
    x = relu(normed(convolved(x, weights, "conv1", 2, (3, 3)), weights, "bn1"))
    x = pooled(x, 3, 2, np.max, pad=1)
    for number in range(3):
        x = bottleneck(x, weights, f"layer1.{number}", 1)
    return bottleneck(x, weights, "layer2.0", 2)


def dense_layer(x, weights: Weights, module: str):
    y = convolved(relu(normed(x, weights, f"{module}.norm1")), weights, f"{module}.conv1")
    y = convolved(relu(normed(y, weights, f"{module}.norm2")), weights, f"{module}.conv2", pad=(1, 1))
    return np.concatenate([x, y])


def densenet(x, weights: Weights):
    x = relu(normed(convolved(x, weights, "features.conv0", 2, (3, 3)), weights, "features.norm0"))
    x = pooled(x, 3, 2, np.max, pad=1)
    for number in range(1, 7):
        x = dense_layer(x, weights, f"features.denseblock1.denselayer{number}")
    x = convolved(relu(normed(x, weights, "features.transition1.norm")), weights, "features.transition1.conv")
    return dense_layer(pooled(x, 2, 2, np.mean), weights, "features.denseblock2.denselayer1")


def vgg(x, weights: Weights):
    for place in (0, 2, 5, 7):
        x = relu(convolved(x, weights, f"features.{place}", pad=(1, 1)))
        x = pooled(x, 2, 2, np.max) if place in (2, 7) else x
    return x


def relu6(x):
    return np.clip(x, 0, 6)


def efficientnet(x, weights: Weights):
    """TensorFlow's padding of an even size: below and at the right."""
    x = relu6(normed(convolved(x / 255, weights, "_conv_stem", 2, (0, 1)), weights, "_bn0", 1e-3))
    x = relu6(normed(convolved(x, weights, "_blocks.0._depthwise_conv", 1, (1, 1)), weights, "_blocks.0._bn1", 1e-3))
    x = normed(convolved(x, weights, "_blocks.0._project_conv"), weights, "_blocks.0._bn2", 1e-3)
    x = relu6(normed(convolved(x, weights, "_blocks.1._expand_conv"), weights, "_blocks.1._bn0", 1e-3))
    x = relu6(normed(convolved(x, weights, "_blocks.1._depthwise_conv", 2, (0, 1)), weights, "_blocks.1._bn1", 1e-3))
    return normed(convolved(x, weights, "_blocks.1._project_conv"), weights, "_blocks.1._bn2", 1e-3)


def application(name: str):
    return lambda keras, shape: getattr(keras.applications, name)(include_top=False, weights=None, input_shape=shape)


def short_densenet(keras, shape):
    """DenseNet121's first parts: its builder, told to build little after them."""
    whole = sys.modules[keras.applications.DenseNet121.__module__]
    return whole.DenseNet([6, 1, 1, 1], include_top=False, weights=None, input_shape=shape)


# Layout -> builder of either Keras, the last layer that is kept, the same by NumPy, an input's height and width.
PIECES = {
    "resnet50v1.5": (resnet50_v1_5, "conv3_block1_out", resnet, (45, 54)),
    "densenet121": (short_densenet, "conv3_block1_concat", densenet, (40, 48)),
    "vgg16": (application("VGG16"), "block2_pool", vgg, (32, 35)),
    "efficientnetlite0": (efficientnet_lite0, "block2a_project_bn", efficientnet, (32, 40)),
}


def piece_of(layout: str, of=keras):
    build, last, *_ = PIECES[layout]
    base = build(of, (*PIECES[layout][3], 3))
    return of.Model(base.input, base.get_layer(last).output)


def weights_of(base, layout: str) -> Weights:
    """Random weights under PyTorch's names and in its axes; of batch norm also those that must not matter."""
    generator = np.random.default_rng(3)
    found: Weights = {}
    for layer in base.layers:
        if not layer.trainable_weights:
            continue
        module, arrays = LAYOUTS[layout].modules[layer.name.replace("/", "_")], layer.get_weights()
        if arrays[0].ndim == 4:
            height, width, channels, filters = arrays[0].shape
            deep = type(layer).__name__ == "DepthwiseConv2D"
            shape = (channels, 1, height, width) if deep else (filters, channels, height, width)
            found[f"{module}.weight"] = generator.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
            if len(arrays) == 2:
                found[f"{module}.bias"] = generator.normal(0, 0.2, filters)
        else:
            for part, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5), ("running_mean", -0.5, 0.5)):
                found[f"{module}.{part}"] = generator.uniform(low, high, arrays[0].shape)
            variance = generator.uniform(0.5, 2, arrays[0].shape)
            variance[0] = 2e-5  # of which epsilon is a large part
            found[f"{module}.running_var"] = variance
            found[f"{module}.num_batches_tracked"] = np.array(9, np.int64)
    return {name: value if value.dtype == np.int64 else value.astype(np.float32) for name, value in found.items()}


@pytest.mark.parametrize(
    ("layout", "of"),
    [
        *(pytest.param(layout, keras, id=f"{layout}-keras3") for layout in PIECES),
        pytest.param("resnet50v1.5", tf_keras, id="resnet50v1.5-keras2"),
        *(
            pytest.param(layout, tf_keras, id=f"{layout}-keras2", marks=pytest.mark.slow)
            for layout in PIECES
            if layout != "resnet50v1.5"
        ),
    ],
)
def test_it_gives_what_pytorch_gives(layout, of, tmp_path):
    base = piece_of(layout, of)
    weights = weights_of(base, layout)
    head = {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.ones(2, np.float32)}
    load_state_dict(base, write_archive(tmp_path / "a.pth", {**weights, **head}), layout)
    height, width = PIECES[layout][3]
    picture = np.random.default_rng(1).uniform(-2, 2, (height, width, 3)) * (255 if "lite" in layout else 1)
    expected = PIECES[layout][2](picture.transpose(2, 0, 1), weights).transpose(1, 2, 0)
    given = np.asarray(base(picture[np.newaxis].astype(np.float32)))[0]
    assert given.shape == expected.shape
    assert expected.std() > 0.1
    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=2e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def vgg16():
    return piece_of("vgg16")


def test_names_that_others_wrap_around_are_taken_off(vgg16, tmp_path):
    weights = weights_of(vgg16, "vgg16")
    wrapped = {
        "a.pth": {f"module.{name}": value for name, value in weights.items()},
        "b.pt": {name.replace("features", "backbone.0"): value for name, value in weights.items()},  # RadImageNet's
        "c.safetensors": {f"model.backbone.{name}": value for name, value in weights.items()},
    }
    for (name, tensors), write in zip(wrapped.items(), (write_archive, write_stream, write_safetensors), strict=True):
        load_state_dict(vgg16, write(tmp_path / name, tensors), "vgg16")
        kernel = vgg16.get_layer("block2_conv1").get_weights()[0]
        np.testing.assert_array_equal(kernel, weights["features.5.weight"].transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"features.5.bias": None}, r"features\.5 has weight where block2_conv1 takes weight, bias"),
        ({"features.5.weight": None, "features.5.bias": None}, r"features\.5 has nothing"),
        ({"features.1.running_mean": np.ones(64, np.float32)}, r"also has features\.1; it is another network"),
        ({"features.5.bias": np.ones(64, np.float32)}, r"shapes \[\(3, 3, 64, 128\), \(64,\)\] where block2_conv1"),
        ({"features.7.bias": np.full(128, np.nan, np.float32)}, r"features\.7 holds numbers that are not finite"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_nothing_is_assigned(vgg16, change, complaint, tmp_path):
    before = [value.copy() for value in vgg16.get_weights()]
    weights = {name: value for name, value in {**weights_of(vgg16, "vgg16"), **change}.items() if value is not None}
    with pytest.raises(BadStateDict, match=complaint):
        load_state_dict(vgg16, write_archive(tmp_path / "a.pth", weights), "vgg16")
    for value, kept in zip(vgg16.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


@pytest.mark.parametrize("name", ["resnet50", "inceptionv3", "mobilenetv2", ""])
def test_a_network_that_pads_or_strides_otherwise_has_no_layout(vgg16, name, tmp_path):
    with pytest.raises(BadStateDict, match=r"no equal here; those that have: densenet121, .*resnet50v1\.5"):
        load_state_dict(vgg16, write_archive(tmp_path / "a.pth", weights_of(vgg16, "vgg16")), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VGG16", "VGG19", "DenseNet121", "DenseNet169", "DenseNet201"])
def test_a_layout_names_every_layer_with_weights(name):
    base = getattr(applications, name)(include_top=False, weights=None, input_shape=(32, 32, 3))
    assert set(LAYOUTS[name.lower()].modules) == {layer.name for layer in base.layers if layer.weights}


def test_the_layout_of_resnet_names_every_layer_with_weights():
    base = resnet50_v1_5(keras, (32, 32, 3))
    assert set(LAYOUTS["resnet50v1.5"].modules) == {layer.name for layer in base.layers if layer.weights}
    assert sum(int(np.prod(weight.shape)) for weight in base.trainable_weights) == 25_557_032 - 1000 * 2049  # no head
