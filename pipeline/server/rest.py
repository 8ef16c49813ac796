"""The REST API of TF Serving, as an ASGI application: predict, model status and metadata, and `/healthz`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote

from grpc import StatusCode
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.server import json_answer, json_request
from pipeline.server.admission import Admission, Visit
from pipeline.server.descriptions import metadata_json, status_json
from pipeline.server.json_request import JsonRequest
from pipeline.server.limits import Limits
from pipeline.server.prediction import Prediction
from pipeline.server.refusals import Refusal, invalid, place_of
from pipeline.server.servable import Outputs, Servable
from pipeline.server.servables import Servables
from pipeline.server.token import Token

__all__ = ["RestApi"]

# As kPredictionApiRegex and kModelStatusApiRegex of tensorflow_serving/model_servers/http_rest_api_util.cc.
_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICT = re.compile(_MODEL + r":(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_STATUS = re.compile(_MODEL + r"(/metadata)?", re.IGNORECASE | re.ASCII)
_SHOWN = 200  # letters of a path that an error repeats
_LOG = logging.getLogger(__name__)
T = TypeVar("T")
Spec = tuple[str, int | None, str]  # name, version and label of a model


class RestApi:
    """The application. JSON is read and written in threads, so that a large answer keeps nobody waiting."""

    def __init__(
        self, servables: Servables, prediction: Prediction, admission: Admission, token: Token, limits: Limits
    ) -> None:
        self._servables, self._prediction = servables, prediction
        self._admission, self._token, self._limits = admission, token, limits
        self._threads = ThreadPoolExecutor(2 + (os.cpu_count() or 1), "json")
        self.is_stopping = False

    def close(self) -> None:
        """Let its threads go, once no request is open."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Refusal as refusal:
            response = _refused(refusal)
        except Exception as error:
            _LOG.error("a request ended in a defect of the server: %s", place_of(error))
            response = _refused(Refusal(StatusCode.INTERNAL, "a defect of the server; its log tells where"))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = _path(request)
        if path == "/healthz":
            return self._health()
        self._token.require(request.headers.get("authorization"))
        if not path.lower().startswith("/v1/"):
            raise Refusal(StatusCode.NOT_FOUND, f"Not found: {request.method} {path[:_SHOWN]}")
        if request.method == "POST" and (match := _PREDICT.fullmatch(path)):
            return await self._predict(request, _spec(match), match[4].lower())
        if request.method == "GET" and (match := _STATUS.fullmatch(path)):
            return self._describe(_spec(match), is_metadata=bool(match[4]))
        if request.method == "GET" and path.lower() == "/v1/models":
            raise invalid("Missing model name in request.")
        raise invalid(f"Malformed request: {request.method} {path[:_SHOWN]}")

    def _health(self) -> Response:
        if self._servables.are_ready and not self.is_stopping:
            return _json_response({"status": "ok"})
        return _json_response({"status": "stopping" if self.is_stopping else "not ready"}, 503)

    def _describe(self, spec: Spec, is_metadata: bool) -> Response:
        if not is_metadata:
            return Response(status_json(self._servables.states(*spec)), media_type="application/json")
        with self._servables.lease(*spec) as servable:
            return Response(metadata_json(servable), media_type="application/json")

    async def _predict(self, request: Request, spec: Spec, verb: str) -> Response:
        if verb != "predict":
            raise Refusal(StatusCode.UNIMPLEMENTED, f"{verb} is not answered here; send the same model a :predict")
        with self._admission.visit() as visit:
            try:
                async with asyncio.timeout(self._limits.timeout):
                    body = await self._body(request, visit)
                    asked = await self._in_thread(json_request.parse, body)
                    with self._servables.lease(*spec) as servable:
                        future = await self._in_thread(self._submit, servable, asked)
                        outputs = await asyncio.wrap_future(future)
            except TimeoutError:
                raise Refusal(StatusCode.DEADLINE_EXCEEDED, _too_long(self._limits.timeout)) from None
            answer = await self._in_thread(json_answer.encode, outputs, asked.by_row, self._limits.values)
        return Response(answer, media_type="application/json")

    def _submit(self, servable: Servable, asked: JsonRequest) -> Future[Outputs]:
        signature = servable.signature(asked.signature_name)
        dtypes = {name: signature.dtype_of(name) for name in signature.inputs}
        return self._prediction.submit(signature, asked.inputs(dtypes))

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _body(self, request: Request, visit: Visit) -> bytes:
        """The body, unpacked; Refusal where it is longer than may be."""
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and len(stated) < 20 and int(stated) > self._limits.body:
            raise _too_large(self._limits.body)
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._limits.body:
                raise _too_large(self._limits.body)
            visit.hold(len(chunk))
            chunks.append(chunk)
        body = b"".join(chunks)
        packing = request.headers.get("content-encoding", "identity").strip().lower()
        if packing in ("identity", ""):
            return body
        if packing != "gzip":
            raise invalid(f"Content-Encoding {packing[:_SHOWN]!r} is not read; send the body plain or by gzip")
        visit.hold(self._limits.body)
        return await self._in_thread(_unpacked, body, self._limits.body)


def _path(request: Request) -> str:
    """The path as it was sent, percent signs and all, without what could act on a terminal."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode("utf-8", "replace")
    return str(raw.decode("ascii", "backslashreplace"))


def _spec(match: re.Match[str]) -> Spec:
    version = match[2]
    if version is not None and int(version[:20]) >= 2**63:
        raise invalid(f"Failed to convert version: {version[:_SHOWN]} to numeric.")
    return unquote(match[1]), int(version) if version else None, unquote(match[3] or "")


def _unpacked(body: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(body, most)
    except zlib.error:
        raise invalid("the body is no gzip, as its Content-Encoding says") from None
    if unpacker.unconsumed_tail:
        raise _too_large(most)
    if not unpacker.eof:
        raise invalid("the body is a gzip that ends early")
    return plain


def _too_large(most: int) -> Refusal:
    return Refusal(StatusCode.RESOURCE_EXHAUSTED, f"the body has more than {most:,} bytes, which are read", 413)


def _too_long(seconds: float) -> str:
    return f"the answer took longer than {seconds:g} seconds"


def _json_response(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")


def _refused(refusal: Refusal) -> Response:
    response = _json_response({"error": refusal.message}, refusal.http_status)
    if refusal.code == StatusCode.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
