"""A metric is one entry of its task's table: it is evaluated, in the leaderboard, and weights are searched by it."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from ensemble import evaluate, search
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.objectives import Objective
from ensemble.fusion.fuse import weighted_mean
from ensemble.results.found_weights import FoundWeights
from ensemble.search import search_weights
from spine.core.problems import SpineError
from spine.metrics import classification, segmentation
from spine.metrics.rates import ratio
from spine.metrics.table import Metric
from tests.experiment_on_disk import write_experiment


def jaccard(truth, probabilities, weights=None):
    """TP / (TP + FP + FN) of the positive class."""
    counts = classification.confusion(truth, probabilities, weights)
    true, predicted = counts.sum(axis=-1)[..., -1], counts.sum(axis=-2)[..., -1]
    return ratio(counts[..., -1, -1], true + predicted - counts[..., -1, -1])


@pytest.fixture
def _metric_of_one_entry(monkeypatch):
    monkeypatch.setitem(classification.METRICS.metrics, "jaccard", Metric(jaccard, True, "Jaccard index"))


@pytest.mark.usefixtures("_metric_of_one_entry")
def test_a_metric_is_evaluated(tmp_path):
    experiment = write_experiment(tmp_path, evaluate={"resamples": 100})
    evaluate.run(experiment)
    written = json.loads((experiment.evaluation_directory / "metrics.json").read_text())
    assert written["names"]["jaccard"] == "Jaccard index"
    values = [row["metrics"]["jaccard"]["value"] for row in written["rows"]]
    assert all(0 < value <= 1 for value in values)
    leaderboard = pd.read_csv(experiment.evaluation_directory / "leaderboard.csv")
    np.testing.assert_allclose(leaderboard["jaccard"], values)


@pytest.fixture
def members_and_truth():
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 60)
    logits = np.eye(2)[truth] + random.normal(0, 1, (3, 60, 2))
    return dict(zip("abc", softmax(2 * logits, axis=2), strict=True)), truth


@pytest.mark.usefixtures("_metric_of_one_entry")
def test_weights_are_searched_by_it(members_and_truth):
    members, truth = members_and_truth
    tenths = [np.array([a, b, 10 - a - b]) / 10 for a in range(11) for b in range(11 - a)]
    scores = [jaccard(truth, weighted_mean(list(members.values()), w.tolist())) for w in tenths]
    grid = search_weights(members, truth, metric="jaccard")
    assert grid.score == pytest.approx(max(scores), abs=1e-12)
    greedy = search_weights(members, truth, metric="jaccard", method="greedy")
    alone = max(jaccard(truth, member) for member in members.values())
    assert alone <= greedy.score <= grid.score
    assert greedy.score == pytest.approx(
        jaccard(truth, weighted_mean(list(members.values()), list(greedy.weights.values())))
    )


@pytest.mark.usefixtures("_metric_of_one_entry")
def test_a_method_that_needs_more_names_those_that_do_not(members_and_truth):
    with pytest.raises(SpineError, match="'line' does not support jaccard; use grid, equal, best, greedy, tpe or cma"):
        search_weights(*members_and_truth, metric="jaccard", method="line")
    with pytest.raises(SpineError, match="per_class does not support jaccard"):
        search_weights(*members_and_truth, metric="jaccard", per_class=True)


@pytest.mark.usefixtures("_metric_of_one_entry")
def test_the_nested_estimate_of_it(tmp_path):
    experiment = write_experiment(tmp_path, search={"metric": "jaccard", "resamples": 20})
    search.run(experiment)
    nested = FoundWeights.read(experiment).nested
    assert 0 < nested.score <= 1


def test_a_metric_of_segmentation_that_may_fall_is_not_bounded(monkeypatch):
    def sum_of_predicted(counts, weights=None):
        return counts[..., 1, 1].sum(axis=-1) / counts[..., :, 2].sum(axis=(-2, -1))

    monkeypatch.setitem(segmentation.METRICS.metrics, "share", Metric(sum_of_predicted, False))
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, (2, 8, 8))
    members = {name: softmax(random.normal(0, 1, (2, 8, 8, 2)), axis=-1) for name in "ab"}
    result = search_weights(members, truth, "segmentation", "share")
    shares = [
        (weighted_mean(list(members.values()), [a / 10, 1 - a / 10]).argmax(axis=-1) == 1).mean() for a in range(11)
    ]
    assert result.score == pytest.approx(min(shares))
    assert Objective.of_images("share", reduce_images(members, truth, False)).scores.upper_bound is None
