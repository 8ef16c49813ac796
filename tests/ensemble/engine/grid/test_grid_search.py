"""A grid search that was stopped goes on where it was, and finds what an unbroken one finds."""

import numpy as np
import pytest

from ensemble.engine.grid.grid_search import CHUNK, search_grid
from ensemble.engine.grid.simplex import Simplex
from ensemble.engine.scoring.objectives import Objective
from ensemble.engine.scoring.stack import Stack


class Stopped(Exception):
    """What a person's Ctrl-C is."""


@pytest.fixture
def objective():
    random = np.random.default_rng(3)
    logits = random.normal(0, 1, (5, 40, 2))
    members = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    named = {f"m{number}": said for number, said in enumerate(members)}
    return Objective.of("accuracy", Stack.from_members(named, random.integers(0, 2, 40)))


def counting(objective, seen, stop_after=np.inf):
    def scores(weights):
        if len(seen) >= stop_after:
            raise Stopped
        seen.append(len(weights))
        return objective.scores(weights)

    return Objective(objective.metric, True, scores, objective.reference, objective.inputs_hash)


def test_a_stopped_search_goes_on(objective, tmp_path, monkeypatch):
    monkeypatch.setattr("ensemble.engine.grid.grid_search.usable_cores", lambda: 1)
    grid, unfinished, seen = Simplex(5, 20), tmp_path / "new" / "grid.npy", []
    chunks = -(-grid.size // CHUNK)
    assert chunks > 4
    with pytest.raises(Stopped):
        search_grid(counting(objective, seen, stop_after=3), grid, unfinished=unfinished)
    assert unfinished.exists()
    found = search_grid(counting(objective, seen), grid, unfinished=unfinished)
    assert len(seen) == chunks  # none was scored twice
    assert not unfinished.exists()
    unbroken = search_grid(objective, grid)
    assert found.weights.tolist() == unbroken.weights.tolist()
    assert found.gains.tolist() == unbroken.gains.tolist()
    assert (found.ties, found.why, found.evaluated) == (unbroken.ties, unbroken.why, unbroken.evaluated)


def test_the_file_of_another_grid_is_not_taken(objective, tmp_path):
    unfinished = tmp_path / "grid.npy"
    np.save(unfinished, np.zeros(3))
    found = search_grid(objective, Simplex(5, 4), unfinished=unfinished)
    assert found.gains.tolist() == search_grid(objective, Simplex(5, 4)).gains.tolist()
