"""A network of three slices sees a box in the slice before, in the picture and in the slice after, as it is served."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from spine.dataset.truth import Region
from spine.images.pictures import write_png16
from spine.training.image_cache import ImageCache
from spine.training.network_input import NetworkInput
from spine.training.see_boxes import levels_of_files, see_box
from spine.training.served import Served
from spine.training.view import View
from tests.member_contract import png
from tests.spine.dataset_on_disk import smooth_noise

READ = NetworkInput(10, 14, "minmax", View(grow=0.5, slices=3))
WHOLE = NetworkInput(10, 14, "percentile", View(slices=3))  # of pictures that are no crops
BOX = (0.25, 0.3, 0.6, 0.7)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three slices, and one of another size."""
    root = tmp_path_factory.mktemp("slices")
    pictures = [smooth_noise(1), smooth_noise(2), smooth_noise(3), smooth_noise(4, 60, 70)]
    for number, pixels in enumerate(pictures):
        write_png16(pixels, root / f"{number}.png")
    return [root / f"{number}.png" for number in range(4)]


def of_one(file, read=READ, box=BOX):
    """What a network of one slice sees, (H, W)."""
    one = read._replace(view=read.view.model_copy(update={"slices": 1}))
    return see_box([levels_of_files(tf.constant(file.read_bytes()))], tf.constant(box), one).numpy()[..., 0]


@cache
def echo(read):
    """A network whose answer is its input."""
    return Served("echo", [], read, lambda inputs, sizes: {"probabilities": tf.reshape(inputs, [-1, 10 * 14 * 3])})


def served(read, regions):
    def files_of(side):
        paths = (getattr(region, side) for region in regions)
        return tf.constant([path.read_bytes() if path else b"" for path in paths])

    boxes = tf.constant([region.box for region in regions], tf.float32)
    answer = echo(read).slices(files_of("picture"), boxes, files_of("before"), files_of("after"))
    return answer["probabilities"].numpy().reshape(-1, 10, 14, 3)


def regions_of(files, box):
    before, picture, after, larger = files
    return [
        Region(picture, box, before=before, after=after),
        Region(before, box, after=picture),
        Region(after, box, before=picture),
        Region(picture, box),
        Region(picture, box, before=larger, after=after),
    ]


@pytest.mark.parametrize(("read", "box"), [(READ, BOX), (WHOLE, (0, 0, 1, 1))])
def test_training_sees_what_is_served_to_the_last_grey_level(files, read, box):
    regions = regions_of(files, box)
    cached = ImageCache.of_regions(regions, read)
    expected = np.round(served(read, regions) * 65535).astype(np.uint16)
    np.testing.assert_array_equal(cached.values[cached.rows], expected)


def test_the_channels_are_the_slices_in_their_order_and_the_picture_where_there_is_none(files):
    one, two, three, larger = (of_one(file) for file in files)
    shown = [(one, two, three), (one, one, two), (two, three, three), (two, two, two), (larger, two, three)]
    np.testing.assert_allclose(
        served(READ, regions_of(files, BOX)), [np.stack(row, axis=-1) for row in shown], atol=1e-6
    )


def test_a_picture_alone_is_its_own_neighbour(files):
    picture = tf.constant([files[0].read_bytes()])
    network, boxes = echo(READ), tf.constant([BOX])
    row = network.regions(picture, boxes)["probabilities"].numpy().reshape(10, 14, 3)
    np.testing.assert_allclose(row, np.stack([of_one(files[0])] * 3, axis=-1), atol=1e-6)
    shares = smooth_noise(1)[np.newaxis, ..., np.newaxis] / np.float32(65535)
    of_file, of_image = network.serving_default(picture), network.image(tf.constant(shares))
    np.testing.assert_allclose(of_file["probabilities"], of_image["probabilities"], atol=1e-5)
    whole = of_one(files[0], READ._replace(view=View(grow=0.0)), (0.0, 0.0, 1.0, 1.0))
    np.testing.assert_allclose(of_file["probabilities"].numpy().reshape(10, 14, 3)[..., 2], whole, atol=1e-6)


def test_no_rows_have_an_answer_of_no_rows():
    none = tf.constant([], tf.string)
    assert echo(READ).slices(none, tf.zeros([0, 4]), none, none)["probabilities"].shape == (0, 10 * 14 * 3)


def test_a_neighbour_that_is_no_picture_is_an_error():
    picture = tf.constant([png(smooth_noise(1))])
    with pytest.raises(tf.errors.InvalidArgumentError):
        echo(READ).slices(picture, tf.constant([BOX]), tf.constant([b"no picture"]), tf.constant([b""]))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (3, 2), (0, 2)])
def test_other_numbers_of_neighbours_than_of_pictures_are_an_error(before, after):
    picture = png(smooth_noise(1))
    sides = [tf.constant([picture] * count, tf.string) for count in (before, after)]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a row for each picture"):
        echo(READ).slices(tf.constant([picture] * 2), tf.constant([BOX] * 2), *sides)


def test_a_network_of_one_slice_has_no_signature_for_neighbours():
    assert not hasattr(
        Served("one", [], NetworkInput(8, 8, "none", View(grow=0.1)), lambda inputs, sizes: {}), "slices"
    )
