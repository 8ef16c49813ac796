"""What a server does not answer, in its own words, and whether asking again may help."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from spine.core.problems import SpineError, brief, printable

__all__ = ["Patience", "ServerError", "from_http", "told"]

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # HTTP status -> gRPC's code, as TF Serving maps them
_LATER = ("RESOURCE_EXHAUSTED", "UNAVAILABLE")
_OF_PICTURE = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "INTERNAL", "DEADLINE_EXCEEDED")
_ADVICE = {
    "UNAUTHENTICATED": "give its token (--token-file, or SPINE_SERVE_TOKEN)",
    "PERMISSION_DENIED": "give a token that may ask it",
    "NOT_FOUND": "see which models and versions it serves",
    "UNAVAILABLE": "see whether it runs there, or try again later",
    "RESOURCE_EXHAUSTED": "try again later, or ask for less at once",
    "DEADLINE_EXCEEDED": "try again, or allow more time (--timeout)",
    "INVALID_ARGUMENT": "leave the picture out, or change it",
}
Result = TypeVar("Result")


class ServerError(SpineError):
    """A server that refuses, or is not there: `code` is gRPC's, `wait` the seconds that it asks to wait. It is `final`
    where the same request would never be answered, such as one that is too large.
    """

    def __init__(self, server: str, code: str, words: str, wait: float | None = None, *, final: bool = False) -> None:
        advice = _ADVICE.get(code, "see its log")
        if final and code in _LATER:
            advice = _ADVICE["INVALID_ARGUMENT"]
        super().__init__(f"{server} answers {code}: {told(words)}; {advice}")
        self.server, self.code, self.words, self.wait, self.final = server, code, words, wait, final
        self.may_pass = code in _LATER and not final

    @property
    def is_of_the_picture(self) -> bool:
        """Whether another picture may be answered all the same."""
        return self.code in _OF_PICTURE or self.final


def from_http(server: str, status: int, words: str, wait: float | None = None) -> ServerError:
    """The error of an HTTP status."""
    return ServerError(server, _CODES.get(status, "INTERNAL"), words, wait)


def told(words: str) -> str:
    """A server's words as one line that does nothing to a terminal."""
    return printable(brief(words)) or "it gives no reason"


class Patience:
    """Asks again, later and later, while a server says that it cannot answer now (429, 503) or the line breaks."""

    def __init__(self, attempts: int = 6, longest: float = 20.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """At most so many `attempts`, and no more than the `longest` seconds between two."""
        self._attempts, self._longest, self._sleep = attempts, longest, sleep

    def ask(self, question: Callable[[], Result]) -> Result:
        """What the question gives in the end; the last ServerError where it gives none."""
        for attempt in range(self._attempts - 1):
            try:
                return question()
            except ServerError as error:
                if not error.may_pass:
                    raise
                drawn = 0.25 * 2**attempt * (1 + random.random())  # clients that were refused together part
                self._sleep(min(self._longest, max(drawn, error.wait or 0)))
        return question()
