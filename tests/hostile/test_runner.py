"""The harness notices what it is for: each reader of `faulty` is called by its fault."""

from __future__ import annotations

import pytest

from tests.hostile import runner
from tests.hostile.faulty import FAULTY
from tests.hostile.mutations import STRUCTURAL, mutate
from tests.hostile.of_pictures import OF_PICTURES
from tests.hostile.oracles import is_damaged
from tests.hostile.runner import bad, run_trials, table
from tests.hostile.values import Random

pytestmark = pytest.mark.slow


def test_each_fault_is_called_by_its_name():
    names = [name for name in FAULTY if name != "hang"]
    outcomes = run_trials([(name, 0) for name in (*names, "refused")])
    assert [outcome.kind for outcome in outcomes] == [*names, "refused"]  # a worker that died has a successor
    assert len(bad(outcomes)) == len(names) - 1
    assert "python -m tests.hostile.fuzz 'crash' 0" in table(outcomes)


def test_what_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(runner, "MOST_SECONDS", 2.0)  # what has no end takes longer than any limit
    (outcome,) = run_trials([("hang", 0)], workers=1)
    assert outcome.kind == "hang"


def test_a_seed_is_one_mutation():
    data = bytes(range(256)) * 4
    assert [mutate(data, "", seed) for seed in range(20)] == [mutate(data, "", seed) for seed in range(20)]
    assert len({mutate(data, "", seed).data for seed in range(20)}) > 15


def test_what_is_good_is_not_called_damaged(tmp_path):
    for reader in OF_PICTURES:
        reader.make(tmp_path / reader.name)
        victim = tmp_path / reader.name / reader.victim
        assert is_damaged(victim.suffix, victim.read_bytes()) == "", reader.name


def test_every_structural_mutation_of_pictures_changes_the_file(tmp_path):
    for reader in OF_PICTURES:
        reader.make(tmp_path / reader.name)
        data = (tmp_path / reader.name / reader.victim).read_bytes()
        for name, mutation in STRUCTURAL.get(reader.kind, {}).items():
            assert any(mutation(data, Random(seed)) != data for seed in range(8)), f"{reader.name}: {name}"
