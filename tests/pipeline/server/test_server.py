"""A server from start to end: ports, the token, limits, new versions while it answers, and the end of open requests."""

import base64
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urljoin

import grpc
import httpx
import pytest
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.server import Limits, Server
from pipeline.server.token import VARIABLE, Token, read_token
from spine.core.problems import SpineError
from tests.pipeline.server.models import Mean, picture, source, write_version

BODY = {"instances": [{"b64": base64.b64encode(picture(255)).decode()}]}
SECRET = "0123456789abcdef"


@pytest.fixture
def member(tmp_path):
    write_version(tmp_path / "m", Mean())
    return tmp_path / "m"


def serving(directory, **options):
    return Server([source(directory)], rest_port=0, grpc_port=0, interval=0.05, **options)


def share(server) -> float:
    answer = httpx.post(f"{server.rest_url}/v1/models/m:predict", json=BODY)
    assert answer.status_code == 200
    return answer.json()["predictions"][0][0]


def test_a_new_version_answers_without_a_request_lost(member):
    with serving(member) as server:
        assert share(server) == 1
        write_version(member, Mean(0.5))
        until = time.monotonic() + 30
        while (now := share(server)) == 1:
            assert time.monotonic() < until
        assert now == 0.5


def test_the_token(member):
    with serving(member, token=Token(SECRET)) as server:
        url = f"{server.rest_url}/v1/models/m"
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": SECRET},
            {"Authorization": "Bearer é"},
        ):
            refused = httpx.get(url, headers={name: value.encode() for name, value in headers.items()})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert httpx.get(url, headers={"Authorization": f"Bearer {SECRET}"}).status_code == 200
        assert httpx.get(f"{server.rest_url}/healthz").status_code == 200
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "m"
        with grpc.insecure_channel(server.grpc_address) as channel:
            call = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus
            with pytest.raises(grpc.RpcError) as error:
                call(request, timeout=30)
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert call(request, timeout=30, metadata=[("authorization", f"Bearer {SECRET}")]).model_version_status


def test_a_stranger_s_call_is_sent_away_without_its_message(member):
    """Of a stream the message has not come when the call is refused."""
    with serving(member, token=Token(SECRET)) as server, grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
        sent = []

        def messages():
            yield b"the first"
            time.sleep(3)
            sent.append("the second")
            yield b"the second"

        with pytest.raises(grpc.RpcError) as error:
            call(messages(), timeout=30)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert sent == []


def test_no_token_no_other_address(member):
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(SpineError, match="can be reached from other machines, and there is no token"):
            serving(member, host=host)


def test_where_a_token_comes_from(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_token(None) == Token()
    assert read_token(file) == Token(SECRET)
    monkeypatch.setenv(VARIABLE, SECRET[::-1])
    assert read_token(None) == Token(SECRET[::-1])
    assert SECRET not in repr(Token(SECRET))
    for wrong in ("short", "a secret of many words", ""):
        file.write_text(wrong)
        with pytest.raises(SpineError, match="give 16 or more of ASCII"):
            read_token(file)
    file.write_bytes(b"\xff" * 20)
    for path in (file, tmp_path / "none"):
        with pytest.raises(SpineError, match="cannot be read"):
            read_token(path)


@pytest.mark.parametrize("option", ["rest_port", "grpc_port"])
def test_a_taken_port_gets_a_sentence(member, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SpineError, match=f"127.0.0.1:{port} cannot be used for .* --{option.replace('_', '-')} 0"):
            Server([source(member)], **{"rest_port": 0, "grpc_port": 0, option: port})


def test_a_body_that_is_too_large(member):
    with serving(member, limits=Limits(body=1000)) as server:
        url = f"{server.rest_url}/v1/models/m:predict"
        stated = httpx.post(url, content=b" " * 1001)
        streamed = httpx.post(url, content=iter([b" " * 501] * 2))
        assert [stated.status_code, streamed.status_code] == [413, 413]
        assert stated.json() == {"error": "the body has more than 1,000 bytes, which are read"}
        assert share(server) == 1


def test_more_requests_than_it_takes_are_sent_away(member):
    answers = queue.Queue()
    with serving(member, limits=Limits(queue=1, delay=30.0)) as server:
        url = f"{server.rest_url}/v1/models/m:predict"
        for _ in range(2):
            threading.Thread(target=lambda: answers.put(httpx.post(url, json=BODY, timeout=40))).start()
        refused = answers.get(timeout=30)
        assert refused.status_code == 429
        assert refused.json()["error"].startswith("the server is busy: 1 requests are being answered")
    assert answers.get(timeout=30).status_code == 200  # the end of the server waits for it


def test_a_request_that_takes_too_long(member):
    with serving(member, limits=Limits(timeout=0.05, delay=30.0)) as server:
        answer = httpx.post(f"{server.rest_url}/v1/models/m:predict", json=BODY)
    assert (answer.status_code, answer.json()) == (504, {"error": "the answer took longer than 0.05 seconds"})


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """The command line's server in a process of its own, its REST URL and its standard error."""
    directory = tmp_path_factory.mktemp("cli") / "m"
    write_version(directory, Mean())
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(directory), "--rest-port", "0", "--grpc-port", "0"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen([*command, "--batch-delay", "1000"], stderr=subprocess.PIPE, text=True, env=environment)
    lines = [process.stderr.readline() for _ in range(4)]
    yield process, lines
    process.kill()
    process.communicate()


def test_sigterm_answers_what_is_open(started):
    process, lines = started
    assert [line.split(" ")[:2] for line in lines] == [["==", "loading"], ["==", "m:"], ["==", "POST"], ["==", "gRPC"]]
    url = lines[2].split()[-1]
    answers = []
    with httpx.Client(timeout=30) as client:
        assert client.get(urljoin(url, "/healthz")).status_code == 200  # connected: what follows is on its way at once
        asking = threading.Thread(target=lambda: answers.append(client.post(url, json=BODY)))
        asking.start()
        time.sleep(0.5)  # within the second that the first row waits for others
        process.send_signal(signal.SIGTERM)
        asking.join(timeout=30)
    rest = process.stderr.read()
    assert process.wait(30) == 0
    assert answers[0].json() == {"predictions": [[1.0, 0.0]]}
    assert rest.splitlines() == ["== stopping: open requests are answered", "== stopped"]


def test_what_cannot_be_served_is_told(tmp_path):
    missing = CliRunner().invoke(app, ["serve", str(tmp_path / "none")])
    assert "does not exist; give an experiment, suite or case file" in str(missing.exception)
    nothing = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert "is not a member (no member.json)" in str(nothing.exception)
    assert "--rest-port" in CliRunner().invoke(app, ["serve", "start", "--help"]).output
