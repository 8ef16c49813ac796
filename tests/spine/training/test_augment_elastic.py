import cv2
import numpy as np
import pytest
import tensorflow as tf

from spine.training.augment import Augmentation
from spine.training.augment.elastic import POINTS, apply_elastic, apply_elastic_to_masks, draw_elastic
from spine.training.inputs import augment_together

HEIGHT, WIDTH = 40, 60


def disc(n=1):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.repeat(((rows - 18) ** 2 + (columns - 25) ** 2 < 100)[None, ..., None], n, axis=0)


def everywhere(y, x):
    return tf.tile(tf.constant([y, x], tf.float32)[None, None, None], [1, POINTS, POINTS, 1])


def test_no_displacement_changes_nothing():
    image = np.random.default_rng(0).random((1, HEIGHT, WIDTH, 2)).astype(np.float32)
    np.testing.assert_allclose(apply_elastic(image, everywhere(0, 0)), image, atol=1e-6)
    np.testing.assert_array_equal(apply_elastic_to_masks(disc().astype(np.uint8), everywhere(0, 0)), disc())


def test_the_same_displacement_everywhere_is_a_shift():
    image = np.random.default_rng(0).random((1, HEIGHT, WIDTH, 1)).astype(np.float32)
    shown = apply_elastic(image, everywhere(4 / HEIGHT, -3 / WIDTH)).numpy()  # from 4 below and 3 to the left
    np.testing.assert_allclose(shown[:, :-4, 3:], image[:, 4:, :-3], atol=1e-4)
    np.testing.assert_allclose(shown[:, -4:, 3:], np.repeat(image[:, -1:, :-3], 4, axis=1), atol=1e-4)
    mask = apply_elastic_to_masks(np.full((1, HEIGHT, WIDTH, 1), 2, np.uint8), everywhere(4 / HEIGHT, 0)).numpy()
    np.testing.assert_array_equal(mask[0, :, 0, 0], [2] * (HEIGHT - 4) + [0] * 4)


def test_image_and_mask_bend_together():
    settings = Augmentation(elastic=0.05, rotation=(-20, 20), fill="constant")
    images, masks = augment_together(disc(8).astype(np.float32), disc(8).astype(np.uint8), settings, [3, 4])
    for image, mask in zip(images.numpy()[..., 0], masks.numpy()[..., 0], strict=True):
        edge = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))  # a pixel to either side
        assert not np.any((image > 0.5) != (mask > 0), where=edge == 0)
    assert len({mask.tobytes() for mask in masks.numpy()}) == 8
    assert np.mean(masks.numpy() != disc(8)) > 0.02


def test_displacements_fill_their_range_and_follow_seed_and_probability():
    settings = Augmentation(elastic=0.04, probability=0.5)
    drawn = draw_elastic(settings, 400, [1, 2]).numpy()
    assert drawn.shape == (400, POINTS, POINTS, 2)
    assert 0.039 < drawn.max() <= 0.04
    assert -0.04 <= drawn.min() < -0.039
    assert np.mean(np.all(drawn == 0, axis=(1, 2, 3))) == pytest.approx(0.5, abs=0.08)
    np.testing.assert_array_equal(drawn, draw_elastic(settings, 400, [1, 2]))
