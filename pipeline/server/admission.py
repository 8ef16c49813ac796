"""How many requests are in the house, and how many bytes they hold: beyond a bound the next one is sent away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from grpc import StatusCode

from pipeline.server.limits import Limits
from pipeline.server.refusals import Refusal

__all__ = ["Admission", "Visit"]

_BODIES = 8  # of the largest size that are held at once


class Admission:
    """The door of a server: REST and gRPC requests are counted together."""

    def __init__(self, limits: Limits) -> None:
        self._requests, self._bytes = limits.queue, _BODIES * limits.body
        self._lock = threading.Lock()
        self._inside, self._held = 0, 0

    @contextmanager
    def visit(self) -> Iterator[Visit]:
        """For as long as a request is answered; Refusal (ResourceExhausted) where there are too many."""
        with self._lock:
            if self._inside >= self._requests:
                raise _full(f"{self._inside} requests are being answered")
            self._inside += 1
        visit = Visit(self)
        try:
            yield visit
        finally:
            with self._lock:
                self._inside -= 1
                self._held -= visit.held

    def hold(self, count: int) -> None:
        """Count bytes that a request holds; Refusal where there is no room."""
        with self._lock:
            if self._held + count > self._bytes:
                raise _full(f"requests hold {self._held:,} bytes")
            self._held += count


class Visit:
    """One request's part in what is held."""

    def __init__(self, admission: Admission) -> None:
        self._admission, self.held = admission, 0

    def hold(self, count: int) -> None:
        """Hold so many bytes more, until the request is answered."""
        self._admission.hold(count)
        self.held += count


def _full(why: str) -> Refusal:
    return Refusal(StatusCode.RESOURCE_EXHAUSTED, f"the server is busy: {why}; ask again in a moment")
