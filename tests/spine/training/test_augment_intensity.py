import numpy as np
import pytest

from spine.training.augment import Augmentation
from spine.training.augment.intensity import IntensityParameters, apply_intensity, draw_intensity

GREY = np.array([0.0, 0.25, 0.5, 1.0], np.float32).reshape(1, 2, 2, 1)
ALONE = IntensityParameters(gamma=None, contrast=None, brightness=None, noise=None, noise_seed=[0, 0])


def changed(**parameters):
    return apply_intensity(GREY, ALONE._replace(**parameters)).numpy().ravel()


def test_each_operation_by_its_formula():
    mean = (0 + 0.25 + 0.5 + 1) / 4
    np.testing.assert_array_equal(changed(), GREY.ravel())
    np.testing.assert_allclose(changed(gamma=2.0), [0, 0.25**2, 0.5**2, 1])
    np.testing.assert_allclose(changed(brightness=1.5), [0, 1.5 * 0.25, 1.5 * 0.5, 1])
    np.testing.assert_allclose(changed(contrast=0.5), mean + 0.5 * (GREY.ravel() - mean), rtol=1e-6)


def test_noise_has_the_deviation_that_was_drawn_and_follows_the_seed():
    grey = np.full((2, 100, 100, 1), 0.5, np.float32)
    noise = np.array([0.05, 0.0], np.float32).reshape(2, 1, 1, 1)
    noisy = apply_intensity(grey, ALONE._replace(noise=noise)).numpy()
    assert noisy[0].std() == pytest.approx(0.05, rel=0.05)
    np.testing.assert_array_equal(noisy[1], grey[1])
    np.testing.assert_array_equal(noisy, apply_intensity(grey, ALONE._replace(noise=noise)))
    assert np.any(noisy != apply_intensity(grey, ALONE._replace(noise=noise, noise_seed=[0, 1])).numpy())


def test_draws_fill_their_intervals_and_leave_the_rest_alone():
    settings = Augmentation.model_validate({"brightness": [0.1, 0.5], "noise": 0.2, "rotation": 30})
    drawn = draw_intensity(settings, 4000, [0, 0])
    assert drawn.gamma is None
    assert drawn.contrast is None
    assert 1.1 <= drawn.brightness.numpy().min() < 1.11 < 1.49 < drawn.brightness.numpy().max() <= 1.5
    assert 0 <= drawn.noise.numpy().min() < 0.01 < 0.19 < drawn.noise.numpy().max() <= 0.2


def test_same_seed_draws_the_same():
    settings = Augmentation.model_validate({"gamma": 0.3})
    first, again, other = (draw_intensity(settings, 8, [0, seed]).gamma.numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
