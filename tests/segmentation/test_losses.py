"""Losses against arithmetic by hand, against NumPy, and against the libraries that define them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from segmentation import library
from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.losses import cross_entropy, dice, focal, paper_dice

LABELS = ("background", "vertebra", "disc", "canal")

# One image of 1 x 4 pixels: class 0 twice, class 1 twice; class 2 is nowhere.
TRUTH = np.eye(3)[[[[0, 0, 1, 1]]]]
FORECAST = np.array([[[[0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.75, 0.0]]]])
DICE_0 = 2 * (0.5 + 1.0) / (2 + (0.5 + 1.0 + 0.5 + 0.25))
DICE_1 = 2 * (0.5 + 0.75) / (2 + (0.25 + 0.5 + 0.75))


def random_case(seed: int = 0, classes: int = 4, absent: int | None = None):
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(3, 5, 7, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    indices = generator.integers(classes, size=(3, 5, 7))
    if absent is not None:
        indices[indices == absent] = 0
    return np.eye(classes)[indices], probabilities


def numpy_dice(truth, probabilities, weights):
    """A loop over classes and pixels, in float64."""
    total = weighed = 0.0
    for number, weight in enumerate(weights):
        own = [(t[number], p[number]) for t, p in zip(truth.reshape(-1, 4), probabilities.reshape(-1, 4), strict=True)]
        pixels = sum(t for t, _ in own)
        if pixels:
            total += weight * (1 - 2 * sum(t * p for t, p in own) / (pixels + sum(p for _, p in own)))
            weighed += weight
    return total / weighed


def test_dice_of_hand_worked_pixels():
    assert float(dice(TRUTH, FORECAST)) == pytest.approx(1 - (DICE_0 + DICE_1) / 2, abs=1e-5)


def test_dice_weighs_classes_over_the_sum_of_their_weights():
    expected = (3 * (1 - DICE_0) + 1 * (1 - DICE_1)) / (3 + 1)
    assert float(dice(TRUTH, FORECAST, (3, 1, 9))) == pytest.approx(expected, abs=1e-5)  # of the 9 there is no pixel


@pytest.mark.parametrize("weights", [None, (0.25,) * 4, (0, 1, 2, 3), (1000, 1, 1, 1)])
@pytest.mark.parametrize("absent", [None, 2])
def test_a_perfect_prediction_scores_zero_whatever_the_weights(weights, absent):
    truth, _ = random_case(absent=absent)
    assert float(dice(truth, truth, weights)) == pytest.approx(0, abs=1e-6)
    assert float(focal(truth, truth)) == 0
    assert float(cross_entropy(truth, truth)) == 0


def test_a_prediction_that_is_wrong_everywhere_scores_one():
    truth, _ = random_case()
    assert float(dice(truth, np.roll(truth, 1, axis=-1))) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (0, 1, 2, 5)])
@pytest.mark.parametrize("absent", [None, 1])
def test_dice_is_that_of_a_numpy_loop(weights, absent):
    truth, probabilities = random_case(1, absent=absent)
    assert float(dice(truth, probabilities, weights)) == pytest.approx(
        numpy_dice(truth, probabilities, weights), abs=1e-5
    )


def test_an_absent_class_costs_where_it_takes_pixels_from_others():
    truth = np.eye(3)[[[[0, 0, 1, 1]]]]
    taken = np.eye(3)[[[[0, 2, 1, 1]]]]  # one pixel of class 0 goes to class 2, which is nowhere
    assert float(dice(truth, taken)) == pytest.approx((1 - 2 * 1 / (2 + 1)) / 2, abs=1e-5)


def test_an_image_without_any_weighed_class_costs_nothing_and_is_a_number():
    truth = np.eye(3)[[[[0, 0]]]]
    assert float(dice(truth, truth[..., ::-1], (0, 1, 1))) == 0


def test_paper_dice_has_a_floor_of_three_quarters_with_weights_of_a_quarter():
    truth, probabilities = random_case()
    assert float(paper_dice(truth, truth, (0.25,) * 4)) == pytest.approx(1 - 0.25, abs=1e-5)
    assert float(paper_dice(truth, truth)) == pytest.approx(0, abs=1e-5)
    assert float(paper_dice(truth, probabilities, (0.25,) * 4)) > 0.75


def test_paper_dice_is_that_of_segmentation_models():
    truth, probabilities = (part.astype(np.float32) for part in random_case(2))
    published = library.sm.losses.DiceLoss(class_weights=np.full(4, 0.25, np.float32))
    assert float(paper_dice(truth, probabilities, (0.25,) * 4)) == pytest.approx(float(published(truth, probabilities)))


def test_focal_of_hand_worked_pixels():
    costs = [0.25 * (1 - p) ** 2 * -np.log(p) for p in (0.5, 1.0, 0.5, 0.75)]
    assert float(focal(TRUTH, FORECAST, gamma=2, alpha=0.25)) == pytest.approx(sum(costs) / 4, rel=1e-5)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 1.0), (0.0, 0.7)])
def test_focal_is_that_of_keras(gamma, alpha):
    truth, probabilities = random_case(3)
    published = keras.losses.CategoricalFocalCrossentropy(gamma=gamma, alpha=alpha)
    assert float(focal(truth, probabilities, gamma, alpha)) == pytest.approx(
        float(published(truth, probabilities)), rel=1e-5
    )


def test_cross_entropy_is_that_of_keras():
    truth, probabilities = random_case(4)
    published = keras.losses.CategoricalCrossentropy()
    assert float(cross_entropy(truth, probabilities)) == pytest.approx(float(published(truth, probabilities)), rel=1e-5)


@pytest.mark.parametrize("loss", [dice, paper_dice, focal, cross_entropy])
def test_pixels_without_truth_count_for_nothing(loss):
    truth, probabilities = random_case(5)
    padded, guessed = (np.pad(part, ((0, 0), (2, 1), (0, 3), (0, 0))) for part in (truth, probabilities))
    guessed[..., 1] += 1 - guessed.sum(-1)  # whatever is said of the padding
    assert float(loss(padded, guessed)) == pytest.approx(float(loss(truth, probabilities)), rel=1e-5)


def mixed_case():
    """Truth of blended images: shares of two classes, some pixels with truth in one of the images alone."""
    (first, said), (second, _) = random_case(11), random_case(12)
    first[:, 0] = 0
    return 0.7 * first + 0.3 * second, said


def test_dice_of_a_blend_is_best_where_the_prediction_is_the_blend():
    truth, _ = mixed_case()
    known = truth.sum(axis=-1, keepdims=True)
    assert float(dice(truth, truth / known)) == pytest.approx(0, abs=1e-6)
    sharper = np.eye(4)[truth.argmax(axis=-1)]
    assert float(dice(truth, sharper)) > 0.1


@pytest.mark.parametrize("loss", [focal, cross_entropy])
def test_a_blend_costs_what_its_images_cost_in_their_shares(loss):
    (first, said), (second, _) = random_case(11), random_case(12)
    expected = 0.7 * float(loss(first, said)) + 0.3 * float(loss(second, said))
    assert float(loss(0.7 * first + 0.3 * second, said)) == pytest.approx(expected, rel=1e-5)


def test_a_pixel_with_truth_in_one_image_of_a_blend_counts_by_its_share():
    truth, said = mixed_case()
    costs = -(truth * np.log(said)).sum() / truth.sum()
    assert float(cross_entropy(truth, said)) == pytest.approx(costs, rel=1e-5)


@pytest.mark.parametrize("loss", [dice, paper_dice, focal, cross_entropy])
def test_half_floats_are_counted_in_float32(loss):
    truth = np.zeros((1, 300, 300, 2), np.float16)
    truth[..., 0] = 1  # 90,000 pixels: above the 65,504 that a half float holds
    result = loss(tf.constant(truth), tf.constant(truth))
    assert result.dtype == "float32"
    assert float(result) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_gradients_are_numbers_where_a_pixel_is_certain_and_where_it_is_far_off(gamma):
    loss = CompoundLoss.from_settings(Settings(loss="dice + focal", gamma=gamma), LABELS[:2])
    logits = tf.Variable([[[[80.0, 0.0], [-30.0, 30.0]]]])  # right beyond doubt, and wrong
    with tf.GradientTape() as tape:
        cost = loss(np.eye(2, dtype=np.float32)[[[[0, 0]]]], tf.nn.softmax(logits))
    gradient = tape.gradient(cost, logits).numpy()[0, 0]
    assert np.isfinite(gradient).all()
    assert gradient[0] == pytest.approx([0, 0], abs=1e-6)
    assert gradient[1, 0] < -0.1  # the wrong pixel is pulled to its class


def test_losses_add_up_and_scale():
    truth, probabilities = random_case(6)
    loss = CompoundLoss.from_settings(Settings(loss="dice + 0.5 * focal + cross_entropy * 2"), LABELS)
    expected = dice(truth, probabilities) + 0.5 * focal(truth, probabilities) + 2 * cross_entropy(truth, probabilities)
    assert float(loss(truth, probabilities)) == pytest.approx(float(expected), rel=1e-6)


def test_the_terms_have_the_settings_weights_gamma_and_alpha():
    truth, probabilities = (part.astype(np.float32) for part in random_case(7))
    settings = Settings(loss="paper_dice + 0.5 * focal", gamma=3, alpha=0.4, class_weights=0.25)
    expected = paper_dice(truth, probabilities, (0.25,) * 4) + 0.5 * focal(truth, probabilities, 3, 0.4)
    assert float(CompoundLoss.from_settings(settings, LABELS)(truth, probabilities)) == float(expected)


def test_class_weights_are_those_of_the_labels_in_order():
    truth, probabilities = random_case(8)
    settings = Settings(loss="dice", class_weights={"canal": 3, "disc": 2, "vertebra": 1, "background": 0})
    expected = dice(truth, probabilities, (0, 1, 2, 3))
    assert float(CompoundLoss.from_settings(settings, LABELS)(truth, probabilities)) == pytest.approx(float(expected))


def test_weights_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="class_weights has 2 of 3 classes"):
        dice(TRUTH, FORECAST, (1, 1))


def test_a_compiled_model_trains_on_a_compound_loss():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.1), CompoundLoss.from_settings(Settings(), LABELS[:2]))
    images = np.random.default_rng(0).integers(2, size=(8, 4, 4, 1))
    losses = model.fit(images, np.eye(2)[images[..., 0]], epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
