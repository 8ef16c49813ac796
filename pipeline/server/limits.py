"""How much a server takes upon itself: beyond it, a request is refused instead of the machine being lost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of a server; the docs list them (docs/serving.md, "spine serve").

    `body` in bytes, of a REST body (as sent, and once unpacked) and of a gRPC message; `pixels` of all pictures of a
    request together, a side counted as 32 at least, as networks pad it; `rows` of a request, of whatever they are;
    `values` of numbers in one JSON answer; `queue` requests that wait or are answered at a time; `batch` rows that are
    answered together, once the first has waited for `delay` seconds; `timeout` seconds until a request is given up;
    `drain` seconds for open requests at the end.
    """

    body: int = 64 * 2**20
    pixels: int = 2**25
    rows: int = 2**15
    values: int = 2**24
    queue: int = 128
    batch: int = 8
    delay: float = 0.002
    timeout: float = 60.0
    drain: float = 30.0
