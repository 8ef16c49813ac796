"""What every test may use: the real images, when they are at hand, and a salt of the tests' own."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_salt(monkeypatch):
    monkeypatch.setenv("SPINE_SALT", "salt of the tests")


@pytest.fixture(scope="session")
def spine_data() -> Path:
    """The folder of real images: SPINE_DATA, or ../shared/data from the repository's root."""
    path = Path(os.environ.get("SPINE_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no real images: set SPINE_DATA to their folder ({path} does not exist)")
    return path
