import math

import numpy as np
import pytest
import tensorflow as tf

from spine.training.augment import Augmentation
from spine.training.augment.spatial import (
    SpatialParameters,
    affine,
    apply_spatial,
    apply_spatial_to_boxes,
    apply_spatial_to_masks,
    draw_spatial,
)

HEIGHT, WIDTH = 60, 80
BOX = (36, 24, 54, 36)  # x0 y0 x1 y1, off the centre, and inside the image however it is moved below
FILLS = ["nearest", "constant", "reflect", "wrap"]
STILL = {"rotation": 0.0, "scale": 1.0, "shift_y": 0.0, "shift_x": 0.0, "flip_y": 1.0, "flip_x": 1.0}
OPERATIONS = {
    "nothing": {},
    "rotation": {"rotation": 30.0},
    "rotation back": {"rotation": -17.0},
    "zoom in": {"scale": 1.2},
    "zoom out": {"scale": 0.8},
    "shift down": {"shift_y": 0.1},
    "shift left": {"shift_x": -0.2},
    "vertical flip": {"flip_y": -1.0},
    "horizontal flip": {"flip_x": -1.0},
    "all": {"rotation": 20.0, "scale": 1.1, "shift_y": -0.1, "shift_x": 0.15, "flip_y": -1.0, "flip_x": -1.0},
}


def matrices_of(**changes):
    values = {**STILL, **changes}
    return affine(SpatialParameters(**{name: tf.constant([value]) for name, value in values.items()}), HEIGHT, WIDTH)


def ellipse(dtype):
    """What BOX is drawn around, an ellipse as a disc nearly is."""
    x0, y0, x1, y1 = BOX
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    return inside.astype(dtype)[np.newaxis, ..., np.newaxis]


def bounds(pixels):
    y, x = np.nonzero(pixels[0, ..., 0])
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_ellipse_mask_and_box_move_together(operation, fill):
    matrices = matrices_of(**OPERATIONS[operation])
    image = apply_spatial(ellipse(np.float32), matrices, fill).numpy()
    mask = apply_spatial_to_masks(ellipse(np.uint8), matrices).numpy()
    boxes, there = apply_spatial_to_boxes(np.array([[BOX]], np.float32), matrices, HEIGHT, WIDTH)
    assert there.numpy().all()
    assert np.abs(bounds(image > 0.5) - boxes[0, 0]).max() <= 1
    assert np.abs(bounds(mask) - boxes[0, 0]).max() <= 1
    assert ((image > 0.5) != mask).mean() < 0.002  # they may differ on the ellipse's edge only


def test_directions_are_as_told():
    assert _moved((WIDTH / 2 + 10, HEIGHT / 2), rotation=90.0) == pytest.approx((WIDTH / 2, HEIGHT / 2 - 10))
    assert _moved((30, 30), scale=1.2) == pytest.approx((WIDTH / 2 - 1.2 * 10, HEIGHT / 2))
    assert _moved((30, 30), shift_y=0.1) == pytest.approx((30, 30 + 0.1 * HEIGHT))
    assert _moved((30, 30), shift_x=0.1) == pytest.approx((30 + 0.1 * WIDTH, 30))
    assert _moved((30, 20), flip_x=-1.0) == pytest.approx((WIDTH - 30, 20))
    assert _moved((30, 20), flip_y=-1.0) == pytest.approx((30, HEIGHT - 20))


def _moved(point, **changes):
    return tuple(matrices_of(**changes)[0].numpy() @ [*point, 1])


@pytest.mark.parametrize("fill", FILLS)
def test_flip_and_whole_shift_equal_numpy(fill):
    image = np.random.default_rng(0).random((1, HEIGHT, WIDTH, 2)).astype(np.float32)
    flipped = apply_spatial(image, matrices_of(flip_x=-1.0), fill)
    np.testing.assert_allclose(flipped, image[:, :, ::-1], atol=1e-4)
    shifted = apply_spatial(image, matrices_of(shift_x=3 / WIDTH), fill).numpy()
    mode = {"nearest": "edge", "reflect": "symmetric"}.get(fill, fill)
    expected = np.pad(image, [(0, 0), (0, 0), (3, 0), (0, 0)], mode=mode)[:, :, :WIDTH]
    # TensorFlow does not blend over the seam of "wrap", so its first column is left out.
    first = 1 if fill in ("wrap", "constant") else 0
    np.testing.assert_allclose(shifted[:, :, 3 + first :], expected[:, :, 3 + first :], atol=1e-4)
    np.testing.assert_allclose(shifted[:, :, : 3 - first], expected[:, :, : 3 - first], atol=1e-4)


