"""SqueezeNet 1.1 with its published weights, against a forward pass in plain NumPy that shares no code with it."""

import h5py
import keras
import numpy as np
import pytest

from classification.networks import NETWORKS
from classification.squeezenet import SqueezeNet
from spine.training.pretrained.base_weights import scale_and_offset
from tests.published_weights import published


def convolve(x: np.ndarray, layer: h5py.Group, stride: int = 1, pad: int = 0) -> np.ndarray:
    """ReLU of a convolution of (H, W, C), written as the sum over the kernel's places."""
    kernel, bias = (layer[name][()].astype(np.float64) for name in layer.attrs["weight_names"])
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    size = kernel.shape[0]
    rows, columns = (x.shape[0] - size) // stride + 1, (x.shape[1] - size) // stride + 1
    total = np.zeros((rows, columns, kernel.shape[3])) + bias
    for i in range(size):
        for j in range(size):
            total += x[i : i + stride * rows : stride, j : j + stride * columns : stride] @ kernel[i, j]
    return np.maximum(total, 0)


def pool(x: np.ndarray) -> np.ndarray:
    """The greatest of each 3 x 3, every 2 pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))
    return windows[::2, ::2].max(axis=(-2, -1))


def squeezenet_in_numpy(x: np.ndarray, weights: h5py.File) -> np.ndarray:
    x = pool(convolve(x, weights["conv1"], stride=2))
    for number in range(2, 10):
        fire = weights[f"fire{number}"]
        x = convolve(x, fire["squeeze1x1"])
        x = np.dstack([convolve(x, fire["expand1x1"]), convolve(x, fire["expand3x3"], pad=1)])
        x = pool(x) if number in (3, 5) else x
    return x


def test_published_weights_give_what_numpy_gives():
    file = published("squeezenet_v1.1_imagenet_notop.h5")
    image = np.random.default_rng(0).uniform(-120, 140, (67, 83, 3))
    model = SqueezeNet(input_shape=(67, 83, 3))
    model.load_weights(file)
    assert model.count_params() == 722_496
    with h5py.File(file) as weights:
        expected = squeezenet_in_numpy(image, weights)
    measured = model.predict(image[None].astype(np.float32), verbose=0)[0]
    assert measured.shape == expected.shape == (3, 4, 512)
    assert expected.max() > 1
    np.testing.assert_allclose(measured, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_layers_bear_the_published_names():
    with h5py.File(published("squeezenet_v1.1_imagenet_notop.h5")) as weights:
        stored = [name for name in weights.attrs["layer_names"] if len(weights[name].attrs["weight_names"])]
    own = [layer.name for layer in SqueezeNet(input_shape=(32, 32, 3)).layers if layer.count_params()]
    assert own == [name.decode().replace("/", "_") for name in stored]


def test_it_reads_bgr_with_the_mean_of_imagenet_taken_off():
    scale, offset = scale_and_offset(NETWORKS["squeezenet"].preprocess)
    np.testing.assert_allclose(offset, [-103.939, -116.779, -123.68], rtol=1e-5)
    np.testing.assert_allclose(scale, 255, rtol=1e-5)


def test_there_is_no_top():
    with pytest.raises(ValueError, match="include_top=False"):
        SqueezeNet(include_top=True, input_shape=(64, 64, 3))


def test_mobilenet_of_alpha_a_quarter_takes_its_published_weights():
    file = published("mobilenet_2_5_224_tf_no_top.h5")
    model = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(64, 64, 3))
    assert model.count_params() == 218_544
    model.load_weights(file)
    with h5py.File(file) as weights:
        first = next(iter(weights["conv1"].values()))
        stored = next(iter(first.values()))[()] if isinstance(first, h5py.Group) else first[()]
    np.testing.assert_array_equal(model.get_layer("conv1").get_weights()[0], stored)
