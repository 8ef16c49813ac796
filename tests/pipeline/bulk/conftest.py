"""A stand-in for the SavedModel, and a request about a tree of pictures."""

import pytest

from pipeline.bulk.predict import Request
from pipeline.client import LocalModel
from tests.pipeline.bulk.bulk_model import BulkModel, write_member, write_pictures


@pytest.fixture
def model(monkeypatch):
    """Stands in for whatever SavedModel is opened."""
    model = BulkModel()
    monkeypatch.setattr(LocalModel, "open", lambda directory: model)
    return model


@pytest.fixture
def request_of(tmp_path):
    """A request about a tree of seven pictures, with the answers in `out`."""
    write_pictures(tmp_path / "tree", 7)
    own = {"model": write_member(tmp_path / "bulk"), "studies": str(tmp_path / "tree"), "output": tmp_path / "out"}
    return lambda **other: Request(**{**own, **other})
