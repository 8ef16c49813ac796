"""A version's first answers, given before it is asked: the first run of a graph is many times slower than the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np

from pipeline.server.refusals import Refusal
from pipeline.server.servable import DEFAULT, Inputs, Servable
from pipeline.server.tensors import from_protos
from spine.images.pictures import encode_png

__all__ = ["warm_up"]

_RECORDS = Path("assets.extra") / "tf_serving_warmup_requests"
_MOST = 1000
_SECONDS = 10.0  # of warming up; TF Serving replays all of at most 1,000


def warm_up(servable: Servable, path: Path) -> None:
    """Answer the warm-up requests that lie in a SavedModel, for some seconds; without any, one black picture.

    What cannot be answered is left out: it is not what the version is judged by.
    """
    until = time.monotonic() + _SECONDS
    for name, inputs in _requests(path):
        with suppress(Refusal):
            signature = servable.signature(name)
            if inputs.keys() == signature.inputs.keys():
                signature(inputs)
        if time.monotonic() > until:
            return


def _requests(path: Path) -> Iterator[tuple[str, Inputs]]:
    recorded = list(_recorded(path / _RECORDS))
    if recorded:
        yield from recorded
        return
    black = np.empty(1, object)
    black[0] = encode_png(np.zeros((64, 64), np.uint8))
    yield DEFAULT, {"image_bytes": black}


def _recorded(path: Path) -> Iterator[tuple[str, Inputs]]:
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    from spine.annotations.tfrecords import read_records

    with suppress(OSError):  # such as where there is none
        for _, record in islice(read_records(path), _MOST):
            with suppress(Refusal, DecodeError, TypeError):
                request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
                yield request.model_spec.signature_name, from_protos(request.inputs)
