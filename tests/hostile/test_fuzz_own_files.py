"""Damaged files of the project's own: each is read, or refused with its name and what to do.

Slow: all seeds of all files. By default: one of every third.
"""

from __future__ import annotations

import pytest

from tests.hostile.all_readers import OURS
from tests.hostile.of_datasets import OF_CONFIGS, OF_DATASETS
from tests.hostile.of_runs import OF_RUNS
from tests.hostile.runner import bad, run_trials, table

LONG = [reader for reader in OF_RUNS if reader.name.startswith("history.csv")]  # a report each


def test_a_damaged_file_of_ours_is_read_or_refused_by_name():
    readers = [*OF_CONFIGS, *OF_DATASETS, *(reader for reader in OF_RUNS if reader.name.endswith("classification"))]
    tasks = [(reader.name, number) for number, reader in list(enumerate(readers))[::3] if reader not in LONG]
    outcomes = run_trials(tasks, workers=1)  # each takes longer to start than its trials
    assert not bad(outcomes), table(outcomes)


@pytest.mark.slow
def test_damaged_files_of_ours():
    outcomes = run_trials([(reader.name, seed) for reader in OURS.values() for seed in range(reader.seeds)])
    print(f"\n{table(outcomes)}")
    assert not bad(outcomes), table(outcomes)
