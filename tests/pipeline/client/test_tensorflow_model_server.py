"""The client against TF Serving itself, where its program is at hand."""

import shutil
import socket
import subprocess
import time

import pytest

from pipeline.client import LocalModel, RemoteModel, ServerError
from tests.pipeline.client.test_remote import assert_equal

PROGRAM = shutil.which("tensorflow_model_server")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no tensorflow_model_server on the PATH")
SECONDS = 60  # for it to load the model


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@pytest.fixture(scope="module")
def ports(case):
    rest, grpc = free_port(), free_port()
    command = [PROGRAM, f"--rest_api_port={rest}", f"--port={grpc}", "--model_name=lumbar"]
    process = subprocess.Popen([*command, f"--model_base_path={case / 'model'}"], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + SECONDS
        while True:
            try:
                RemoteModel.open(f"http://127.0.0.1:{rest}/v1/models/lumbar").close()
                break
            except ServerError:
                assert time.monotonic() < until, "it does not answer"
        yield {"http": rest, "grpc": grpc}
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


@pytest.mark.parametrize("members", [False, True])
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_it_answers_as_the_model_in_this_process(ports, scheme, members, case, picture_png):
    with RemoteModel.open(f"{scheme}://127.0.0.1:{ports[scheme]}/v1/models/lumbar") as model:
        answer = model.answer(picture_png, (0.5, 0.5), members=members)
        assert_equal(answer, LocalModel.open(case).answer(picture_png, (0.5, 0.5), members=members))
        with pytest.raises(ServerError) as refused:
            model.answer(b"no picture")
        assert refused.value.is_of_the_picture
    with pytest.raises(ServerError, match="NOT_FOUND"):
        RemoteModel.open(f"{scheme}://127.0.0.1:{ports[scheme]}/v1/models/cervical")
