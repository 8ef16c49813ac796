"""Branch and bound against scoring every vector: the same optimum, ties and choice, whatever the predictions."""

import json

import numpy as np
import pytest

from ensemble.engine.grid import branch_and_bound as engine
from ensemble.engine.grid.branch_and_bound import branch_and_bound
from ensemble.engine.grid.grid_search import search_grid
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.objectives import OF_THE_CLASS, Objective
from ensemble.engine.scoring.stack import Stack
from ensemble.search import search_weights
from spine.metrics.classification import ORDINAL
from spine.metrics.segmentation import METRICS as OF_MASKS
from tests.ensemble.test_search import random_members
from tests.ensemble.test_segmentation_search import random_images


@pytest.fixture(params=["halves", "counts"])
def way(request, monkeypatch):
    """Boxes cut down to single vectors, or small ones counted vector by vector; some nodes at a time."""
    small, many = {"halves": (0, 0), "counts": (12, 0)}[request.param]
    monkeypatch.setattr(engine, "SMALL", small)
    monkeypatch.setattr(engine, "MANY", many)
    monkeypatch.setattr("ensemble.engine.grid.first_incumbent.COARSE", 10)
    monkeypatch.setattr(engine, "MOST_NODES", 7)


def of_samples(seed, metric):
    """The objective of random members, 2 to 5 of them, in their turn coarse, float16, equal or never right."""
    random = np.random.default_rng(seed)
    count, classes = 2 + seed % 4, 2 + seed % 3
    kind = np.float16 if seed % 5 == 1 else np.float64
    members, truth = random_members(random, count, 60, classes, dtype=kind, levels=seed % 2)
    if seed % 7 == 3:
        members["m1"] = members["m0"]
    if seed % 7 == 4:
        members["m0"] = np.eye(classes)[(truth + 1) % classes]
    return Objective.of(metric, Stack.from_members(members, truth)), count


def of_images(seed, metric, **changes):
    count, classes = 2 + seed % 4, 2 + seed % 3
    kind = (np.float16, np.float32, np.float64)[seed % 3]
    absent = (1,) if classes > 2 and seed % 5 == 1 else ()
    members, truth = random_images(
        seed, **{"count": count, "classes": classes, "dtype": kind, "coarse": seed % 2, "absent": absent, **changes}
    )
    arrays = {name: np.stack(images) for name, images in members.items()}
    return Objective.of_images(metric, reduce_images(arrays, truth, metric.endswith("_per_image"))), count


def require_same(objective, members, steps):
    grid = Simplex(members, steps)
    every, found = search_grid(objective, grid), branch_and_bound(objective.scores, grid)
    assert found.gains[0] == pytest.approx(every.gains[0], abs=1e-12)
    assert found.ties == every.ties
    assert found.weights[0].tolist() == every.weights[0].tolist()
    assert found.evaluated == grid.size
    tied = objective.gains(found.weights)
    assert tied == pytest.approx(np.full(len(tied), every.gains[0]), abs=1e-12)
    assert found.gains == pytest.approx(tied, abs=1e-12)


STEPS = {2: 40, 3: 15, 4: 9, 5: 7}  # of so many members


@pytest.mark.parametrize("metric", [name for name in OF_THE_CLASS if name != "recall"])
@pytest.mark.parametrize("seed", range(14))
def test_it_equals_scoring_every_vector_of_classification(metric, seed, way):
    objective, members = of_samples(seed, metric)
    classes = 2 + seed % 3
    # The correlation of more classes is enumerated, and what counts errors by how far they are.
    has_upper_bound = metric not in ORDINAL and (metric != "matthews" or classes == 2)
    assert (objective.scores.upper_bound is not None) == has_upper_bound
    if has_upper_bound:
        require_same(objective, members, STEPS[members])


@pytest.mark.parametrize("metric", OF_MASKS)
@pytest.mark.parametrize("seed", range(12))
def test_it_equals_scoring_every_vector_of_segmentation(metric, seed, way):
    objective, members = of_images(seed, metric)
    require_same(objective, members, STEPS[members])


