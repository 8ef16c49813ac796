"""Where the archive is, and what it is asked with: credentials come from the environment or a file, never as words of
a command, which every user of the machine can read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth

from spine.core.hosts import is_loopback
from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.core.yaml_files import load_yaml

__all__ = ["Address", "Credentials", "origin_of"]

_VARIABLES = {"user": "SPINE_PACS_USER", "password": "SPINE_PACS_PASSWORD", "token": "SPINE_PACS_TOKEN"}
_PORTS = {"http": 80, "https": 443}


class Credentials(Strict):
    """A user with a password (HTTP Basic), or a bearer token; none of them where the archive asks for none."""

    user: str = ""
    password: str = ""
    token: str = ""

    @classmethod
    def of(cls, file: Path | None, environment: Mapping[str, str] = os.environ) -> Credentials:
        """Those of a YAML file, else of the environment; SpineError where they are neither pair nor token."""
        given = load_yaml(file) if file else {key: environment.get(name, "") for key, name in _VARIABLES.items()}
        where = str(file) if file else ", ".join(_VARIABLES.values())
        found = validate(cls, given, where)
        if bool(found.user) != bool(found.password) or (found.user and found.token):
            raise SpineError(f"{where}: give `user` and `password`, or `token` alone")
        if not "".join((found.user, found.password, found.token)).isprintable():
            raise SpineError(f"{where}: a letter of it cannot be sent in a header; is there an end of line too many?")
        return found

    def __bool__(self) -> bool:
        return bool(self.user or self.token)

    @property
    def auth(self) -> AuthBase:
        """What adds them to a request. Where there are none, nothing is added: no other program's ~/.netrc either."""
        if self.user:
            return HTTPBasicAuth(self.user.encode(), self.password.encode())
        return _Header(f"Bearer {self.token}" if self.token else "")


class _Header(AuthBase):
    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


@dataclass(frozen=True)
class Address:
    """The root of a DICOMweb service, such as https://pacs.example.org/dicom-web, and the credentials for it."""

    url: str
    credentials: Credentials = field(default_factory=Credentials, repr=False)

    def __post_init__(self) -> None:
        parts = _split(self.url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
            raise SpineError(
                f"{_shown(parts)} is no root of DICOMweb; give one such as http://127.0.0.1:8042/dicom-web"
            )
        if parts.username or parts.password:
            raise SpineError(
                f"{_shown(parts)} has a user or a password in it; see `spine pacs --help` for where they go"
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return origin_of(self.url)

    @property
    def is_open(self) -> bool:
        """Whether credentials go unencrypted over a network."""
        scheme, host, _ = self.origin
        return bool(self.credentials) and scheme == "http" and not is_loopback(host)


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL."""
    parts = _split(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - it is looked at when it is asked for
    except ValueError as error:
        raise SpineError(f"the URL of the archive cannot be read ({error}); check it") from None
    return parts


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
