"""Servers that are busy, broken, gone, or something else: each is a sentence, and what may pass is asked again."""

import gzip
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.client import RemoteModel, ServerError
from pipeline.client.address import Address, Spec
from pipeline.client.refusals import Patience
from spine.answers.description import Description
from spine.core.problems import SpineError

METADATA = {
    "model_spec": {"name": "m", "signature_name": "", "version": "3"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "outputs": {
                        "probabilities": {
                            "dtype": "DT_FLOAT",
                            "tensor_shape": {"dim": [{"size": "-1"}, {"size": "2"}], "unknown_rank": False},
                        }
                    }
                }
            }
        }
    },
}
DESCRIPTION = Description(name="m", task="classification", labels=("a", "b"), targets={"t": ("a", "b")})


@pytest.fixture
def fake():
    """Start a server that gives one (status, body, headers) after another; gives its URL and what was asked of it."""
    servers = []

    def start(*answers):
        asked, left = [], list(answers)

        class Handler(BaseHTTPRequestHandler):
            def _next(self):
                length = int(self.headers.get("content-length", 0))
                asked.append((self.path, json.loads(self.rfile.read(length) or b"null"), dict(self.headers)))
                status, body, headers = left.pop(0) if len(left) > 1 else left[0]
                if status is None:
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _next

            def log_message(self, *arguments):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1/models/m", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ok(content, **headers):
    return 200, json.dumps(content).encode(), headers


def refused(status, words, **headers):
    return status, json.dumps({"error": words}).encode(), headers


ANSWER = ok({"outputs": [[0.25, 0.75]]})
GONE = (None, b"", {})


def opened(url, **options):
    waits = []
    model = RemoteModel.open(url, description=DESCRIPTION, **options)
    model._patience = Patience(attempts=4, sleep=waits.append)
    return model, waits


@pytest.mark.parametrize("busy", [refused(429, "full"), refused(503, "not now"), GONE])
def test_a_busy_server_is_asked_again(fake, busy, picture_png):
    url, asked = fake(ok(METADATA), busy, busy, ANSWER)
    model, waits = opened(url)
    (finding,) = model.answer(picture_png).findings
    assert finding.grades[0].best == "b"
    assert [path for path, _, _ in asked[1:]] == ["/v1/models/m/versions/3:predict"] * 3
    assert len(waits) == 2
    assert waits[1] > waits[0] * 0.99


def test_it_waits_as_long_as_the_server_asks(fake, picture_png):
    url, _ = fake(ok(METADATA), refused(503, "starting", **{"Retry-After": "7"}), ANSWER)
    model, waits = opened(url)
    model.answer(picture_png)
    assert waits == [7.0]


def test_in_the_end_it_gives_up_in_the_server_s_words(fake, picture_png):
    url, asked = fake(ok(METADATA), refused(429, "the queue is full"))
    model, _ = opened(url)
    with pytest.raises(ServerError, match="RESOURCE_EXHAUSTED: the queue is full; try again later"):
        model.answer(picture_png)
    assert len(asked) == 1 + 4


@pytest.mark.parametrize(("status", "code"), [(400, "INVALID_ARGUMENT"), (413, "INVALID_ARGUMENT"), (500, "INTERNAL"),
                                              (501, "UNIMPLEMENTED"), (504, "DEADLINE_EXCEEDED")])  # fmt: skip
def test_what_does_not_pass_is_asked_once(fake, status, code, picture_png):
    url, asked = fake(ok(METADATA), refused(status, "no\x1b[31m good"))
    model, _ = opened(url)
    with pytest.raises(ServerError) as error:
        model.answer(picture_png)
    assert error.value.code == code
    assert "no\\x1b[31m good" in str(error.value)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>a page</html>", {}),
        (200, b"", {}),
        (200, b"[" * 100_000, {}),
        ok({}),
        ok([]),
        ok({"model_spec": {"version": "x"}, "metadata": {}}),
        (302, b"", {"Location": "http://127.0.0.1:1/"}),
        (404, b"<html>nothing here</html>", {}),
        (200, b"no gzip", {"Content-Encoding": "gzip"}),
    ],
)
def test_what_is_no_model_server_is_a_sentence(fake, answer, monkeypatch):
    monkeypatch.setattr("pipeline.client.refusals.time.sleep", lambda seconds: None)
    url, _ = fake(answer)
    with pytest.raises(SpineError, match=r"http://127.0.0.1:\d+"):
        RemoteModel.open(url)


