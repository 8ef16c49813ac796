"""A thousand requests damaged by seeds: each is answered or refused, none ends in a defect, and the server lives.

One seed's request is shown by `python -m tests.pipeline.server.test_mutations SEED`.
"""

import base64
import json
import random
import re
import socket
import sys
import zlib

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from spine.images.pictures import encode_png
from tests.pipeline.server.models import picture

SEEDS = 1000
JSON_VALUES = (
    None,
    True,
    -1,
    0,
    1e400,
    2**70,
    "",
    "a" * 1000,
    "\ud800",
    [],
    {},
    [[]],
    {"b64": "%"},
    {"b64": ""},
    [1, [2]],
)
KEYS = ("instances", "inputs", "signature_name", "b64", "image_bytes", "image", "")
METHODS = ("GET", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "FOO")
HEADERS = (
    ("content-length", "-1"),
    ("content-length", "99999999999999999999"),
    ("content-encoding", "gzip"),
    ("content-encoding", "zstd"),
    ("transfer-encoding", "chunked"),
    ("authorization", "Bearer"),
    ("expect", "100-continue"),
    ("content-type", "text/html"),
    ("host", ""),
    ("x" * 3000, "y"),
    ("upgrade", "websocket"),
    ("connection", "upgrade"),
)
PATHS = (
    "/v1/models/mean/versions/{n}:predict",
    "/v1/models/mean/versions/{n}",
    "/v1/models/mean/labels/{s}:predict",
    "/v1/models/{s}:predict",
    "/v1/models/mean/../../{s}",
    "/v1/models/mean:{s}",
    "/v1/models/mean/metadata",
    "/v1/models/%00%ff:predict",
    "/v1/models/mean:predict?{s}",
    "/V1/MODELS/mean:PREDICT",
    "http://[::1/v1/models/mean",
    "/{s}",
    "//",
    "*",
)


def damaged(random_: random.Random, data: bytes) -> bytes:
    """Some bytes of `data` changed, cut out, doubled or put in."""
    data = bytearray(data)
    for _ in range(random_.randint(1, 8)):
        place = random_.randrange(len(data) + 1)
        match random_.randrange(4):
            case 0 if place < len(data):
                data[place] = random_.randrange(256)
            case 1:
                del data[place : place + random_.randint(1, 40)]
            case 2:
                data[place:place] = data[place : place + random_.randint(1, 40)]
            case _:
                data[place:place] = random_.randbytes(random_.randint(1, 8))
    return bytes(data)


def damaged_png(random_: random.Random) -> bytes:
    """A PNG with wrong bytes; half of them with checksums that hold all the same."""
    size = random_.choice([(1, 1), (8, 8), (40, 33)])
    pixels = np.random.default_rng(random_.randrange(2**32)).integers(0, 256, size)
    whole = encode_png(pixels.astype(random_.choice([np.uint8, np.uint16])))
    if random_.random() < 0.5:
        return damaged(random_, whole)
    header, rest = bytearray(whole[16:29]), whole[33:]
    header[random_.randrange(13)] = random_.randrange(256)
    return whole[:16] + header + zlib.crc32(whole[12:16] + header).to_bytes(4, "big") + rest


def document(random_: random.Random) -> object:
    """A predict request in which something is wrong, in its picture or in its structure."""
    file = damaged_png(random_) if random_.random() < 0.6 else picture()
    value: object = {"b64": base64.b64encode(file).decode()}
    if random_.random() < 0.2:
        value = {"b64": value["b64"][: random_.randint(0, 60)] + random_.choice("%=é\n")}
    whole: dict = {random_.choice(("instances", "inputs")): [value] * random_.randint(1, 2)}
    for _ in range(random_.randint(0, 2)):
        whole[random_.choice(KEYS)] = random_.choice((*JSON_VALUES, whole.get("instances"), "image", [[[[0.5]]]]))
    return whole


