import cv2
import numpy as np
import pytest
import tensorflow as tf

from spine.core.problems import SpineError
from spine.training.network_input import NetworkInput, prepare_each
from spine.training.preprocess import (
    LUMA,
    NORMALISATIONS,
    PERCENTILES,
    boxes_to_letterbox,
    boxes_to_original,
    decode,
    letterbox,
    letterbox_mask,
    normalise,
    placement,
    prepare,
    to_grey,
    unletterbox,
)

LEVELS = np.array([[0, 1, 100, 1000], [2000, 3000, 4000, 4095]])  # of a 12-bit scanner


def encoded(pixels, kind=".png"):
    return cv2.imencode(kind, pixels)[1].tobytes()


def test_decode_keeps_all_16_bits():
    pixels = np.array([[0, 1, 256, 257, 65534, 65535]], np.uint16)
    decoded = decode(encoded(pixels))
    assert decoded.shape == (1, 6, 1)
    assert decoded.dtype == tf.float32
    np.testing.assert_array_equal(np.rint(decoded.numpy()[0, :, 0] * 65535), pixels[0])


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_decode_of_8_bits_makes_255_white(kind):
    grey = np.full((8, 8), 255, np.uint8)
    np.testing.assert_array_equal(decode(encoded(grey, kind)), np.ones((8, 8, 1)))
    np.testing.assert_allclose(decode(encoded(grey // 5, kind)), np.full((8, 8, 1), 51 / 255), rtol=1e-6)


@pytest.mark.parametrize(
    (
        "depth",
        "levels",
    ),  # 255 and 65535 times LUMA, to a whole level; by 1 of 65535 it shows that weights are whole, too
    [(np.uint8, [29, 150, 76]), (np.uint16, [7470, 38469, 19596])],
)
def test_decode_weighs_colours_and_ignores_alpha(depth, levels):
    white = np.iinfo(depth).max
    blue, green, red = (np.eye(3, dtype=depth) * white)[:, None, None]
    np.testing.assert_allclose(np.array(levels) / white, LUMA[::-1], atol=0.5 / 255)
    colours = np.concatenate([blue, green, red], axis=1)
    np.testing.assert_array_equal(np.rint(decode(encoded(colours))[0, :, 0] * white), levels)
    clear = np.concatenate([colours, np.zeros_like(colours[..., :1])], axis=-1)
    np.testing.assert_array_equal(np.rint(decode(encoded(clear))[0, :, 0] * white), levels)


@pytest.mark.parametrize("mode", ["LA", "P", "1"])
def test_decode_of_other_png_modes(mode, tmp_path):
    image = pytest.importorskip("PIL.Image")
    grey = np.array([[0, 255], [255, 0]], np.uint8)
    image.fromarray(grey).convert(mode).save(tmp_path / "mode.png")
    np.testing.assert_allclose(decode((tmp_path / "mode.png").read_bytes())[..., 0], grey / 255, atol=1e-6)


def test_decode_refuses_what_is_no_picture():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(b"not a picture")


@pytest.mark.parametrize("how", ["minmax", "percentile"])
def test_depths_of_one_scan_answer_alike(how):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (40, 30))  # fits in 8 bits, so that every depth can hold it exactly
    files = [coarse.astype(np.uint8), (coarse * 16).astype(np.uint16), (coarse * 257).astype(np.uint16)]
    encodings = tf.constant([encoded(file) for file in files])
    (answers,), (sizes,) = prepare_each(decode, encodings, [NetworkInput(32, 32, how)])
    np.testing.assert_array_equal(sizes, [[40, 30]] * 3)
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-6)
    np.testing.assert_allclose(answers[2], answers[0], atol=1e-6)


def test_scan_quantised_to_8_bits_is_off_by_no_more_than_its_steps():
    fine = np.random.default_rng(0).integers(0, 4096, (20, 20))
    files = [(fine // 16).astype(np.uint8), fine.astype(np.uint16)]
    eight, twelve = (normalise(decode(encoded(file)), "minmax").numpy() for file in files)
    assert 0 < np.abs(eight - twelve).max() <= 1.01 / 255


def test_minmax_is_the_papers_formula():
    low, high = 100, 400
    images = np.array([[[low, 250, high]], [[5, 10, 15]]], np.float32)[..., None]
    np.testing.assert_allclose(
        normalise(images, "minmax")[..., 0],
        [[[0, (250 - low) / (high - low), 1]], [[0, 0.5, 1]]],
        rtol=1e-6,
    )


@pytest.mark.parametrize("size", [(1, 2), (7, 9), (100, 101)])
def test_percentile_equals_numpy(size):
    images = np.random.default_rng(1).gamma(2.0, size=(3, *size, 1)).astype(np.float32)
    low, high = np.percentile(images, PERCENTILES, axis=(1, 2, 3), keepdims=True)
    expected = np.clip((images - low) / (high - low), 0, 1)
    np.testing.assert_allclose(normalise(images, "percentile"), expected, atol=1e-5)


@pytest.mark.parametrize("how", ["minmax", "percentile"])
def test_constant_image_becomes_zeros(how):
    np.testing.assert_array_equal(normalise(np.full((2, 3, 3, 1), 0.7, np.float32), how), np.zeros((2, 3, 3, 1)))


def test_normalise_names_the_known_ones():
    with pytest.raises(SpineError, match="minmax, percentile, none"):
        normalise(np.zeros((1, 2, 2, 1)), "z-score")


def test_to_grey_of_three_channels_and_of_one():
    images = np.random.default_rng(2).random((2, 3, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(to_grey(images)[..., 0], images @ np.array(LUMA), rtol=1e-5)
    np.testing.assert_array_equal(to_grey(images[..., :1]), images[..., :1])


def test_letterbox_centres_the_whole_image_on_zeros():
    framed = letterbox(np.ones((1, 2, 4, 1), np.float32), 8, 8)
    expected = np.zeros((8, 8))
    expected[2:6] = 1  # 2x4 becomes 4x8, in the middle of 8x8
    np.testing.assert_array_equal(framed[0, ..., 0], expected)


def test_letterbox_smooths_before_it_shrinks():
    stripes = np.tile([0.0, 1.0], 64)[None, None, :, None].repeat(128, axis=1).astype(np.float32)
    shrunk = letterbox(stripes, 16, 16).numpy()[0, 2:-2, 2:-2]
    np.testing.assert_allclose(shrunk, 0.5, atol=0.02)


def test_letterbox_mask_holds_only_classes_that_were_there():
    mask = np.random.default_rng(3).choice([1, 3], (1, 37, 53, 1)).astype(np.uint8)
    framed = letterbox_mask(mask, 32, 32)
    assert framed.dtype == tf.uint8
    assert set(np.unique(framed)) == {0, 1, 3}


@pytest.mark.parametrize(("height", "width"), [(40, 64), (90, 31), (64, 64), (200, 300)])
def test_unletterbox_is_the_inverse_to_a_twentieth_of_a_pixel(height, width):
    y, x = np.mgrid[:height, :width].astype(np.float32)  # each pixel says where it is; linear, so resizing keeps it
    image = np.stack([y, x], axis=-1)[np.newaxis]
    back = unletterbox(letterbox(image, 64, 64), height, width)
    assert back.shape == image.shape
    rim = 2 * max(1, height // 64 + 1, width // 64 + 1)  # where a kernel reaches over the border
    inside = (slice(None), slice(rim, -rim), slice(rim, -rim))
    np.testing.assert_allclose(back[inside], image[inside], atol=0.05)


@pytest.mark.parametrize(("height", "width"), [(64, 48), (65, 50), (200, 131), (31, 40), (63, 200), (1, 500)])
def test_maps_are_smoothed_where_they_shrink_and_only_there(height, width):
    maps = np.random.default_rng(0).random((2, 64, 48, 3)).astype(np.float32)
    place = placement(height, width, 64, 48)
    inner = maps[:, place.top : place.top + place.height, place.left : place.left + place.width]
    expected = tf.image.resize(inner, (height, width), antialias=True)  # which smooths nothing where it enlarges
    np.testing.assert_allclose(unletterbox(maps, height, width), expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(40, 64), (90, 31), (333, 217), (1, 500)])
def test_boxes_go_there_and_back(height, width):
    place = placement(height, width, 64, 80)
    boxes = np.array([[0, 0, width, height], [0.25, 0.5, 1.75, 0.75]], np.float32)
    framed = boxes_to_letterbox(boxes, place)
    whole = [place.left, place.top, place.left + place.width, place.top + place.height]
    np.testing.assert_allclose(framed[0], whole, atol=1e-4)
    np.testing.assert_allclose(boxes_to_original(framed, place), boxes, atol=1e-3)


def test_boxes_follow_the_pixels_to_a_part_of_a_pixel():
    image = np.zeros((1, 90, 120, 1), np.float32)
    image[:, 30:60, 20:50] = 1
    pixels = letterbox(image, 64, 64).numpy()[0, ..., 0]
    centre = np.array([(pixels.sum(axis) * (np.arange(64) + 0.5)).sum() / pixels.sum() for axis in (0, 1)])
    box = boxes_to_letterbox(np.array([20, 30, 50, 60], np.float32), placement(90, 120, 64, 64)).numpy()
    np.testing.assert_allclose(centre, (box[:2] + box[2:]) / 2, atol=0.02)
    assert pixels.sum() == pytest.approx(np.prod(box[2:] - box[:2]), rel=0.01)


@pytest.mark.parametrize("how", list(NORMALISATIONS))
def test_saved_graph_takes_any_size_and_channels(how, tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)])
        def image(self, images):
            return prepare(images, 24, 32, how)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def image_bytes(self, files):
            return prepare_each(decode, files, [NetworkInput(24, 32, how)])[0][0]

    tf.saved_model.save(Module(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for shape in [(2, 50, 20, 1), (1, 24, 32, 3), (1, 1, 1, 1)]:
        images = np.random.default_rng(4).random(shape).astype(np.float32)
        np.testing.assert_allclose(loaded.image(images), prepare(images, 24, 32, how), atol=1e-6)
    files = [encoded(LEVELS.astype(np.uint16)), encoded(np.eye(50, 20, dtype=np.uint8), ".jpg")]
    assert loaded.image_bytes(tf.constant(files)).shape == (2, 24, 32, 1)