@pytest.mark.parametrize(
    "answer", [ok({}), ok({"outputs": {"x": 1}}), ok({"outputs": [["a", "b"]]}), ok({"outputs": None}), ok([1])]
)
def test_an_answer_of_other_outputs_is_a_sentence(fake, answer, picture_png):
    url, _ = fake(ok(METADATA), answer)
    model, _ = opened(url)
    with pytest.raises(SpineError):
        model.answer(picture_png)


def test_an_answer_packed_by_gzip_is_read(fake, picture_png):
    packed = gzip.compress(json.dumps({"outputs": [[0.25, 0.75]]}).encode())
    url, asked = fake(ok(METADATA), (200, packed, {"Content-Encoding": "gzip"}))
    model, _ = opened(url)
    assert model.answer(picture_png).findings
    assert "gzip" in asked[1][2]["Accept-Encoding"]


def test_nothing_but_the_picture_is_sent(fake, picture_png):
    url, asked = fake(ok(METADATA), ANSWER)
    model, _ = opened(url, token="secret")
    model.answer(picture_png, (0.5, 0.5))
    _, body, headers = asked[1]
    assert body.keys() == {"signature_name", "inputs"}
    assert body["inputs"].keys() == {"image_bytes"}
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_where_nobody_answers_it_is_told_soon(scheme, monkeypatch):
    monkeypatch.setattr("pipeline.client.remote._AT_FIRST", Patience(attempts=2, sleep=lambda seconds: None))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ServerError, match=r"UNAVAILABLE.*see whether it runs there"):
            RemoteModel.open(f"{scheme}://127.0.0.1:{port}/v1/models/m", timeout=5)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host/v1/models/lumbar", Address("http", "host", 8501, Spec("lumbar"))),
        ("grpc://host/v1/models/lumbar", Address("grpc", "host", 8500, Spec("lumbar"))),
        ("https://host/v1/models/a%20b/versions/3:predict", Address("https", "host", 443, Spec("a b", 3))),
        ("http://[::1]:80/v1/models/m/labels/stable/", Address("http", "::1", 80, Spec("m", None, "stable"))),
        ("http://host:1/v1/models/m/metadata", Address("http", "host", 1, Spec("m"))),
    ],
)
def test_addresses_are_read(url, expected):
    assert Address.of(url) == expected


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("host:8501", {}, "is no address"),
        ("ftp://host/v1/models/m", {}, "is no address"),
        ("http://host:x/v1/models/m", {}, "is no address"),
        ("http://host/other/path", {}, "is no address"),
        ("http://host", {}, "does not say which model"),
        ("http://user:pass@host/v1/models/m", {}, "A token is given apart"),
        ("http://host/v1/models/m", {"name": "n"}, "names the model 'm', and 'n'"),
        ("http://host/v1/models/m/versions/1", {"label": "stable"}, "at once"),
    ],
)
def test_what_is_no_address_is_told_with_its_form(url, options, message):
    with pytest.raises(SpineError, match=message) as error:
        Address.of(url, **options)
    assert "pass" not in str(error.value)


def test_what_travels_open_is_known():
    assert Address.of("http://10.0.0.1", "m").is_exposed
    assert not Address.of("http://127.0.0.1", "m").is_exposed
    assert not Address.of("http://localhost", "m").is_exposed
    assert not Address.of("https://10.0.0.1", "m").is_exposed