def test_mask_gets_background_from_outside():
    moved = apply_spatial_to_masks(np.full((1, HEIGHT, WIDTH, 1), 2, np.uint8), matrices_of(shift_x=0.5))
    np.testing.assert_array_equal(moved[0, :, : WIDTH // 2], 0)
    np.testing.assert_array_equal(moved[0, :, WIDTH // 2 :], 2)


def test_boxes_are_clipped_and_those_whose_centre_leaves_flagged():
    boxes = np.array([[[0, 0, 20, 10], [70, 0, 80, 10], [50, 0, 60, 6], [0, 0, 0, 0]]], np.float32)
    moved, there = apply_spatial_to_boxes(boxes, matrices_of(shift_x=0.2, shift_y=-4 / HEIGHT), HEIGHT, WIDTH)
    np.testing.assert_array_equal(there[0], [True, False, False, False])  # the third keeps 2 of its 6 rows
    np.testing.assert_allclose(moved[0], [[16, 0, 36, 6], *[[0, 0, 0, 0]] * 3], atol=1e-4)


def test_a_rotated_box_holds_the_ellipse_that_it_held_and_not_its_corners():
    high = np.array([[[35, 10, 45, 50]]], np.float32)  # 10 wide, 40 high, around the centre of the image
    angle = math.radians(10)
    reach_x = math.hypot(5 * math.cos(angle), 20 * math.sin(angle))
    reach_y = math.hypot(5 * math.sin(angle), 20 * math.cos(angle))
    expected = [40 - reach_x, 30 - reach_y, 40 + reach_x, 30 + reach_y]
    moved = apply_spatial_to_boxes(high, matrices_of(rotation=10.0), HEIGHT, WIDTH)[0][0, 0]
    np.testing.assert_allclose(moved, expected, rtol=1e-5)
    upright = apply_spatial_to_boxes(high, matrices_of(rotation=90.0), HEIGHT, WIDTH)[0][0, 0]
    np.testing.assert_allclose(upright, [20, 25, 60, 35], rtol=1e-5)


SETTINGS = Augmentation.model_validate(
    {"rotation": [10, 20], "zoom": 0.2, "shift": 0.1, "horizontal_flip": 0.25, "vertical_flip": True}
)


def test_same_seed_draws_the_same_and_another_does_not():
    first, again, other = (draw_spatial(SETTINGS, 50, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    for name in ("rotation", "scale", "shift_y", "shift_x", "flip_y", "flip_x"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert np.any(getattr(first, name) != getattr(other, name))


def test_draws_fill_their_intervals():
    drawn = draw_spatial(SETTINGS, 4000, [0, 0])
    for values, low, high in [(drawn.rotation, 10, 20), (drawn.scale, 0.8, 1.2), (drawn.shift_y, -0.1, 0.1)]:
        assert low <= values.numpy().min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.numpy().max() <= high
    assert (drawn.flip_x.numpy() == -1).mean() == pytest.approx(0.25, abs=0.03)
    assert (drawn.flip_y.numpy() == -1).mean() == pytest.approx(0.5, abs=0.03)


def test_probability_leaves_the_rest_where_it_is():
    drawn = draw_spatial(SETTINGS.model_copy(update={"probability": 0.3}), 4000, [0, 0])
    still = drawn.rotation.numpy() == 0
    assert still.mean() == pytest.approx(0.7, abs=0.03)
    np.testing.assert_array_equal(drawn.scale.numpy()[still], 1)
    np.testing.assert_array_equal(drawn.flip_y.numpy()[still], 1)


def test_every_image_of_a_batch_moves_by_its_own_draw():
    settings = Augmentation.model_validate(
        {"rotation": 25, "zoom": 0.15, "shift": 0.1, "horizontal_flip": True, "vertical_flip": True}
    )
    count = 16
    matrices = affine(draw_spatial(settings, count, [7, 7]), HEIGHT, WIDTH)
    images = apply_spatial(ellipse(np.float32).repeat(count, axis=0), matrices, "constant").numpy()
    masks = apply_spatial_to_masks(ellipse(np.uint8).repeat(count, axis=0), matrices).numpy()
    whole = (0, 0, WIDTH, HEIGHT)
    boxes, there = apply_spatial_to_boxes(np.array([[whole, BOX]] * count, np.float32), matrices, HEIGHT, WIDTH)
    assert there.numpy().all()
    assert len({tuple(bounds(masks[i : i + 1])) for i in range(count)}) > count / 2
    for i in range(count):
        assert np.abs(bounds(images[i : i + 1] > 0.5) - boxes[i, 1]).max() <= 1
        # Half a pixel of the picture, which zoom enlarges to 0.575, and half a pixel of the answer.
        assert np.abs(bounds(masks[i : i + 1]) - boxes[i, 1]).max() <= 1.075
