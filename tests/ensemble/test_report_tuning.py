"""The figures of a tuning: drawn of a few trials by hand, of one alone, and of scores that are all alike."""

import numpy as np
import pytest

from ensemble.record.tuning_study import TunedTrial
from ensemble.report.tuning import TunedTrials, _heights, _sign_of_watched, tuning_drawings
from spine.experiment.tuning import Range

SPACE = {
    "learning_rate": Range(low=0.001, high=0.1, log=True),
    "optimizer": ("sgd", "adam"),
    "head.dropout": Range(low=0, high=0.5, step=0.1),
}


def trial(number, rate, optimizer, dropout, score, epochs=(), state="complete"):
    settings = {"learning_rate": rate, "optimizer": optimizer, "head.dropout": dropout}
    return TunedTrial(number, state, settings, score, dict(enumerate(epochs, 1)), 1.0)


def tuned(trials, maximise=True):
    return TunedTrials(trials, SPACE, "accuracy", "val_loss", maximise)


TRIALS = [
    trial(0, 0.001, "sgd", 0.5, 0.8, (-2.0, -1.0)),
    trial(1, 0.1, "adam", 0.0, 0.9, (-1.0, -0.5)),
    trial(2, 0.01, "adam", 0.1, None, (-9.0,), "pruned"),
    trial(4, 0.01, "sgd", 0.1, None, (), "failed"),
]


def test_an_axis_runs_from_the_least_value_to_the_greatest():
    trials = tuned([*TRIALS, trial(5, 0.01, "adam", 0.1, 0.7)])
    np.testing.assert_allclose(_heights(trials, "learning_rate"), [0, 1, 0.5])
    np.testing.assert_allclose(_heights(trials, "optimizer"), [0, 1, 1])
    np.testing.assert_allclose(_heights(trials, "head.dropout"), [1, 0, 0.2])


def test_the_watched_loss_is_drawn_as_it_was_measured():
    figure = tuning_drawings(tuned(TRIALS), {})["epochs"]()
    assert _sign_of_watched(tuned(TRIALS)) == -1  # reported negated, as the score rises
    assert _sign_of_watched(tuned(TRIALS, maximise=False)) == 1
    assert sorted(figure.axes[0].lines[0].get_ydata()) == [1.0, 2.0]


def test_the_best_so_far_never_falls_or_of_a_loss_never_rises():
    trials = [trial(n, 0.01, "sgd", 0.1, score) for n, score in enumerate((0.5, 0.7, 0.6))]
    for maximise, expected in ((True, [0.5, 0.7, 0.7]), (False, [0.5, 0.5, 0.5])):
        line = tuning_drawings(tuned(trials, maximise), {})["history"]().axes[0].lines[0]
        assert list(line.get_ydata())[:3] == expected


@pytest.mark.parametrize("trials", [TRIALS[:1], [trial(n, 0.01, "sgd", 0.1, 0.5) for n in range(3)]])
def test_one_trial_and_scores_all_alike_are_drawn(trials):
    drawings = tuning_drawings(tuned(trials), {"learning_rate": 0.7, "optimizer": 0.3})
    expected = {"history", "importances", "slices", "parallel"} | ({"epochs"} if trials[0].epochs else set())
    assert set(drawings) == expected
    for draw in drawings.values():
        assert draw().axes
