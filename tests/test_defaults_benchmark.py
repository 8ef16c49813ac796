"""The benchmark of training's defaults: its statistics by hand, and what it trains."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.experiments import load_experiment
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.manifest import Manifest
from spine.experiment.truth import read_truth
from spine.member.member import Member
from spine.metrics.statistics import patient_resamples
from spine.predictions.predictions import Predictions
from spine.tasks import TASKS
from tests.experiment_on_disk import write_experiment

ROOT = Path(__file__).resolve().parents[1]
CHANGES = sorted((ROOT / "benchmarks").glob("*_defaults.yaml"))


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("training_defaults")


@pytest.mark.parametrize("path", CHANGES, ids=lambda path: path.stem)
def test_the_first_member_of_every_file_is_a_baseline_that_the_second_repeats(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    baseline, again, *changes = load_experiment(path).members.values()
    assert baseline == again
    assert all(change != baseline for change in changes)
    assert f"benchmarks/training_defaults.py benchmarks/{path.name}" in path.read_text()


def test_difference_is_that_of_the_means_over_seeds_on_the_same_resamples(benchmark):
    accuracy = TASKS["classification"].metrics["accuracy"]
    truth, patients = np.array([0, 0, 1, 1, 1]), np.array(["a", "a", "b", "b", "c"])
    right, half = np.eye(2)[truth], np.eye(2)[[0, 1, 1, 0, 0]]  # half: 2 of 5, those of a and b one each
    wrong_of_c = np.eye(2)[[0, 0, 1, 1, 0]]
    changed, baseline = [(truth, right), (truth, wrong_of_c)], [(truth, half), (truth, wrong_of_c)]
    draws = patient_resamples(patients, 500, seed=0)
    found = benchmark.difference(accuracy, changed, baseline, draws)
    assert found.value == pytest.approx((1 + 4 / 5) / 2 - (2 / 5 + 4 / 5) / 2)
    by_hand = [(1 - row @ np.array([1, 0, 1, 0, 0]) / row.sum()) / 2 for row in draws]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))


def test_a_change_by_seeds_is_scored_and_told(benchmark, tmp_path):
    experiment = write_experiment(tmp_path, members=("base.1", "base.2", "noisy.1", "noisy.2"), noise=(0.5, 0.5, 4, 4))
    scored = benchmark.score(experiment, ["base", "noisy"], seeds=2)
    counts = {name: len(members) for name, members in scored.evidence.items()}
    assert counts == {"base": 2, "base, its seeds as one": 1, "noisy": 2}
    (_, first), (_, second) = scored.evidence["base"]
    np.testing.assert_allclose(scored.evidence["base, its seeds as one"][0][1], (first + second) / 2)
    table = benchmark.table_of(scored, experiment, resamples=50)
    name, score, spread, difference, *_ = (list(column.cells) for column in table.columns)
    assert name == ["base", "base, its seeds as one", "noisy"]
    assert difference[0] == spread[1] == ""
    for row in (1, 2):
        assert float(difference[row].split()[0]) == pytest.approx(float(score[row]) - float(score[0]), abs=0.0011)
    low, _, high = spread[2].split()
    assert float(low) <= float(score[2]) <= float(high)


def test_seeds_as_one_are_the_mean_of_their_maps_and_the_fusion_of_their_boxes(benchmark, tmp_path):
    index = pd.DataFrame({"sample": ["a"], "offset": [0], "height": [1], "width": [2]})
    head = (tmp_path, "segmentation", ("background", "disc"), "validation", "", "", index)
    maps = [Predictions(*head, np.array(rows, np.float16)) for rows in ([[1, 0], [0.5, 0.5]], [[0, 1], [0, 1]])]
    np.testing.assert_allclose(benchmark.as_one(maps).values, [[0.5, 0.5], [0.25, 0.75]])
    boxes = [Detections(np.array([[0, 0, 0.5, corner]], np.float32), np.ones(1, np.float32), np.ones(1, np.int64))
             for corner in (0.5, 0.54)]  # fmt: skip
    (fused,) = benchmark.as_one([[one] for one in boxes])
    np.testing.assert_allclose(fused.boxes, [[0, 0, 0.5, 0.52]], atol=1e-6)


def test_what_was_trained_by_the_end_of_the_time_is_what_is_told(benchmark, tmp_path, monkeypatch):
    experiment = write_experiment(tmp_path, members=("base", "first", "second"))
    asked, clock = [], iter([0.0, 0.0, 61.0])
    monkeypatch.setattr(benchmark, "train_members", lambda experiment, show, only: asked.extend(only))
    monkeypatch.setattr(benchmark, "monotonic", lambda: next(clock))
    seeded = benchmark.with_seeds(experiment, 2)
    assert list(seeded.members) == ["base.1", "base.2", "first.1", "first.2", "second.1", "second.2"]
    assert benchmark.train(seeded, ["base", "first"], 2, minutes=1) == ["base"]
    assert asked == ["base.1", "base.2"]


def test_snapshots_of_a_training_answer_as_one(benchmark, tmp_path):
    names = ("base.1", "base.2", "snaps.1-1", "snaps.1-2", "snaps.2-1", "snaps.2-2")
    written = write_experiment(tmp_path, members=names)
    base, *_ = written.members.values()
    snaps = [base.model_copy(update={"snapshots": 2, "snapshot": number}) for number in (1, 2)]
    unseeded = written.model_copy(update={"members": {"base": base, "snaps-1": snaps[0], "snaps-2": snaps[1]}})
    assert benchmark.chosen(unseeded, ["snaps"]) == ["base", "snaps"]
    seeded = benchmark.with_seeds(unseeded, 2)
    assert set(seeded.members) == {*names}
    assert benchmark.by_seed(seeded, "snaps", 2) == [["snaps.1-1", "snaps.1-2"], ["snaps.2-1", "snaps.2-2"]]
    stored = {name: Member.open(seeded.member_directory(name)).predictions("validation") for name in names[2:]}
    units, _, _ = read_truth(seeded, Manifest.read(seeded.data), "validation").with_units(stored)
    for seed, (_, own) in enumerate(benchmark.score(seeded, ["snaps"], seeds=2).evidence["snaps"], 1):
        np.testing.assert_allclose(own, (units[f"snaps.{seed}-1"] + units[f"snaps.{seed}-2"]) / 2)


def test_only_names_changes_and_the_baseline_comes_along(benchmark, tmp_path):
    experiment = write_experiment(tmp_path, members=("base", "first", "second"))
    assert benchmark.chosen(experiment, ["second"]) == ["base", "second"]
    assert benchmark.chosen(experiment, []) == ["base", "first", "second"]
    with pytest.raises(SpineError, match="third is no change of small; it has first, second"):
        benchmark.chosen(experiment, ["third"])
