"""Damaged pictures and annotations: every one is read or refused with its name, and the others are kept.

Slow: all seeds of all readers. By default: one of every third. What fails is told with the command that shows it.
"""

from __future__ import annotations

import pytest

from tests.hostile.all_readers import FOREIGN
from tests.hostile.runner import bad, run_trials, table


def test_a_damaged_file_is_read_or_refused_by_name():
    readers = [reader for reader in FOREIGN.values() if "tfrecord" not in reader.kind and reader.name != "label map"]
    tasks = [
        (reader.name, number) for number, reader in list(enumerate(readers))[::3]
    ]  # TensorFlow takes long to start
    outcomes = run_trials(tasks, workers=1)  # each takes longer to start than its trials
    assert not bad(outcomes), table(outcomes)


@pytest.mark.slow
def test_damaged_files_of_every_reader():
    outcomes = run_trials([(reader.name, seed) for reader in FOREIGN.values() for seed in range(reader.seeds)])
    print(f"\n{table(outcomes)}")
    assert len(outcomes) >= 1000
    assert not bad(outcomes), table(outcomes)
