"""A real archive: Debian's Orthanc with its DICOMweb plugin, on this machine, of a test's own and gone after it."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
PLUGINS = ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so", "/usr/lib/orthanc/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "what tests know"
_LONGEST = 30.0  # seconds that it may take to start


@dataclass(frozen=True)
class Orthanc:
    """Where it is: `web` is the root of its DICOMweb, `rest` that of its own interface."""

    rest: str

    @property
    def web(self) -> str:
        return f"{self.rest}/dicom-web"

    def ask(self, path: str, data: bytes | None = None, method: str | None = None) -> object:
        """JSON of its own interface, past all that is tested."""
        return json.loads(self._bytes(path, data, method) or "null")

    def file(self, identifier: str) -> bytes:
        """A DICOM file that it has, by the identifier that it gave."""
        return self._bytes(f"/instances/{identifier}/file")

    def _bytes(self, path: str, data: bytes | None = None, method: str | None = None) -> bytes:
        request = urllib.request.Request(self.rest + path, data, method=method)
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def upload(self, *folders: Path) -> None:
        """All DICOM files below these folders."""
        for path in sorted(path for folder in folders for path in folder.rglob("*.dcm")):
            self.ask("/instances", path.read_bytes())

    def empty(self) -> None:
        """Forget all patients."""
        for patient in self.ask("/patients"):
            self.ask(f"/patients/{patient}", method="DELETE")

    def uids(self, modality: str = "") -> set[str]:
        """SOPInstanceUIDs of all that it has, or of the series of one modality."""
        of_series = [one for one in self.ask("/series?expand") if modality in ("", one["MainDicomTags"]["Modality"])]
        tags = [self.ask(f"/instances/{uid}")["MainDicomTags"] for one in of_series for uid in one["Instances"]]
        return {one["SOPInstanceUID"] for one in tags}


@contextmanager
def running_orthanc(directory: Path) -> Iterator[Orthanc]:
    """Orthanc with its files in `directory`, until the end of the context; skips where it is not installed."""
    plugin = next((path for path in PLUGINS if Path(path).exists()), None)
    if PROGRAM is None or plugin is None:
        pytest.skip("no Orthanc: apt-get install orthanc orthanc-dicomweb")
    port = _free_port()
    (directory / "orthanc.json").write_text(json.dumps(_settings(directory, port, plugin)))
    log = (directory / "log").open("wb")
    process = subprocess.Popen([PROGRAM, str(directory / "orthanc.json")], cwd=directory, stdout=log, stderr=log)
    try:
        archive = Orthanc(f"http://127.0.0.1:{port}")
        _wait(archive, process, directory / "log")
        yield archive
    finally:
        process.kill()  # it takes seconds to end well, and leaves nothing that is wanted
        process.wait()
        log.close()


def _settings(directory: Path, port: int, plugin: str) -> dict:
    return {
        "Name": "tests",
        "StorageDirectory": str(directory / "storage"),
        "IndexDirectory": str(directory / "storage"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomServerEnabled": False,
        "OverwriteInstances": False,
        "Plugins": [plugin],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
    }


def _wait(archive: Orthanc, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + _LONGEST
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            archive.ask("/system")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    pytest.fail(f"Orthanc did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
