"""The optimum of score - kappa ||w - 1/M||^2, enumerated and by branch and bound, against float64 brute force."""

import numpy as np
import pytest

from ensemble.engine.grid import branch_and_bound as engine
from ensemble.engine.grid.branch_and_bound import branch_and_bound
from ensemble.engine.grid.grid_search import search_grid
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.confusion_metric import ConfusionMetric
from ensemble.engine.scoring.images import reduce_images
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.stack import Stack
from tests.ensemble.test_search import random_members
from tests.ensemble.test_segmentation_search import random_images


def counts(members, truth, weights):
    """Right, called so and truly so (V, C) of weights (V, M), by fusing every row with every vector."""
    fused = sum(weights[:, m, None, None] * said.astype(np.float64) for m, said in enumerate(members.values()))
    classes = np.arange(fused.shape[2])
    called, true = fused.argmax(axis=2)[:, :, None] == classes, truth[:, None] == classes
    return (called & true).sum(axis=1), called.sum(axis=1), true.sum(axis=0)


def accuracy(members, truth, weights):
    return counts(members, truth, weights)[0].sum(axis=1) / len(truth)


def balanced_accuracy(members, truth, weights):
    right, _, true = counts(members, truth, weights)
    return (right[:, true > 0] / true[true > 0]).mean(axis=1)


def dice_foreground(members, truth, weights):
    right, called, true = counts(members, truth, weights)
    sizes = called + true
    rates = np.where(sizes > 0, 2 * right / np.maximum(sizes, 1), np.nan)
    return np.nanmean(rates[:, 1:], axis=1)


def preferred(vectors, gains):
    """Vectors that reach the optimum: fewest members first, then nearest to equal weights, then as a grid has them."""
    tied = vectors[gains >= gains.max() - 1e-12].tolist()
    return sorted(
        tied, key=lambda vector: (sum(k > 0 for k in vector), sum(k * k for k in vector), [-k for k in vector])
    )


def require_brute_force(objective, grid, kappa, scores):
    """Both ways of search find the optimum, its ties and its choice of the gains (V,) of all vectors of the grid."""
    vectors = grid.vectors(np.arange(grid.size))
    gains = scores - kappa * np.square(vectors / grid.steps - 1 / grid.members).sum(axis=1)
    tied = preferred(vectors, gains)
    gain_of = dict(zip(map(tuple, vectors.tolist()), gains, strict=True))
    for found in (
        search_grid(objective, grid, penalty=kappa),
        branch_and_bound(objective.scores, grid, penalty=kappa),
    ):
        assert found.gains[0] == pytest.approx(gains.max(), abs=1e-12)
        assert found.ties == len(tied)
        listed = (found.weights * grid.steps).round().astype(int).tolist()
        assert listed[0] == tied[0]
        assert found.gains == pytest.approx([gain_of[tuple(vector)] for vector in listed], abs=1e-12)
        assert found.evaluated == grid.size


STEPS = {2: 100, 3: 25, 4: 12, 5: 8}  # at most, of so many members


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("score", [accuracy, balanced_accuracy, dice_foreground])
def test_it_equals_brute_force_on_random_cases(score, seed, monkeypatch):
    random = np.random.default_rng([seed, 13])
    monkeypatch.setattr(engine, "SMALL", int(random.choice([0, 8, 64])))
    monkeypatch.setattr(engine, "MANY", int(random.choice([0, 10, 10**9])))
    monkeypatch.setattr(engine, "MOST_NODES", int(random.choice([3, 1024])))
    monkeypatch.setattr("ensemble.engine.grid.first_incumbent.COARSE", 10)
    count, classes = 2 + seed % 4, int(random.integers(2, 5))
    grid = Simplex(count, int(random.integers(2, STEPS[count] + 1)))
    kappa = float(random.choice([1e-4, 1e-3, 0.01, 0.1, 1, 10 ** random.uniform(-4, 0)]))
    if score is dice_foreground:
        images, masks = random_images(seed, count, classes, sizes=((6, 5), (3, 4)), coarse=seed % 2)
        objective = Objective.of_images(score.__name__, reduce_images(images, masks, per_image=False))
        members = {name: np.concatenate([one.reshape(-1, classes) for one in said]) for name, said in images.items()}
        truth = np.concatenate([mask.ravel() for mask in masks])
    else:
        members, truth = random_members(random, count, int(random.integers(10, 60)), classes, levels=seed % 2)
        if seed % 5 == 0:
            members["m1"] = members["m0"]
        objective = Objective.of(score.__name__, Stack.from_members(members, truth))
    weights = grid.weights(np.arange(grid.size))
    require_brute_force(objective, grid, kappa, score(members, truth, weights))


