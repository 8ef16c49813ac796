"""Damaged files of the project's own: each is read, or refused with its name and what to do."""

from __future__ import annotations

import pytest

from tests.hostile.all_readers import OURS
from tests.hostile.runner import bad, run_trials, table


def test_a_damaged_file_of_ours_is_read_or_refused_by_name():
    outcomes = run_trials([(reader.name, number) for number, reader in enumerate(OURS.values())])
    assert not bad(outcomes), table(outcomes)


@pytest.mark.slow
def test_damaged_files_of_ours():
    outcomes = run_trials([(reader.name, seed) for reader in OURS.values() for seed in range(reader.seeds)])
    print(f"\n{table(outcomes)}")
    assert not bad(outcomes), table(outcomes)
