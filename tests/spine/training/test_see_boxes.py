"""What a classifier sees of a box: how much, of what shape, by which grey levels; in training as it is served."""

import numpy as np
import pytest
import tensorflow as tf

from spine.core.problems import SpineError
from spine.dataset.truth import ClassTruth, Region
from spine.images.pictures import write_png16
from spine.intake.crop import CropSettings, crop_samples, expand_box
from spine.training.expand_box import expand_boxes
from spine.training.image_cache import ImageCache
from spine.training.network_input import NetworkInput
from spine.training.see_boxes import levels_of_files, levels_of_images, prepare_boxes, see_box
from spine.training.served import Served
from spine.training.view import View
from tests.member_contract import grey, png
from tests.spine.dataset_on_disk import smooth_noise, write_dataset

PICTURE = grey(20, 30)
SHARES = (PICTURE / 65535).astype(np.float32)


def in_shares(x0, y0, x1, y1, height=20, width=30):
    return tf.constant([y0 / height, x0 / width, y1 / height, x1 / width], tf.float32)


def seen(box, height, width, how="minmax", **view):
    read = NetworkInput(height, width, how, View(**view))
    return see_box([levels_of_files(tf.constant(png(PICTURE)))], box, read).numpy()[..., 0]


def stretched(values, low, high):
    return np.clip((values - low) / (high - low), 0, 1)


def test_a_box_grows_on_all_sides_and_ends_at_the_edges():
    # 8 x 6 pixels grow by half of that in all: 2 columns and 1.5 rows on each side, outwards to whole pixels.
    within = SHARES[6 - 2 : 12 + 2, 10 - 2 : 18 + 2]
    result = seen(in_shares(10, 6, 18, 12), 10, 12, grow=0.5)
    np.testing.assert_allclose(result, stretched(within, within.min(), within.max()), atol=1e-6)
    corner = SHARES[0 : 4 + 1, 24 - 2 : 30]
    result = seen(in_shares(24, 0, 30, 4), 5, 8, grow=0.5)
    np.testing.assert_allclose(result, stretched(corner, corner.min(), corner.max()), atol=1e-6)


@pytest.mark.parametrize("how", ["minmax", "percentile", "none"])
def test_grey_levels_are_the_crop_s_or_the_whole_picture_s(how):
    ends = {"minmax": (0, 100), "percentile": (0.5, 99.5)}
    crop = SHARES[6:12, 10:18]
    for levels, of in (("crop", crop), ("picture", SHARES)):
        low, high = np.percentile(of, ends[how]) if how in ends else (0, 1)
        result = seen(in_shares(10, 6, 18, 12), 6, 8, how, grow=0, levels=levels)
        np.testing.assert_allclose(result, stretched(crop, low, high), atol=1e-5)


def test_the_aspect_is_kept_with_padding_or_stretched():
    box = in_shares(10, 6, 18, 12)
    kept = seen(box, 8, 8, "none", grow=0)
    np.testing.assert_allclose(kept[1:7], SHARES[6:12, 10:18], atol=1e-6)
    assert not kept[[0, 7]].any()
    tall = seen(box, 12, 8, "none", grow=0, aspect="stretch")
    # Twice as high: each row but the outer ones lies a quarter of the way from one row to the next.
    rows = SHARES[6:12, 10:18]
    np.testing.assert_allclose(tall[1:-1:2], 0.75 * rows[:-1] + 0.25 * rows[1:], atol=1e-6)
    np.testing.assert_allclose(tall[2:-1:2], 0.25 * rows[:-1] + 0.75 * rows[1:], atol=1e-6)
    np.testing.assert_allclose(tall[[0, -1]], rows[[0, -1]], atol=1e-6)


def test_the_graph_cuts_out_what_the_intake_cuts_out():
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width = random.integers(5, 700, 2)
        x0, y0 = (round(random.uniform(-2, side - 1), 3) for side in (width, height))
        x1, y1 = (
            round(random.uniform(max(start, 0) + 0.5, side + 2), 3) for start, side in ((x0, width), (y0, height))
        )
        grow = float(random.choice([0, 0.1, 0.5, 1.0]))
        left, top, right, bottom = expand_box((x0, y0, x1, y1), grow, int(height), int(width))
        box = in_shares(x0, y0, x1, y1, height, width)
        assert expand_boxes(box[None], grow, [height, width])[0].numpy().tolist() == [top, left, bottom, right]


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    root = tmp_path_factory.mktemp("views")
    whole = write_dataset(
        root / "whole",
        {"a": smooth_noise(1), "b": smooth_noise(2, 40, 50)},
        boxes=[
            ("a", "0", "disc", 10.0, 10.0, 30.0, 20.0, "1"),
            ("a", "1", "disc", 50.5, 40.25, 66.0, 47.0, "2"),
            ("b", "0", "disc", 20.0, 10.0, 40.0, 30.0, "1"),
        ],
        labels=[("a", "0", "grade", "x"), ("a", "1", "grade", "y"), ("b", "0", "grade", "x")],
        splits=[("a", "train", ""), ("b", "train", "")],
    )
    return crop_samples(whole, whole.boxes, root / "crops", CropSettings(label="disc", grow=0.1))


@pytest.fixture(scope="module")
def truth(crops):
    return ClassTruth.of_classification(crops, "train", "grade", ("x", "y"))


READS = [
    NetworkInput(16, 24, "percentile", View(grow=0.1)),
    NetworkInput(16, 24, "minmax", View(grow=1.0, aspect="stretch", levels="picture")),
]


