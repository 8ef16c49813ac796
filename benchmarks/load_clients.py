"""Clients of a server under load: threads of light processes that ask, well or badly, for some seconds."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import cv2
import httpx
import numpy as np


@dataclass
class Heard:
    """What the clients of one phase met: seconds of good requests that were answered, and outcomes of all."""

    latencies: list[float] = field(default_factory=list)
    outcomes: Counter = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        return sum(count for (kind, good), count in self.outcomes.items() if not good)


def clients_of(ask, count: int, begin: float, seconds: float, bad: float, seed: int) -> Heard:
    """What so many clients, threads of this process, hear in some seconds from a time of `time.monotonic` on."""
    address, name, options = ask
    heard, until = [Heard() for _ in range(count)], begin + seconds
    client = (GrpcClient if options.protocol == "grpc" else RestClient)(address, name, picture_of(options), count)
    threads = [
        threading.Thread(target=one_client, args=(client, one, until, bad, seed * 1000 + number))
        for number, one in enumerate(heard)
    ]
    time.sleep(max(begin - time.monotonic(), 0))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Heard()
    for one in heard:
        whole.latencies += one.latencies
        whole.outcomes += one.outcomes
    return whole


def one_client(client, heard: Heard, until: float, bad: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    while time.monotonic() < until:
        is_bad, began = random.random() < bad, time.monotonic()
        try:
            outcome, is_right = client.ask_badly(random) if is_bad else client.ask()
        except Exception as error:
            outcome, is_right = f"{type(error).__name__}", False
        heard.outcomes[f"{'bad' if is_bad else 'good'} {outcome}", is_right] += 1
        if not is_bad and is_right:
            heard.latencies.append(time.monotonic() - began)


class RestClient:
    def __init__(self, url: str, name: str, picture: bytes, count: int) -> None:
        limits = httpx.Limits(max_connections=count, max_keepalive_connections=count)
        self.client = httpx.Client(base_url=url, timeout=120, limits=limits)
        self.path, self.picture = f"/v1/models/{name}:predict", picture
        self.body = body_of(picture)
        self.bad = [(self.path, b"{"), (self.path, body_of(picture[:-20])), (self.path, body_of(megapixels())),
                    ("/v1/models/none:predict", self.body)]  # fmt: skip

    def ask(self) -> tuple[object, bool]:
        status = self.client.post(self.path, content=self.body).status_code
        return status, status == 200

    def ask_badly(self, random) -> tuple[object, bool]:
        path, body = self.bad[random.integers(len(self.bad))]
        status = self.client.post(path, content=body).status_code
        return status, 400 <= status < 500


class GrpcClient:
    def __init__(self, address: str, name: str, picture: bytes, count: int) -> None:
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
        self.call = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        self.request = request_of(name, picture)
        self.bad = [request_of(name, picture[:-20]), request_of(name, megapixels()), request_of("none", picture)]

    def ask(self) -> tuple[object, bool]:
        status = self._status(self.request)
        return status, status == "OK"

    def ask_badly(self, random) -> tuple[object, bool]:
        status = self._status(self.bad[random.integers(len(self.bad))])
        return status, status in ("INVALID_ARGUMENT", "NOT_FOUND")

    def _status(self, request) -> str:
        import grpc

        try:
            self.call(request, timeout=120)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"


def body_of(picture: bytes) -> bytes:
    return json.dumps({"instances": [{"b64": base64.b64encode(picture).decode()}]}).encode()


def request_of(name: str, picture: bytes):
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    tensor = request.inputs["image_bytes"]
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=1)
    tensor.string_val.append(picture)
    return request


def picture_of(options) -> bytes:
    if options.picture:
        return options.picture.read_bytes()
    return png(np.random.default_rng(0).integers(0, 4096, (256, 256)).astype(np.uint16))


def megapixels() -> bytes:
    return png(np.zeros((10_000, 10_000), np.uint8))


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()
