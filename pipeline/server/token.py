"""Who may ask: the secret that requests carry as `Authorization: Bearer ...`, where a server has one."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from grpc import StatusCode

from pipeline.server.refusals import Refusal
from spine.core.hosts import is_loopback
from spine.core.problems import SpineError

__all__ = ["VARIABLE", "Token", "read_token", "require_token_beyond_loopback"]

VARIABLE = "SPINE_SERVE_TOKEN"
_LEAST = 16  # letters


@dataclass(frozen=True, repr=False)
class Token:
    """A secret; empty where everybody may ask."""

    secret: str = ""

    def require(self, authorization: str | bytes | None) -> None:
        """Refusal (Unauthenticated) unless a request's Authorization header carries the secret."""
        if not self.secret:
            return
        given = authorization.encode("utf-8", "replace") if isinstance(authorization, str) else authorization or b""
        scheme, _, secret = given.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Refusal(StatusCode.UNAUTHENTICATED, "this server answers requests with its token: send the header "
                          "'Authorization: Bearer TOKEN'")  # fmt: skip
        if not hmac.compare_digest(secret.strip(), self.secret.encode("ascii")):
            raise Refusal(StatusCode.UNAUTHENTICATED, "the token of the request is not that of this server")


def read_token(file: Path | None) -> Token:
    """The token in a file, else in the environment variable SPINE_SERVE_TOKEN, else none.

    SpineError where the file cannot be read, or the token is short or holds other than printable ASCII letters.
    """
    if file is None and not os.environ.get(VARIABLE):
        return Token()
    try:
        secret = (file.read_text("ascii") if file else os.environ[VARIABLE]).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SpineError(
            f"the token file {file} cannot be read ({type(error).__name__}); give one line of text"
        ) from None
    if len(secret) < _LEAST or not all("!" <= letter <= "~" for letter in secret):
        raise SpineError(
            f"the token in {file or VARIABLE} has {len(secret)} letters; give {_LEAST} or more of ASCII, without "
            "spaces, such as of `openssl rand -hex 32`"
        )
    return Token(secret)


def require_token_beyond_loopback(host: str, token: Token) -> None:
    """SpineError where a server would answer other machines without a token."""
    if token.secret or is_loopback(host):
        return
    raise SpineError(
        f"{host} can be reached from other machines, and there is no token that keeps others out; give --token-file "
        f"FILE, or set {VARIABLE}, or listen on 127.0.0.1"
    )
