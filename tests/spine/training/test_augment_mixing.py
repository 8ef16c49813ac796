import numpy as np
import pytest
import tensorflow as tf

from spine.training.augment import Augmentation
from spine.training.augment.mixing import Mixing, draw_mixing, mix, mix_boxes, mix_labels, shares, weighed
from spine.training.inputs import augment_with_boxes

H, W = 6, 8
NONE = [0.0, 0.0, 0.0, 0.0]


def mixing(blend, rectangle):
    return Mixing(tf.constant(blend, tf.float32), tf.constant(rectangle, tf.float32))


def settings(**values):
    return Augmentation.model_validate(values)


def mixed_by(augmentation, images, seed=1):
    return mix_labels(images, tf.eye(len(images)), augmentation, tf.constant([0, seed]))


def test_a_blend_and_a_pasted_rectangle_by_hand():
    images = np.array([10.0, 20.0, 40.0], np.float32).reshape(3, 1, 1, 1) * np.ones((3, 2, 4, 1), np.float32)
    mixed = mix(images, mixing([0.25, 1, 1], [NONE, [1, 0, 3, 1], NONE])).numpy()[..., 0]
    np.testing.assert_allclose(mixed[0], 0.25 * 10 + 0.75 * 40)  # its partner is the one before, the last
    np.testing.assert_array_equal(mixed[1], [[20, 10, 10, 20], [20, 20, 20, 20]])
    np.testing.assert_array_equal(mixed[2], 40)


def test_labels_have_the_shares_of_the_pixels_exactly():
    """Of images of one grey level each, the share of a label is the share of the pixels that have its grey level."""
    n = 64
    images = np.ones((n, H, W, 1), np.float32) * np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1)
    mixed, labels = mixed_by(settings(cutmix=1.0), images)
    areas = (mixed.numpy().reshape(n, H * W, 1) == np.arange(n)).mean(axis=1)
    np.testing.assert_allclose(labels, areas, atol=1e-7)
    assert 0.1 < np.mean(np.diag(areas)) < 0.9
    blended, labels = mixed_by(settings(mixup=0.4), images)
    np.testing.assert_allclose(blended.numpy()[:, 0, 0, 0], labels.numpy() @ np.arange(n), rtol=1e-5)
    np.testing.assert_allclose(labels.numpy().sum(axis=1), 1, atol=1e-6)


def test_shares_are_drawn_from_the_beta_distribution():
    drawn = draw_mixing(settings(mixup=0.4), 20_000, H, W, tf.constant([1, 2])).blend.numpy()
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.02)  # of Beta(a, a)
    tiny = draw_mixing(settings(mixup=0.001), 1000, H, W, tf.constant([1, 2])).blend.numpy()
    assert np.isfinite(tiny).all()
    # Of a fine image, the area left is uniform where the rectangle is not cut off, and more where it is.
    left = shares(draw_mixing(settings(cutmix=1.0), 5000, 1000, 1000, tf.constant([1, 2])), 1000, 1000).numpy()
    assert left.min() >= 0
    assert 0.6 < left.mean() < 0.8


def test_with_both_about_half_of_the_images_are_mixed_either_way_and_probability_leaves_the_rest():
    drawn = draw_mixing(settings(mixup=1.0, cutmix=1.0, probability=0.5), 4000, 100, 100, tf.constant([3, 4]))
    blended = drawn.blend.numpy() < 1
    pasted = (drawn.rectangle[:, 2] > drawn.rectangle[:, 0]).numpy()
    assert not (blended & pasted).any()
    assert blended.mean() == pytest.approx(0.25, abs=0.03)
    assert pasted.mean() == pytest.approx(0.25, abs=0.03)


