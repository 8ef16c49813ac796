"""What scikit-learn fits, as plain arrays and in a graph: the same probabilities, however values lack or tie."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from classification.measured.config import MeasuredSettings
from classification.measured.fitted import Fitted, filled
from classification.measured.importance import importance_of
from classification.measured.learn import Rows, learn
from classification.measured.linear import Linear
from classification.measured.trees import Trees
from spine.core.problems import SpineError
from spine.member.importance import Importance

MODELS = ("gradient_boosting", "logistic_regression")


def settings_of(model: str, **others) -> MeasuredSettings:
    return MeasuredSettings(segmenter="nowhere", model=model, **{"trees": 12, **others})


def rows_of(seed: int, classes: int = 2, count: int = 120, decimals: int = 1) -> Rows:
    """Rows of few different values, so that many lie just at thresholds, some of them lacking; the first tells."""
    random = np.random.default_rng(seed)
    values = random.integers(0, classes, count)
    measured = np.round(random.normal(size=(count, 5)), decimals).astype(np.float32)
    measured[:, 0] += 2 * values
    measured[random.random(measured.shape) < 0.1] = np.nan
    measured[:, 4] = np.nan
    return Rows(measured, values)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("depth", [1, 4])
def test_trees_give_what_scikit_learn_gives(classes, depth):
    for seed in range(3):
        rows = rows_of(seed, classes)
        x = filled(rows.measured, np.zeros(5, np.float32))
        weights = 1.0 + rows.values
        model = GradientBoostingClassifier(n_estimators=15, max_depth=depth, random_state=seed).fit(
            x, rows.values, weights
        )
        trees = Trees.of(model, 15, x[:1])
        thresholds = [tree.tree_.threshold[tree.tree_.feature >= 0] for tree in model.estimators_.ravel()]
        ties = np.tile(np.unique(np.concatenate(thresholds)).astype(np.float32)[:, np.newaxis], (1, 10))
        fitted = Fitted("gradient_boosting", np.zeros(5, np.float32), trees)
        for one in (x, ties, np.nextafter(ties, np.float32(9)), np.nextafter(ties, np.float32(-9))):
            expected = model.predict_proba(one)
            np.testing.assert_allclose(probabilities(fitted, one), expected, atol=1e-6)
            assert np.array_equal(leaves(trees, one), model.apply(one).reshape(len(one), -1))


def probabilities(fitted: Fitted, complete: np.ndarray) -> np.ndarray:
    """Of rows that are filled already."""
    scores = fitted.scorer.scores(tf.constant(complete)).numpy()
    if scores.shape[1] == 1:
        positive = 1 / (1 + np.exp(-scores))
        return np.concatenate([1 - positive, positive], axis=1)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def leaves(trees: Trees, rows: np.ndarray) -> np.ndarray:
    """Which leaf each row ends in, one tree after another, by steps in Python."""
    found = np.zeros((len(rows), len(trees.feature)), int)
    for row, tree in np.ndindex(found.shape):
        place = -1
        below = 0
        while below != place:
            place = below
            goes_left = np.float64(rows[row, trees.feature[tree, place]]) <= trees.threshold[tree, place]
            below = (trees.left if goes_left else trees.right)[tree, place]
        found[row, tree] = place
    return found


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_gives_what_scikit_learn_gives(classes):
    rows = rows_of(0, classes)
    x = filled(rows.measured, np.zeros(5, np.float32))
    scaler = StandardScaler().fit(x.astype(float))
    model = LogisticRegression().fit(scaler.transform(x.astype(float)), rows.values)
    fitted = Fitted("logistic_regression", np.zeros(5, np.float32), Linear.of(scaler, model, x))
    expected = model.predict_proba(scaler.transform(x.astype(float)))
    np.testing.assert_allclose(fitted.predict(rows.measured), expected, atol=1e-6)
    far = np.array([[1e6] * 5, [-1e6] * 5, [np.nan] * 5], np.float32)
    extremes = np.clip(filled(far, np.zeros(5, np.float32)), x.min(axis=0), x.max(axis=0)).astype(float)
    np.testing.assert_allclose(fitted.predict(far), model.predict_proba(scaler.transform(extremes)), atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_fitted_model_survives_its_file_and_has_a_probability_for_every_row(model, classes, tmp_path):
    train, validation = rows_of(1, classes), rows_of(2, classes, 40)
    settings = settings_of(model)
    fitted, history = learn(settings, settings.phases[0], train, validation, None, 0)
    fitted.save_weights(tmp_path / "fitted.npz")
    again = Fitted.read(model, tmp_path / "fitted.npz")
    lacking = np.full((1, 5), np.nan, np.float32)
    for rows in (validation.measured, lacking):
        found = again.predict(rows)
        assert np.array_equal(found, fitted.predict(rows))
        assert found.shape == (len(rows), classes)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(axis=1), 1)
    right = found_loss(fitted, validation)
    assert history.best["val_loss"] == pytest.approx(right)
    assert history.best["val_loss"] == min(row["val_loss"] for row in history.rows)
    assert len(history) == (12 if model == "gradient_boosting" else 1)


def found_loss(fitted: Fitted, rows: Rows) -> float:
    return float(-np.log(fitted.predict(rows.measured)[np.arange(len(rows.values)), rows.values]).mean())


def test_without_validation_the_last_round_is_kept_and_class_weights_count():
    settings = settings_of("gradient_boosting", trees=7)
    train = rows_of(3)
    plain, history = learn(settings, settings.phases[0], train, None, None, 0)
    assert len(history) == history.best["epoch"] == len(plain.scorer.feature) == 7
    assert "val_loss" not in history.rows[0]
    heavy, _ = learn(settings, settings.phases[0], train, None, {0: 1.0, 1: 50.0}, 0)
    assert heavy.predict(train.measured)[:, 1].mean() > plain.predict(train.measured)[:, 1].mean() + 0.2


def test_importance_is_of_what_tells(tmp_path):
    settings = settings_of("gradient_boosting", shrinkage=0.3)
    rows = rows_of(4)
    fitted, _ = learn(settings, settings.phases[0], rows, None, None, 0)
    importance = importance_of(fitted, rows, 0, [*"abcde"])
    assert max(importance.rises, key=lambda name: importance.rises[name].mean) == "a"
    assert importance.rises["a"].mean > 0.1
    assert importance.rises["e"].mean == importance.rises["e"].deviation == 0  # it always lacks
    importance.write(tmp_path)
    assert Importance.of_member(tmp_path) == importance


def test_the_importance_of_folds_is_their_mean(tmp_path):
    settings = settings_of("gradient_boosting")
    rows = rows_of(4)
    fitted, _ = learn(settings, settings.phases[0], rows, None, None, 0)
    ones = [importance_of(fitted, rows, seed, [*"abcde"]) for seed in range(2)]
    assert Importance.of_member(tmp_path) is None
    for number, one in enumerate(ones):
        (tmp_path / f"fold-{number}").mkdir()
        one.write(tmp_path / f"fold-{number}")
    joined = Importance.of_member(tmp_path)
    assert joined.rows == 2 * len(rows.values)
    assert joined.rises["a"].mean == pytest.approx((ones[0].rises["a"].mean + ones[1].rises["a"].mean) / 2)
    (tmp_path / "fold-1" / "importance.json").write_text("{}")
    with pytest.raises(SpineError, match="fold-1"):
        Importance.of_member(tmp_path)