@pytest.mark.parametrize("steps", [1, 10, 17])
def test_all_vectors_may_tie(steps, way):
    members, truth = random_members(np.random.default_rng(0), 1, 30, 3)
    same = {name: members["m0"] for name in "abc"}
    require_same(Objective.of("accuracy", Stack.from_members(same, truth)), 3, steps)


@pytest.mark.parametrize("low", [0.25, 0.3, 1 / 3])
def test_leads_that_rounding_decides_are_counted_as_the_fusion_rule_has_them(low, way):
    # Two classes are equal under some members and a digit apart under others, so their sums tie or not by rounding.
    random = np.random.default_rng(1)
    near = np.stack([np.full((3, 50), low), np.nextafter(np.full((3, 50), low), 1)], axis=-1)
    near = np.where(random.random((3, 50, 1)) < 0.5, near, near[:, :, ::-1])
    said = np.concatenate([near, 1 - near.sum(axis=-1, keepdims=True)], axis=-1)
    members = dict(zip("abc", said, strict=True))
    require_same(Objective.of("accuracy", Stack.from_members(members, random.integers(0, 2, 50))), 3, 20)


def test_neither_cores_nor_how_many_nodes_at_a_time_matter(monkeypatch):
    objective, members = of_images(6, "dice_foreground", sizes=((30, 30),) * 3)
    grid, found = Simplex(members, 60), []
    for cores, nodes, many in ((1, 1024, 500), (2, 1, 0), (3, 50, 10)):
        monkeypatch.setattr(engine, "usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr("ensemble.engine.grid.bounding.usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr(engine, "MOST_NODES", nodes)
        monkeypatch.setattr(engine, "MANY", many)
        one = branch_and_bound(objective.scores, grid)
        found.append((one.weights.tolist(), one.gains.tolist(), one.ties, one.why))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("most", [0, 20])
@pytest.mark.parametrize("seed", range(20))
def test_the_optimum_is_found_where_not_all_ties_are(seed, most, monkeypatch):
    objective, members = of_samples(seed, "accuracy")
    grid = Simplex(members, STEPS[members])
    monkeypatch.setattr(engine, "MOST_NODES", 3)
    monkeypatch.setattr(engine, "MANY", 10**9)
    whole = branch_and_bound(objective.scores, grid)
    monkeypatch.setattr(engine, "MOST_TIES", most)
    found = branch_and_bound(objective.scores, grid)
    assert found.gains[0] == pytest.approx(search_grid(objective, grid).gains[0], abs=1e-12)
    assert objective.gains(found.weights) == pytest.approx(found.gains, abs=1e-12)
    assert 1 <= found.ties <= whole.ties
    if found.why.startswith("At least"):
        assert found.scored <= whole.scored
    else:
        assert (found.ties, found.weights.tolist()) == (whole.ties, whole.weights.tolist())


def test_some_of_those_end_before_all_ties_are_counted(monkeypatch):
    monkeypatch.setattr(engine, "MOST_NODES", 3)
    monkeypatch.setattr(engine, "MOST_TIES", 0)
    objective, members = of_samples(2, "accuracy")
    found = branch_and_bound(objective.scores, Simplex(members, STEPS[members]))
    assert found.why.startswith(f"At least {found.ties} of {found.evaluated} weight vectors have this score, the best")


class Stopped(Exception):
    """What a person's Ctrl-C is."""


@pytest.mark.parametrize("every", [0, 1000])
@pytest.mark.parametrize("keep", [False, True])
def test_a_stopped_search_goes_on(keep, every, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "MOST_NODES", 4)
    monkeypatch.setattr(engine, "SAVED_EVERY", every)  # seconds; when it is stopped it is saved all the same
    monkeypatch.setattr(engine, "MANY", 10**9)  # so that every box takes part in a bound
    objective, members = of_images(6, "dice_foreground", sizes=((20, 20),) * 3)
    grid, file, asked = Simplex(members, 50), tmp_path / "new" / "search.json", []

    def limited(after):
        def upper_bound(counts):
            if len(asked) >= after:
                raise Stopped
            asked.append(len(counts))
            return objective.scores.upper_bound(counts)

        return ConfusionMetric(objective.scores.presolved, objective.scores.function, 1, upper_bound)

    unbroken = branch_and_bound(limited(np.inf), grid)
    whole, batches = sum(asked), len(asked)
    asked.clear()
    with pytest.raises(Stopped):
        branch_and_bound(limited(batches // 2), grid, unfinished=file)
    assert json.loads(file.read_text())["cells"]
    found = branch_and_bound(limited(np.inf), grid, unfinished=file, keep=keep)
    assert sum(asked) == whole  # none was visited twice
    for name in ("evaluated", "scored", "ties", "why"):
        assert getattr(found, name) == getattr(unbroken, name)
    assert found.weights.tolist() == unbroken.weights.tolist()
    assert file.exists() == keep
    if keep:
        again = branch_and_bound(limited(0), grid, unfinished=file)
        assert again.weights.tolist() == unbroken.weights.tolist()


def test_a_file_cut_short_is_not_taken(tmp_path):
    objective, members = of_samples(0, "accuracy")
    file = tmp_path / "search.json"
    file.write_text('{"cells": [[')
    found = branch_and_bound(objective.scores, Simplex(members, 30), unfinished=file)
    assert found.ties == search_grid(objective, Simplex(members, 30)).ties


def test_a_grid_too_fine_to_enumerate_is_searched_and_another_is_enumerated(monkeypatch):
    members, truth = random_members(np.random.default_rng(2), 3, 80, 3)
    enumerated = search_weights(members, truth, step=0.01)
    assert len(enumerated.best) == 100
    monkeypatch.setattr("ensemble.engine.grid.grid_search.ENUMERATED", 100)
    found = search_weights(members, truth, step=0.01)
    assert (found.weights, found.score, found.ties) == (enumerated.weights, enumerated.score, enumerated.ties)
    assert found.evaluated == enumerated.evaluated == 5151
    assert found.scored < enumerated.scored
    assert all(point.score == found.score for point in found.best)
    for metric in ("roc_auc", "matthews", "log_loss"):  # metrics without an upper bound are enumerated all the same
        assert search_weights(members, truth, metric=metric, step=0.05).scored == 231


def test_a_step_of_a_ten_thousandth():
    members, truth = random_members(np.random.default_rng(4), 3, 300, 3)
    found = search_weights(members, truth, step=1e-4)
    assert found.evaluated == 50_015_001  # vectors
    line = search_weights(members, truth, method="line")
    assert line.score <= found.score + 1 / 300  # a grid misses what is narrower than its step, a line search hills
    assert found.score >= search_weights(members, truth, step=0.01).score


@pytest.mark.parametrize("seed", range(150))
def test_random_cases_cut_and_counted_at_random(seed, monkeypatch):
    random = np.random.default_rng(1000 + seed)
    monkeypatch.setattr(engine, "SMALL", int(random.choice([0, 5, 64, 512])))
    monkeypatch.setattr(engine, "MANY", int(random.choice([0, 5, 50])))
    monkeypatch.setattr(engine, "MOST_NODES", int(random.choice([1, 30, 1024])))
    count, classes, samples = (int(random.integers(*ends)) for ends in ((2, 7), (2, 6), (20, 150)))
    members, truth = random_members(random, count, samples, classes, levels=seed % 2)
    if seed % 4 == 0:
        members["m1"] = members["m0"]
    objective = Objective.of(
        ("accuracy", "macro_f1", "balanced_accuracy")[seed % 3], Stack.from_members(members, truth)
    )
    require_same(objective, count, int(random.integers(2, {2: 200, 3: 40, 4: 20, 5: 12, 6: 9}[count])))
