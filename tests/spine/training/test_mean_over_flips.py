import numpy as np
import pytest
import tensorflow as tf

from spine.training.mean_over_flips import mean_over_flips, turned_axes
from spine.training.preprocess import letterbox

BOTH = ("horizontal_flip", "vertical_flip")


def leaning(x):  # adds what depends on the place, as a network with padding does
    return x + tf.reshape(tf.range(3.0), [1, 1, 3, 1])


def test_maps_are_turned_back_and_averaged_where_the_picture_lies():
    images = tf.reshape(tf.constant([10.0, 20.0, 30.0]), [1, 1, 3, 1])
    mean = mean_over_flips(leaning, images, tf.constant([[1, 3]]), ("horizontal_flip",), of_maps=True)
    np.testing.assert_allclose(
        mean.numpy().ravel(), [(10 + 10 + 0 + 2) / 2, (20 + 20 + 1 + 1) / 2, (30 + 30 + 2 + 0) / 2]
    )


def test_both_flips_are_four_pictures():
    assert turned_axes(BOTH) == turned_axes(BOTH[::-1]) == [(), (1,), (2,), (1, 2)]
    assert turned_axes(("vertical_flip",)) == [(), (1,)]
    seen = []

    def network(x):
        seen.append(x[0, ..., 0].numpy().tolist())
        return tf.reduce_sum(x * tf.constant([[[[1.0], [0]], [[0], [0]]]]), axis=(1, 2))  # what lies at the top left

    images = tf.reshape(tf.constant([1.0, 2.0, 4.0, 8.0]), [1, 2, 2, 1])
    mean = mean_over_flips(network, images, tf.constant([[2, 2]]), BOTH)
    assert seen == [[[1, 2], [4, 8]], [[4, 8], [1, 2]], [[2, 1], [8, 4]], [[8, 4], [2, 1]]]
    assert float(mean[0, 0]) == (1 + 4 + 2 + 8) / 4


@pytest.mark.parametrize(("flip", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_a_picture_is_turned_as_if_it_had_been_letterboxed_after_the_flip(flip, axis):
    """Of odd and even padding in one batch; of 13 x 9 in 16 x 16 the sides are padded by 2 and 3 columns."""
    generator = np.random.default_rng(0)
    pictures = [
        generator.random((1, *size, 1)).astype(np.float32) + 0.1 for size in [(13, 9), (9, 13), (16, 16), (8, 4)]
    ]
    boxed = tf.concat([letterbox(picture, 16, 16) for picture in pictures], axis=0)
    columns = np.flatnonzero(boxed[0].numpy().any(axis=(0, 2)))
    assert (columns[0], columns[-1]) == (2, 12)
    seen = []
    mean_over_flips(lambda x: seen.append(x) or x, boxed, tf.constant([p.shape[1:3] for p in pictures]), (flip,))
    turned = tf.concat([letterbox(np.flip(picture, axis), 16, 16) for picture in pictures], axis=0)
    np.testing.assert_allclose(seen[1], turned, atol=1e-6)


def test_without_flips_a_network_is_asked_once():
    asked = []
    mean_over_flips(lambda x: asked.append(x) or x, tf.zeros([1, 2, 2, 1]), tf.constant([[2, 2]]), ())
    assert len(asked) == 1


def test_where_nothing_pads_the_input_is_reversed():
    images = np.random.default_rng(0).random((2, 3, 4, 1)).astype(np.float32)
    seen = []
    mean_over_flips(lambda x: seen.append(np.asarray(x)) or x, images, None, BOTH)
    for one, expected in zip(seen, [images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]], strict=True):
        np.testing.assert_array_equal(one, expected)
