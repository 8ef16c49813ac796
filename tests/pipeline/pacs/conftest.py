"""A connection to the archive; a phantom study; a model that needs no framework."""

import pytest

from pipeline.pacs.address import Address, Credentials
from pipeline.pacs.archive import Archive
from spine.phantom import PhantomSettings, generate
from tests.pipeline.pacs.orthanc import PASSWORD, USER
from tests.pipeline.pacs.threshold_model import ThresholdModel

SIGNED_IN = Credentials(user=USER, password=PASSWORD)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """Two patients of one study each: a sagittal series of three slices, a T1 and an axial series beside it."""
    settings = PhantomSettings(patients=2, size=(128, 128), slices=(3,), distractors=1, t2star=0)
    return generate(settings, tmp_path_factory.mktemp("phantom") / "phantom") / "studies"


@pytest.fixture
def archive(orthanc):
    with Archive(Address(orthanc.web, SIGNED_IN), 2**26) as archive:
        yield archive


@pytest.fixture
def model():
    return ThresholdModel()


@pytest.fixture
def told():
    """What a run has said, line by line; hand on `told.append`."""
    return []
