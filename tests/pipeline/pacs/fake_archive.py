"""A DICOMweb service that fails as it is told to, where a real archive cannot be made to."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pydicom import dcmread

_BOUNDARY = "one-part-ends-here"
MOST_AT_ONCE = 1000  # results of a query, whatever it asks for


@dataclass
class FakeArchive:
    """Files of studies; a study whose UID it does not know has all of them.

    `faults` are told of each request first, and answer it themselves where they return True.
    """

    files: dict[str, bytes] = field(default_factory=dict)  # by SOPInstanceUID
    listed: list[dict] = field(default_factory=list)
    faults: list[Callable[[BaseHTTPRequestHandler], object]] = field(default_factory=list)
    asked: list[tuple[str, str, dict]] = field(default_factory=list)  # method, path, headers
    stored: list[bytes] = field(default_factory=list)
    url: str = ""

    def add(self, path: Path) -> None:
        one = dcmread(path, stop_before_pixels=True)
        self.files[str(one.SOPInstanceUID)] = path.read_bytes()
        tags = {"00080016": one.SOPClassUID, "00080018": one.SOPInstanceUID, "0020000D": one.StudyInstanceUID,
                "0020000E": one.SeriesInstanceUID}  # fmt: skip
        self.listed.append({tag: {"vr": "UI", "Value": [str(value)]} for tag, value in tags.items()})

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if any(fault(request) for fault in self.faults):
            return
        path = request.path.partition("?")[0]
        if request.command == "POST":
            self.stored.append(request.body)
            send(request, 200, {})
        elif path.endswith("/instances"):
            of_study = [one for one in self.listed if one["0020000D"]["Value"] == [path.split("/")[-2]]]
            send(request, 200, page(of_study or self.listed, request.path))
        elif path.endswith("/studies"):
            studies = {one["0020000D"]["Value"][0]: {"0020000D": one["0020000D"]} for one in self.listed}
            send(request, 200, page(list(studies.values()), request.path))
        elif (uid := path.rpartition("/")[2]) in self.files:
            body = b"\r\n".join(
                [f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n".encode(), self.files[uid],
                 f"--{_BOUNDARY}--\r\n".encode()]
            )  # fmt: skip
            send(request, 200, body, f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}')
        else:
            send(request, 404, {})


def page(found: list, path: str) -> list:
    """Those that a query asks for by `offset` and `limit`."""
    offset, limit = (int(re.search(rf"{name}=(\d+)", path)[1]) for name in ("offset", "limit"))
    return found[offset : offset + min(limit, MOST_AT_ONCE)]


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: object = b"",
    kind: str = "application/dicom+json",
    stated: int | None = None,
    **headers: str,
) -> bool:
    """Answer a request; `stated` is a Content-Length that does not hold."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(stated or len(content)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(content)
    return True


@contextmanager
def running_fake() -> Iterator[FakeArchive]:
    archive = FakeArchive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            archive.asked.append((self.command, self.path, dict(self.headers)))
            archive.answer(self)

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_port}/dicom-web"
    try:
        yield archive
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