def objective_of(seed=5, count=4, samples=80, metric="accuracy"):
    members, truth = random_members(np.random.default_rng(seed), count, samples, 3)
    return Objective.of(metric, Stack.from_members(members, truth))


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc"])
def test_a_metric_without_an_upper_bound_is_enumerated_with_the_penalty(metric):
    objective, grid = objective_of(metric=metric), Simplex(4, 12)
    weights = grid.weights(np.arange(grid.size))
    found = search_grid(objective, grid, penalty=0.5)
    gains = objective.gains(weights) - 0.5 * np.square(weights - 0.25).sum(axis=1)
    assert found.gains[0] == pytest.approx(gains.max(), abs=1e-12)
    assert found.weights[0].tolist() == weights[gains.argmax()].tolist()
    assert found.gains[0] < search_grid(objective, grid).gains[0]


def test_a_large_penalty_leaves_equal_weights_and_the_nearest_where_the_grid_lacks_them():
    objective = objective_of()
    for search, scored in ((search_grid, objective), (branch_and_bound, objective.scores)):
        assert search(scored, Simplex(4, 20), penalty=1000.0).weights.tolist()[0] == [0.25] * 4
        lacking = search(scored, Simplex(4, 10), penalty=1000.0)
        assert sorted(lacking.weights[0].tolist()) == [0.2, 0.2, 0.3, 0.3]
        best = max(objective.gains(np.array([vector]))[0] for vector in nearest_to_equal())
        assert lacking.gains[0] == pytest.approx(best - 1000 * 4 * 0.05**2)


def nearest_to_equal():
    return {tuple(0.3 if m in (a, b) else 0.2 for m in range(4)) for a in range(4) for b in range(4) if a != b}


def test_weights_that_change_nothing_are_the_nearest_to_equal():
    members, truth = random_members(np.random.default_rng(0), 1, 30, 3)
    same = {name: members["m0"] for name in "abc"}
    objective, grid = Objective.of("accuracy", Stack.from_members(same, truth)), Simplex(3, 100)
    for found in (search_grid(objective, grid, penalty=0.1), branch_and_bound(objective.scores, grid, penalty=0.1)):
        assert found.ties == 3
        assert found.weights[:3].tolist() == [[0.34, 0.33, 0.33], [0.33, 0.34, 0.33], [0.33, 0.33, 0.34]]


def test_without_a_penalty_nothing_changes():
    objective, grid = objective_of(), Simplex(4, 30)
    for search, scored in ((search_grid, objective), (branch_and_bound, objective.scores)):
        plain, zero = search(scored, grid), search(scored, grid, penalty=0.0)
        assert (zero.weights.tolist(), zero.gains.tolist()) == (plain.weights.tolist(), plain.gains.tolist())
        assert (zero.why, zero.ties, zero.scored) == (plain.why, plain.ties, plain.scored)
        assert "penalty" not in zero.why


class Stopped(Exception):
    """What a person's Ctrl-C is."""


def stopped_file(objective, grid, file, kappa):
    """What a search with such a penalty leaves when it is stopped on its third batch."""
    asked = []

    def upper_bound(confusions):
        asked.append(len(confusions))
        if len(asked) > 2:
            raise Stopped
        return objective.scores.upper_bound(confusions)

    scores = objective.scores
    with pytest.raises(Stopped):
        branch_and_bound(
            ConfusionMetric(scores.presolved, scores.function, 1, upper_bound), grid, penalty=kappa, unfinished=file
        )
    return file.read_text()


def test_a_stopped_search_goes_on_with_the_same_penalty_and_begins_anew_with_another(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "MOST_NODES", 4)
    monkeypatch.setattr(engine, "MANY", 10**9)
    objective, grid, file = objective_of(), Simplex(4, 40), tmp_path / "search.json"
    asked = []
    scores = objective.scores
    counted = ConfusionMetric(
        scores.presolved, scores.function, 1, lambda confusions: asked.append(1) or scores.upper_bound(confusions)
    )
    unbroken = {kappa: branch_and_bound(counted, grid, penalty=kappa) for kappa in (0.0, 0.01, 0.1)}
    stored = stopped_file(objective, grid, file, 0.01)
    for kappa, expected in unbroken.items():
        file.write_text(stored)
        asked.clear()
        branch_and_bound(counted, grid, penalty=kappa)
        whole = len(asked)
        asked.clear()
        found = branch_and_bound(counted, grid, penalty=kappa, unfinished=file)
        assert len(asked) == (whole - 2 if kappa == 0.01 else whole)
        assert found.gains.tolist() == expected.gains.tolist()
        assert (found.weights.tolist(), found.ties) == (expected.weights.tolist(), expected.ties)
        assert not file.exists()


def test_what_is_kept_of_an_enumeration_serves_any_penalty(tmp_path):
    objective, grid, file = objective_of(), Simplex(4, 12), tmp_path / "grid.npy"
    search_grid(objective, grid, penalty=0.1, unfinished=file, keep=True)

    def never(weights):
        raise AssertionError("all were scored before")

    kept = Objective(objective.metric, True, never, objective.reference, objective.inputs_hash)
    for kappa in (0.0, 0.01, 0.1):
        found = search_grid(kept, grid, penalty=kappa, unfinished=file, keep=True)
        expected = search_grid(objective, grid, penalty=kappa)
        assert (found.weights.tolist(), found.gains.tolist()) == (expected.weights.tolist(), expected.gains.tolist())
