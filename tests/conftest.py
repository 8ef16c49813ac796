"""What every test may use: the real images, when they are at hand, and a salt of the tests' own."""

import os
import threading
from http.server import HTTPServer
from pathlib import Path

import pytest

from spine.core.quiet import silence_tensorflow

silence_tensorflow()  # first, as in every command: its settings change what a processor computes in the last digits
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["SPINE_SALT"] = SALT = "salt of the tests"  # of fixtures that outlive a test, too: it seals their models

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end no process waits for another's long test."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def _own_salt(monkeypatch):
    monkeypatch.setenv("SPINE_SALT", SALT)


@pytest.fixture(scope="session")
def spine_data() -> Path:
    """The folder of real images: SPINE_DATA, or ../shared/data from the repository's root."""
    path = Path(os.environ.get("SPINE_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no real images: set SPINE_DATA to their folder ({path} does not exist)")
    return path


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start a server of one handler (tests.loopback) on this machine; gives its URL. Keras' cache is empty."""
    import keras

    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path / "keras"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))  # of processes that are started
    (tmp_path / "keras").mkdir()
    servers = []

    def start(handler) -> str:
        server = HTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/weights.h5"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
