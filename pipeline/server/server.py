"""A server at its two ports: started, and stopped once every open request is answered."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

import uvicorn

from pipeline.server.admission import Admission
from pipeline.server.batching import Batcher
from pipeline.server.grpc_services import build_server
from pipeline.server.limits import Limits
from pipeline.server.prediction import Prediction
from pipeline.server.rest import RestApi
from pipeline.server.servables import Servables
from pipeline.server.sources import Source
from pipeline.server.token import Token, require_token_beyond_loopback
from spine.core.problems import SpineError

__all__ = ["Server"]

_KEEP_ALIVE = 75  # seconds that a connection may be idle: longer than clients keep theirs


class Server:
    """Models over REST and gRPC; use it as a context, or call `start` and `stop`. Port 0 is any that is free.

    SpineError where a port is taken, no version of a model may run, or others could ask without a token.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        host: str = "127.0.0.1",
        rest_port: int = 8501,
        grpc_port: int = 8500,
        limits: Limits | None = None,
        token: Token | None = None,
        keep: int = 1,
        interval: float = 1.0,
        show: Callable[[str], None] = lambda line: None,
    ) -> None:
        limits, token = limits or Limits(), token or Token()
        require_token_beyond_loopback(host, token)
        self._host, self._grpc_port, self._limits = host, grpc_port, limits
        _bound(host, grpc_port, "gRPC", "--grpc-port").close()  # gRPC takes it by itself, and tells no reason
        self._socket = _bound(host, rest_port, "REST", "--rest-port")
        self.rest_port: int = self._socket.getsockname()[1]
        self.servables = Servables(sources, show, keep, interval)
        self._batcher = Batcher(limits)
        parts = (self.servables, Prediction(self._batcher, limits), Admission(limits), token, limits)
        self._rest = RestApi(*parts)
        self._grpc = build_server(*parts)
        self._uvicorn = uvicorn.Server(_config(self._rest, limits))
        self._thread = threading.Thread(target=self._serve_rest, name="rest", daemon=True)

    @property
    def rest_url(self) -> str:
        """Of the REST API, such as http://127.0.0.1:8501."""
        return f"http://{_in_url(self._host)}:{self.rest_port}"

    @property
    def grpc_address(self) -> str:
        """Of the gRPC API, such as 127.0.0.1:8500."""
        return f"{_in_url(self._host)}:{self._grpc_port}"

    def start(self) -> Server:
        """Load the models, then answer at both ports; returns once they do."""
        try:
            self.servables.start()
            try:
                self._grpc_port = self._grpc.add_insecure_port(self.grpc_address)
            except RuntimeError:
                raise _taken(self._host, self._grpc_port, "gRPC", "--grpc-port") from None
        except SpineError:
            self._socket.close()
            raise
        self._grpc.start()
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            threading.Event().wait(0.01)
        return self

    def stop(self) -> None:
        """Accept no more, answer what is open (for `limits.drain` seconds at most), and end."""
        self._rest.is_stopping = True
        self._batcher.hurry()
        self.servables.stop()
        grpc_ended = self._grpc.stop(self._limits.drain)
        self._uvicorn.should_exit = True
        self._thread.join()
        grpc_ended.wait()
        self._batcher.close()
        self._rest.close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _serve_rest(self) -> None:
        self._uvicorn.run(sockets=[self._socket])


def _config(application: RestApi, limits: Limits) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # that somebody sent no HTTP is no news
    return uvicorn.Config(
        application,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(limits.drain),
    )


def _bound(host: str, port: int, what: str, option: str) -> socket.socket:
    """A socket at an address; SpineError where it is taken, or is none of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except (OSError, OverflowError):
        raise _taken(host, port, what, option) from None
    return bound


def _taken(host: str, port: int, what: str, option: str) -> SpineError:
    return SpineError(
        f"{host}:{port} cannot be used for {what}: another program listens there, or it is no address of this machine; "
        f"give another port with {option}, such as {option} 0 for any that is free"
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
