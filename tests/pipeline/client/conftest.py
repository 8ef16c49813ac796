"""One case and one trained member, and a server of them, for all tests that leave them as they are."""

import pytest

from ensemble.case.export import export_case
from pipeline.server import Server, Source
from tests.case_on_disk import GRADES, MeanGrey, scan, write_case, write_member
from tests.member_contract import png

UPPER, LOWER = (20, 20, 50, 28), (22, 60, 52, 70)  # x0 y0 x1 y1


@pytest.fixture(scope="session")
def picture():
    """A region with two discs, (100, 80) uint16."""
    return scan(100, 80, (10, 10, 60, 90), UPPER, LOWER)


@pytest.fixture(scope="session")
def picture_png(picture):
    return png(picture)


@pytest.fixture(scope="session")
def case(tmp_path_factory):
    """The directory of an exported case."""
    settings = write_case(tmp_path_factory.mktemp("case"))
    export_case(settings, lambda path: None)
    return settings.directory


@pytest.fixture(scope="session")
def served(case, tmp_path_factory):
    """A running server of the case `lumbar`, and of `grey`, which does not describe itself."""
    grey = write_member(tmp_path_factory.mktemp("served") / "grey", "classification", GRADES, MeanGrey(1.0))
    with Server([Source("lumbar", case), Source("grey", grey)], rest_port=0, grpc_port=0) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def url(served, request):
    """The address of the case by either protocol."""
    address = served.rest_url if request.param == "http" else f"grpc://{served.grpc_address}"
    return f"{address}/v1/models/lumbar"