def echo(read):
    """A network whose answer is its input."""
    return Served("echo", [], read, lambda inputs, sizes: {"probabilities": tf.reshape(inputs, [-1, 16 * 24])})


@pytest.mark.parametrize("read", READS)
def test_training_sees_what_is_served_to_the_last_grey_level(truth, read):
    cached = ImageCache.of_regions(truth.regions, read)
    files = tf.constant([region.picture.read_bytes() for region in truth.regions])
    boxes = tf.constant([region.box for region in truth.regions], tf.float32)
    served = echo(read).regions(files, boxes)["probabilities"].numpy().reshape(-1, 16, 24, 1)
    np.testing.assert_array_equal(cached.values[cached.rows], np.round(served * 65535).astype(np.uint16))


def test_the_dataset_s_own_view_is_its_crops(truth):
    files = tf.constant([path.read_bytes() for path in truth.paths])
    of_crops = echo(READS[0]).serving_default(files)["probabilities"]
    pictures = tf.constant([region.picture.read_bytes() for region in truth.regions])
    boxes = tf.constant([region.box for region in truth.regions], tf.float32)
    np.testing.assert_array_equal(echo(READS[0]).regions(pictures, boxes)["probabilities"], of_crops)


def test_images_that_are_at_hand_are_seen_as_their_files(truth):
    picture = SHARES[np.newaxis, ..., np.newaxis]
    boxes = tf.stack([in_shares(10, 6, 18, 12), in_shares(0, 0, 4, 5)])
    levels_of = levels_of_images(picture, READS)
    (first, second), _ = prepare_boxes(lambda number: [levels_of(number)], tf.constant([0, 0]), boxes, READS)
    for read, result in zip(READS, (first, second), strict=True):
        np.testing.assert_allclose(result[1, ..., 0], seen(boxes[1], 16, 24, read.normalisation, **dict(read.view)))


def test_a_box_of_a_picture_is_stored_once(truth):
    cached = ImageCache.of_regions([truth.regions[number] for number in (2, 0, 2, 1, 0)], READS[0])
    assert len(cached.values) == 3
    own = ImageCache.of_regions(truth.regions, READS[0])
    np.testing.assert_array_equal(cached.values[cached.rows], own.values[own.rows][[2, 0, 2, 1, 0]])


def test_a_picture_is_its_own_box(tmp_path):
    write_png16(PICTURE, tmp_path / "a.png")
    (row,) = ImageCache.of_regions([Region(tmp_path / "a.png")], READS[1]).values
    expected = ImageCache.of([tmp_path / "a.png"], 16, 24, "minmax").values[0]
    assert row.shape == expected.shape
    whole = tf.image.resize(stretched(SHARES, SHARES.min(), SHARES.max())[..., None], (16, 24), antialias=True)
    np.testing.assert_allclose(row / 65535, whole, atol=1e-5)


@pytest.mark.parametrize("box", [[0.5, 0, 0.2, 1], [0, 0, float("nan"), 1], [1.2, 0, 1.5, 1], [0, -2, 1, -1]])
def test_what_is_no_box_is_said_so(box):
    with pytest.raises(tf.errors.InvalidArgumentError, match="boxes are y0 x0 y1 x1"):
        echo(READS[0]).regions(tf.constant([png(PICTURE)]), tf.constant([box], tf.float32))


def test_no_box_has_an_answer_of_no_rows():
    answer = echo(READS[1]).regions(tf.constant([], tf.string), tf.zeros([0, 4]))
    assert answer["probabilities"].shape == (0, 16 * 24)


def test_a_network_of_whole_pictures_knows_no_boxes():
    assert not hasattr(echo(NetworkInput(16, 24, "minmax")), "regions")


def test_a_view_of_crops_without_their_pictures_asks_for_a_build():
    assert View().of_crops(None, True, False).grow is None
    assert View(aspect="stretch").of_crops(None, True, False).aspect == "stretch"
    for view in (View(grow=0.5), View(levels="picture")):
        with pytest.raises(SpineError, match="build the dataset again"):
            view.of_crops(None, True, False)
    assert View().of_crops(0.1, False, False).grow == 0.1
    assert View(grow=0.5).of_crops(0.1, False, False).grow == 0.5
    assert View(levels="picture").of_crops(None, False, False).grow is None
    with pytest.raises(SpineError, match="no picture of the dataset has a slice next to it"):
        View(slices=3).of_crops(0.1, False, False)
    assert View(slices=3).of_crops(0.1, False, True).slices == 3


@pytest.mark.parametrize(("pictures", "boxes"), [(1, 3), (3, 1), (0, 3), (3, 0)])
def test_other_numbers_of_pictures_than_of_boxes_are_an_error_that_names_both(pictures, boxes):
    """One picture and three boxes would be answered for the first box alone."""
    network = Served("one", [], NetworkInput(8, 8, "none", View(grow=0.0)), lambda inputs, sizes: {"inputs": inputs})
    files, places = tf.constant([png(PICTURE)] * pictures, tf.string), tf.constant([[0.0, 0, 1, 1]] * boxes)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s)received.*{pictures}.*pictures and.*{boxes}.*rows"):
        network.regions(files, tf.reshape(places, [boxes, 4]))
    assert network.regions(tf.constant([png(PICTURE)] * 3), tf.constant([[0.0, 0, 1, 1]] * 3))["inputs"].shape[0] == 3
