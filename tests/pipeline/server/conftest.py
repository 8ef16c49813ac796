"""One server of three small models, for all tests that leave it as it is."""

import httpx
import pytest

from pipeline.server import Server
from tests.pipeline.server.models import Echo, Halves, Mean, source, write_version


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A running server of `mean`, `halves` and `echo`."""
    folder = tmp_path_factory.mktemp("served")
    write_version(folder / "mean", Mean())
    write_version(folder / "halves", Halves(), "segmentation")
    write_version(folder / "echo", Echo())
    with Server([source(folder / name) for name in ("mean", "halves", "echo")], rest_port=0, grpc_port=0) as server:
        yield server


@pytest.fixture(scope="session")
def client(served):
    """A client of its REST API."""
    with httpx.Client(base_url=served.rest_url, timeout=30) as client:
        yield client
