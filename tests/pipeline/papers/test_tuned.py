"""The table of a pack's tuning: the best trial of each value of one setting, of trials that are made up."""

from types import SimpleNamespace

import pytest

from ensemble.record.tuning_study import TunedTrial
from pipeline.papers.tuned import table_of
from pipeline.tuning.judged import Judged
from spine.core.problems import SpineError
from spine.experiment.tuning import TuneSettings

SPACE = {"optimizer": ["sgd", "adam", "rmsprop"], "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
TRIALS = [("adam", 0.001, 0.75), ("sgd", 0.01, 0.5), ("adam", 0.002, 0.875), ("sgd", 0.001, None), ("adam", 0.01, 0.25)]


def found(*, higher_is_better=True):
    trials = [
        TunedTrial(
            number,
            "pruned" if score is None else "complete",
            {"optimizer": optimizer, "learning_rate": rate},
            score,
            {},
            1.0,
        )
        for number, (optimizer, rate, score) in enumerate(TRIALS)
    ]
    settings = TuneSettings(member="plain_cnn", space=SPACE)
    judged = Judged("roc_auc", "AUC", higher_is_better, patients=40, images=59, where="validation")
    return SimpleNamespace(
        file=SimpleNamespace(settings=settings, name="tapkir"),
        judged=judged,
        study=SimpleNamespace(trials=lambda: trials),
    )


def test_each_value_has_its_best_trial_and_how_many_there_were():
    table = table_of(found(), "optimizer")
    rows = {
        row.name: (row.ours, *((cell.printed, cell.ours, cell.interval) for cell in row.cells)) for row in table.rows
    }
    assert rows == {
        "sgd": ("learning_rate 0.01", ("–", "0.5000", ""), ("–", "2", "1 pruned")),
        "adam": ("learning_rate 0.002", ("–", "0.8750", ""), ("–", "3", "")),
        "rmsprop": ("", ("–", "–", ""), ("–", "0", "")),
    }
    assert "AUC on validation (40 patients, 59 images)" in table.measured_on
    assert "test was not read" in table.measured_on


def test_the_best_is_the_lowest_where_lower_is_better():
    rows = {row.name: row.cells[0].ours for row in table_of(found(higher_is_better=False), "optimizer").rows}
    assert rows["adam"] == "0.2500"


def test_a_range_is_no_list_to_compare():
    with pytest.raises(SpineError, match=r"tuned\.by is 'learning_rate'; the lists of tune\.space are optimizer"):
        table_of(found(), "learning_rate")
