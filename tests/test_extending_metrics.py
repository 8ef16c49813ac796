"""A metric is one entry of its task's table: it is written to metrics.json with its title, and to the leaderboard."""

import json

import numpy as np
import pandas as pd
import pytest

from ensemble import evaluate
from spine.metrics import classification
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
