"""What tests of several rooms of the pipeline share."""

import pytest


@pytest.fixture
def ray(monkeypatch):
    """Ray, whose workers get their share of the cores: by default they stand back behind all else."""
    monkeypatch.setenv("RAY_worker_niceness", "0")
    return pytest.importorskip("ray", reason="needs Ray (pip install 'spine-ensemble[ray]')")
