"""The two readers of one file, the intake's and the served graph's: the same grey level in every pixel."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from spine.images.pictures import decode_picture
from spine.training.preprocess import decode

SIZES = ((64, 64), (33, 47), (17, 8), (1, 1), (2, 31))


def scene(height: int, width: int, channels: int, white: int = 255) -> np.ndarray:
    """Smooth shapes, noise and a hard edge (H, W, C): what a lossy codec rounds differently by every method."""
    rows, columns = np.mgrid[:height, :width]
    wave = 0.5 + 0.25 * np.sin(columns / 5) + 0.25 * np.cos(rows / 7)
    noise = np.random.default_rng(height * width).normal(0, 0.1, (height, width, 4))
    layers = np.stack([wave, 0.8 * wave, 1 - wave, np.full_like(wave, 0.5)], axis=-1) + noise
    layers[:, width // 2 :] *= 0.5
    picture = (white * layers[..., :channels].clip(0, 1)).astype(np.uint8 if white == 255 else np.uint16)
    return picture[..., 0] if channels == 1 else picture


def jpeg(pixels: np.ndarray, **settings) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **settings)
    return stream.getvalue()


def assert_read_alike(data: bytes, white: int = 255) -> None:
    by_intake = decode_picture(data, Path("file"))
    by_graph = decode(data).numpy()[..., 0]
    np.testing.assert_array_equal(np.rint(by_graph * white), by_intake)
    np.testing.assert_array_equal(by_graph, by_intake.astype(np.float32) / np.float32(white))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [5, 50, 75, 90, 95, 100])
def test_a_grey_jpeg(quality, progressive):
    for size in SIZES:
        assert_read_alike(jpeg(scene(*size, 1), quality=quality, progressive=progressive))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [10, 75, 95])
def test_a_colour_jpeg(quality, subsampling, progressive):
    settings = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
    for size in SIZES:
        assert_read_alike(jpeg(scene(*size, 3), **settings))


@pytest.mark.parametrize("factor", ["411", "420", "422", "440", "444"])
def test_a_jpeg_of_every_sampling_that_opencv_writes(factor):
    flags = [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    flags += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{factor}")]
    for size in SIZES:
        assert_read_alike(cv2.imencode(".jpg", scene(*size, 3), flags)[1].tobytes())


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png(channels, white):
    for size in SIZES:
        assert_read_alike(cv2.imencode(".png", scene(*size, channels, white))[1].tobytes(), white)


def test_every_grey_level_and_the_ends_of_every_colour():
    assert_read_alike(cv2.imencode(".png", np.arange(65536, dtype=np.uint16).reshape(256, 256))[1].tobytes(), 65535)
    ends = np.stack(np.meshgrid(*[[0, 1, 127, 128, 254, 255]] * 3), axis=-1).reshape(-1, 6, 3).astype(np.uint8)
    assert_read_alike(cv2.imencode(".png", ends)[1].tobytes())
    assert_read_alike(cv2.imencode(".png", ends.astype(np.uint16) * 257)[1].tobytes(), 65535)


@pytest.mark.parametrize("mode", ["LA", "P", "1"])
def test_a_png_of_another_mode(mode):
    stream = BytesIO()
    Image.fromarray(scene(33, 47, 1)).convert(mode).save(stream, "PNG")
    assert_read_alike(stream.getvalue())


def test_a_saved_graph_reads_as_the_intake(tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def read(self, data):
            return decode(data)

    tf.saved_model.save(Module(), str(tmp_path))
    read = tf.saved_model.load(str(tmp_path)).read
    for data in (jpeg(scene(33, 47, 3), quality=80), cv2.imencode(".png", scene(17, 8, 3, 65535))[1].tobytes()):
        np.testing.assert_array_equal(read(tf.constant(data)), decode(data))
