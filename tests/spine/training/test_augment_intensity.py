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


def test_a_bias_field_is_a_smooth_factor_that_leaves_the_brightest_as_bright():
    grey = np.full((1, 64, 64, 1), 0.5, np.float32)
    even = apply_intensity(grey, ALONE._replace(bias=np.full((1, 4, 4, 1), 0.7, np.float32)))
    np.testing.assert_allclose(even, grey, rtol=1e-6)
    ramp = np.linspace(-0.4, 0.4, 4, dtype=np.float32) * np.ones((1, 4, 1), np.float32)
    field = apply_intensity(grey, ALONE._replace(bias=ramp[..., np.newaxis])).numpy()[0, ..., 0]
    logarithms = np.log(field / 0.5)
    assert logarithms.max() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(logarithms[:, 8] - logarithms[:, 56], -0.8, atol=0.05)  # at the grid's outer points
    assert np.abs(np.diff(logarithms, axis=1)).max() < 0.03
    np.testing.assert_allclose(logarithms, logarithms[:1].repeat(64, axis=0), atol=1e-5)


def test_a_bias_field_is_drawn_within_its_logarithm_and_draws_nothing_else_anew():
    with_field = draw_intensity(Augmentation.model_validate({"gamma": 0.3, "bias_field": 0.3}), 500, [0, 1])
    without = draw_intensity(Augmentation.model_validate({"gamma": 0.3}), 500, [0, 1])
    assert without.bias is None
    np.testing.assert_array_equal(with_field.gamma, without.gamma)
    assert with_field.bias.shape == (500, 4, 4, 1)
    assert 0.29 < np.abs(with_field.bias).max() <= 0.3
    assert len(np.unique(with_field.bias)) > 500


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


def test_solarised_grey_turns_bright_and_bright_turns_dark():
    np.testing.assert_allclose(changed(solarised=np.array([True]).reshape(1, 1, 1, 1)), [0, 0.5, 1, 0])
    np.testing.assert_array_equal(changed(solarised=np.array([False]).reshape(1, 1, 1, 1)), GREY.ravel())


def test_as_many_are_solarised_as_asked_for_and_nothing_else_is_drawn_anew():
    settings = {"gamma": 0.3, "solarisation": 0.25}
    drawn = draw_intensity(Augmentation.model_validate(settings), 4000, [0, 1])
    without = draw_intensity(Augmentation.model_validate({"gamma": 0.3}), 4000, [0, 1])
    assert without.solarised is None
    np.testing.assert_array_equal(drawn.gamma, without.gamma)
    assert np.mean(drawn.solarised) == pytest.approx(0.25, abs=0.03)
    half = draw_intensity(Augmentation.model_validate({**settings, "probability": 0.5}), 4000, [0, 1])
    assert np.mean(half.solarised) == pytest.approx(0.125, abs=0.03)
