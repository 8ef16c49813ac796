"""The benchmark of the rules that choose weights, at a tiny size."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from ensemble.engine.nested.scorers import SampleScorer
from ensemble.engine.rules.rules import RULES
from ensemble.engine.scoring.stack import Stack
from ensemble.experiment_run import ExperimentRun
from spine import metrics
from tests.experiment_on_disk import write_experiment

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TINY = ["--draws", "4", "--sizes", "6", "--resamples", "10", "--members", "3", "--spreads", "0.6"]


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return tuple(map(importlib.import_module, ("weight_rules", "weight_rules_pools", "pairs_of_patients")))


def test_areas_by_pairs_of_patients_are_the_scorers_own(modules):
    random = np.random.default_rng(0)
    probabilities = random.integers(0, 5, (3, 30)) / 4  # many tie
    truth, patient_of = random.integers(0, 2, 30), np.repeat(np.arange(6), 5)
    weights = random.dirichlet(np.ones(3), 4)
    draws = random.integers(0, 3, (5, 6)).astype(float)
    stack = Stack(tuple("abc"), np.stack([1 - probabilities, probabilities], axis=-1), truth)
    by_pairs = modules[2].PairsOfPatients(probabilities, truth, patient_of, weights)
    asked = np.stack([*by_pairs(weights, draws)])
    expected = np.stack([*SampleScorer(stack, "roc_auc")(weights, draws[:, patient_of])])
    np.testing.assert_allclose(asked, expected, rtol=1e-12)
    one_class = np.zeros((1, 6))
    assert np.isnan(next(iter(by_pairs(weights[:1], one_class)))).all()


def test_simulated_members_are_as_good_as_their_d(modules):
    draw = modules[1].Simulated(0.0, members=2, judges=2000).draw(5, np.random.default_rng(0))
    assert draw.judged(np.array([1.0, 0.0]), 0) == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.02)
    assert draw.judged(np.array([0.5, 0.5]), 0) > draw.judged(np.array([1.0, 0.0]), 0)


def test_every_rule_and_peer_is_told(modules):
    options = modules[0].parse(TINY)
    (cell,) = modules[0].cells_of(0.6, options)
    peers = ["best single", "greedy, 25 picks", "CMA-ES"]
    assert list(cell.differences) == [name for name in RULES if name != "equal"] + peers
    assert {len(values) for values in cell.differences.values()} == {len(cell.shares)} == {4}
    found = modules[0].table([cell])
    assert [column.header for column in found.columns[3:-1]] == list(cell.differences)
    assert len(found.rows) == 1


def test_weights_are_judged_on_the_patients_of_a_run_that_they_were_not_chosen_on(modules, tmp_path):
    experiment = write_experiment(tmp_path, patients={"train": 2, "validation": 6, "test": 8}, search={"step": 0.5})
    directory = tmp_path / "runs" / "small"
    experiment.write(directory / "experiment.yaml")
    pool = modules[1].stored(directory)
    draw = pool.draw(6, np.random.default_rng(0))
    assert (draw.own.sum(), draw.rest.sum()) == (6, 8)
    assert not (draw.own & draw.rest).any()
    assert not pool.can(8)
    run, score = ExperimentRun(experiment), []
    for split in ("validation", "test"):
        members, truth, patients = run.predictions(split).to_resample()
        score += [(members["vgg"], truth, np.isin(patients, draw.patients[draw.rest]))]
    probabilities, truth, rest = (np.concatenate(parts) for parts in zip(*score, strict=True))
    expected = metrics.classification.roc_auc(truth[rest], probabilities[rest])
    assert draw.judged(np.array([1.0, 0.0, 0.0]), 0) == pytest.approx(expected)


def test_a_goal_names_where_it_is_missed(modules):
    cell = modules[0].Cell
    rule = modules[0].DEFAULT
    cells = [
        cell("good", 15, {rule: np.full(5, 0.018), "optimum": np.full(5, 0.02)}, np.ones(5)),
        cell("bad", 15, {rule: np.full(5, -0.006), "optimum": np.full(5, 0.0)}, np.ones(5)),
        cell("bad", 8, {rule: np.full(5, -0.0005), "optimum": np.full(5, 0.0)}, np.ones(5)),
    ]
    mean, tail, kept = modules[0].goals(cells)
    assert mean == f"FAIL: the mean of {rule} is at least -1: bad on 15 (-6.00)"
    assert tail == "FAIL: its worst 5 % at 15 patients is at least -5: bad on 15 (-6.00)"
    assert kept == "PASS: it keeps 80 % of the optimum's gain, where that is 20 or more: lowest 0.90 of 1"


def test_where_too_few_patients_are_left_there_is_nothing_to_tell(modules, tmp_path):
    experiment = write_experiment(tmp_path, patients={"train": 2, "validation": 6, "test": 8}, search={"step": 0.5})
    experiment.write(tmp_path / "runs" / "small" / "experiment.yaml")
    cells = modules[0].cells_of(tmp_path / "runs" / "small", modules[0].parse(["--sizes", "8"]))
    assert cells == []
    assert modules[0].table(cells).row_count == 0
    assert [line[:4] for line in modules[0].goals(cells)] == ["PASS"] * 3


def test_what_is_no_run_is_refused_before_anything_is_measured(modules, tmp_path, capsys):
    with pytest.raises(SystemExit):
        modules[0].parse([str(tmp_path)])
    assert f"{tmp_path} has no experiment.yaml" in capsys.readouterr().err
