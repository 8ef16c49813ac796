"""What tests of several rooms of the pipeline share."""

import pytest

from tests.pipeline.pacs.orthanc import PASSWORD, USER, running_orthanc


@pytest.fixture(scope="session")
def started_orthanc(tmp_path_factory):
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield orthanc


@pytest.fixture
def orthanc(started_orthanc):
    """One Orthanc for all tests of a process, emptied before each."""
    started_orthanc.empty()
    return started_orthanc


@pytest.fixture
def signed_in_by_environment(monkeypatch):
    """What commands find of the user of `orthanc`."""
    monkeypatch.setenv("SPINE_PACS_USER", USER)
    monkeypatch.setenv("SPINE_PACS_PASSWORD", PASSWORD)


@pytest.fixture
def ray(monkeypatch):
    """Ray, whose workers get their share of the cores: by default they stand back behind all else."""
    monkeypatch.setenv("RAY_worker_niceness", "0")
    return pytest.importorskip("ray", reason="needs Ray (pip install -e '.[ray]')")
