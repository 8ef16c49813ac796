"""A case of members that are a line of arithmetic, as the page shows it."""

import pytest

from ensemble.case.export import export_case
from pipeline.demo.shown_run import ShownRun
from spine.images.pictures import write_png16
from tests.case_on_disk import scan, write_case

UPPER, LOWER = (20, 20, 50, 28), (22, 60, 52, 70)  # x0 y0 x1 y1
PICTURE = scan(100, 80, (10, 10, 60, 90), UPPER, LOWER)


# What Gradio 6 does in threads of its own, under pandas 3 and after its server is closed.
GRADIO = [
    pytest.mark.filterwarnings("ignore:.*no_silent_downcasting"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def no_experiment(path):
    raise AssertionError(f"{path} is no experiment")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    case = write_case(tmp_path_factory.mktemp("case"))
    export_case(case, no_experiment)
    return ShownRun.open(case.directory)


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "scan.png"
    write_png16(PICTURE, path)
    return path