def ask_by_json(random_, url):
    body = json.dumps(document(random_)).encode()
    if random_.random() < 0.3:
        body = damaged(random_, body)
    name = random_.choice(("mean", "mean", "halves", "echo"))
    return httpx.post(f"{url}/v1/models/{name}:predict", content=body, timeout=30).status_code


def ask_by_socket(random_, url):
    """A request whose line, headers or bytes are wrong; the status of the answer, 0 of a connection that was closed."""
    body = json.dumps({"instances": [{"b64": base64.b64encode(picture()).decode()}]}).encode()
    path = random_.choice(PATHS).format(
        n=random_.choice((0, 1, 2**63, 10**30)), s=random_.choice(("x", "%", "é", "x" * 999))
    )
    method = random_.choice(("POST", *METHODS))
    headers = [
        ("host", "localhost"),
        ("content-length", str(len(body))),
        *random_.sample(HEADERS, random_.randint(0, 2)),
    ]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers)])
    message = head.encode() + b"\r\n\r\n" + body
    if random_.random() < 0.4:
        message = damaged(random_, message[:400]) + message[400:]
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := connection.recv(2**16):
                answer += chunk
        except ConnectionResetError:
            pass
    return int(answer.split(b" ", 2)[1]) if answer else 0


def ask_by_grpc(random_, channel):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = random_.choice(("mean", "echo"))
    request.model_spec.signature_name = random_.choice(("", "image", "x"))
    value = random_.choice(([damaged_png(random_)], [[1.0]], np.zeros((1, 2, 2, 1), np.float32), [picture()]))
    proto = tf.make_tensor_proto(value)
    for _ in range(random_.randint(0, 2)):
        match random_.randrange(3):
            case 0:
                proto.dtype = random_.randrange(32)
            case 1:
                proto.tensor_shape.dim.add(size=random_.choice((-1, 0, 2, 2**40, 2**62)))
            case _:
                proto.tensor_content = random_.randbytes(5)
    request.inputs[random_.choice(("image_bytes", "image", "x"))].CopyFrom(proto)
    message = request.SerializeToString()
    if random_.random() < 0.4:
        message = damaged(random_, message)
    method = random_.choice(("Predict", "Predict", "Predict", "GetModelMetadata", "Classify", "None"))
    try:
        channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")(message, timeout=30)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def ask(seed, url, channel):
    """The outcome of one damaged request."""
    random_ = random.Random(seed)
    kind = random_.choices((ask_by_json, ask_by_socket, ask_by_grpc), (5, 3, 2))[0]
    return kind(random_, channel if kind is ask_by_grpc else url)


ALLOWED = {0, 100, 200, 400, 401, 404, 405, 408, 411, 413, 415, 422, 426, 429, 431, 501}
ALLOWED_CODES = {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "UNIMPLEMENTED", "OUT_OF_RANGE"}


@pytest.mark.slow
def test_a_thousand_damaged_requests(served, client, caplog):
    with grpc.insecure_channel(served.grpc_address) as channel:
        outcomes = {seed: ask(seed, served.rest_url, channel) for seed in range(SEEDS)}
    wrong = {
        seed: outcome
        for seed, outcome in outcomes.items()
        if (outcome not in ALLOWED if isinstance(outcome, int) else outcome[0] not in ALLOWED_CODES)
    }
    assert not wrong
    told = " ".join(outcome[1] for outcome in outcomes.values() if not isinstance(outcome, int))
    assert not re.search(r"Traceback|\.py\b|/work|/tmp|/usr", told)
    assert [record for record in caplog.records if record.name.startswith("pipeline")] == []
    body = {"instances": [{"b64": base64.b64encode(picture(255)).decode()}]}
    assert client.post("/v1/models/mean:predict", json=body).json() == {"predictions": [[1.0, 0.0]]}
    statuses = [outcome for outcome in outcomes.values() if isinstance(outcome, int)]
    assert statuses.count(200) > 20  # some damage hurts nobody
    assert statuses.count(400) > 200


if __name__ == "__main__":
    print(json.dumps(document(random.Random(int(sys.argv[1])))))