def test_an_image_alone_in_its_batch_stays_as_it_is():
    image = np.random.default_rng(0).random((1, H, W, 1)).astype(np.float32)
    for values in ({"mixup": 1.0}, {"cutmix": 1.0}):
        mixed, boxes = augment_with_boxes(
            image, tf.constant([[[1.0, 1, 3, 3]]]), settings(**values), tf.constant([0, 1])
        )
        np.testing.assert_array_equal(mixed, image)
        np.testing.assert_array_equal(boxes, [[[1, 1, 3, 3], NONE]])


def test_the_same_seed_mixes_alike():
    images = np.random.default_rng(0).random((8, H, W, 1)).astype(np.float32)
    both = settings(mixup=0.4, cutmix=1.0)
    first, again, other = (mixed_by(both, images, seed) for seed in (1, 1, 2))
    for part in range(2):
        np.testing.assert_array_equal(first[part], again[part])
        assert np.any(first[part].numpy() != other[part].numpy())


def test_weighed_labels_cost_each_class_its_weight():
    """lambda w_a CE(a) + (1 - lambda) w_b CE(b), whatever label smoothing the loss has."""
    import keras

    said, weights = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), [1.0, 4.0, 2.0]
    labels, whole = weighed(tf.constant([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]), tf.constant(weights))
    expected = [-0.25 * 1 * np.log(0.5) - 0.75 * 4 * np.log(0.3), -2 * np.log(0.6)]
    loss = keras.losses.CategoricalCrossentropy()
    assert float(loss(labels, said, sample_weight=whole)) == pytest.approx(np.mean(expected), rel=1e-6)
    smooth = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    each = [-np.log(said[0]) @ (0.9 * np.eye(3)[number] + 0.1 / 3) for number in range(2)]
    expected = 0.25 * 1 * each[0] + 0.75 * 4 * each[1]
    assert float(smooth(labels[:1], said[:1], sample_weight=whole[:1])) == pytest.approx(expected, rel=1e-6)


def bounds_of_seen(box, rectangle, inside):
    """By pixels: the bounds of what of a box lies in the rectangle, or out of it; zeros with less than half of it."""
    own, pasted = (np.zeros((H, W), bool) for _ in range(2))
    for (x0, y0, x1, y1), pixels in ((box, own), (rectangle, pasted)):
        pixels[y0:y1, x0:x1] = True
    seen = own & (pasted == inside)
    if not seen.any() or 2 * seen.sum() < own.sum():
        return NONE
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_boxes_under_and_in_a_pasted_rectangle_are_those_of_the_pixels():
    generator = np.random.default_rng(5)

    def drawn(n):
        x, y = (np.sort(generator.integers(0, side + 1, (n, 2))) for side in (W, H))
        return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)

    boxes, rectangles = drawn(2 * 200).reshape(200, 2, 4), drawn(200)
    mixed = mix_boxes(tf.constant(boxes, tf.float32), mixing(np.ones(200), rectangles)).numpy()
    assert mixed.shape == (200, 4, 4)
    theirs = 0
    for row, rectangle in enumerate(rectangles):
        own = [bounds_of_seen(box, rectangle, inside=False) for box in boxes[row]]
        others = [bounds_of_seen(box, rectangle, inside=True) for box in boxes[row - 1]]
        np.testing.assert_array_equal(mixed[row], own + others)
        theirs += any(map(any, others))
    assert theirs > 20


def test_a_blended_image_has_the_boxes_of_both_and_an_unmixed_one_its_own():
    boxes = np.array([[[1, 1, 3, 3]], [[2, 0, 5, 4]], [[0, 0, 1, 6]]], np.float32)
    mixed = mix_boxes(boxes, mixing([0.5, 1, 0.9], [NONE] * 3)).numpy()
    np.testing.assert_array_equal(mixed[0], [[1, 1, 3, 3], [0, 0, 1, 6]])
    np.testing.assert_array_equal(mixed[1], [[2, 0, 5, 4], NONE])
    np.testing.assert_array_equal(mixed[2], [[0, 0, 1, 6], [2, 0, 5, 4]])
