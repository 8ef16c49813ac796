"""All readers by name; those with a fault, which try the harness, are in neither group."""

from __future__ import annotations

from tests.hostile.faulty import FAULTY
from tests.hostile.of_datasets import OF_CONFIGS, OF_DATASETS
from tests.hostile.of_pictures import ANNOTATIONS, OF_PICTURES
from tests.hostile.of_runs import OF_RUNS
from tests.hostile.readers import Reader

__all__ = ["FOREIGN", "OURS", "READERS"]

FOREIGN: dict[str, Reader] = {reader.name: reader for reader in (*OF_PICTURES, *ANNOTATIONS)}
OURS: dict[str, Reader] = {reader.name: reader for reader in (*OF_CONFIGS, *OF_DATASETS, *OF_RUNS)}
READERS = {**FOREIGN, **OURS, **FAULTY}
