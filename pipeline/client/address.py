"""Where a model is served: protocol, host, the model's name, and which version is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from spine.core.hosts import is_loopback
from spine.core.problems import SpineError

__all__ = ["EXPOSED", "Address", "Spec"]

EXPOSED = "pictures, answers and token travel unencrypted; use https:// or grpcs:// beyond a network that you trust"

_PORTS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}
_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d{1,18})|/labels/([^/:]+))?(?::predict|/metadata)?/?")
_FORM = (
    "give http://HOST:8501/v1/models/NAME or grpc://HOST:8500/v1/models/NAME, with /versions/N or /labels/LABEL behind "
    "it where it is not the newest version"
)


@dataclass(frozen=True)
class Spec:
    """A model by name, and its version by number or label; by neither the newest."""

    name: str
    version: int | None = None
    label: str = ""

    @property
    def path(self) -> str:
        """In the REST API."""
        version = f"/versions/{self.version}" if self.version is not None else ""
        label = f"/labels/{quote(self.label, safe='')}" if self.label else ""
        return f"/v1/models/{quote(self.name, safe='')}{version or label}"

    def at(self, version: int) -> Spec:
        """The same model at a version."""
        return replace(self, version=version, label="")


@dataclass(frozen=True)
class Address:
    """A server and the model that is asked of it."""

    scheme: str  # http, https, grpc or grpcs
    host: str
    port: int
    spec: Spec

    @classmethod
    def of(cls, url: str, name: str = "", version: int | None = None, label: str = "") -> Address:
        """The address in a URL; `name`, `version` and `label` may be given beside it. SpineError where it is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise SpineError(f"{url!r} is no address ({error}); {_FORM}") from None
        found = _PATH.fullmatch(parts.path) if parts.path.strip("/") else None
        if parts.scheme not in _PORTS or not host or (parts.path.strip("/") and not found):
            raise SpineError(f"{url!r} is no address of a model; {_FORM}")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise SpineError(f"the address of {host} has more than a model's path; {_FORM}. A token is given apart")
        in_url = (
            Spec(unquote(found[1]), int(found[2]) if found[2] else None, unquote(found[3] or "")) if found else None
        )
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], _spec(in_url, url, name, version, label))

    @property
    def server(self) -> str:
        """The address of the server alone, with its scheme."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_exposed(self) -> bool:
        """Whether what is sent can be read on its way: without encryption, to another machine."""
        return self.scheme in ("http", "grpc") and not is_loopback(self.host)


def _spec(in_url: Spec | None, url: str, name: str, version: int | None, label: str) -> Spec:
    if in_url and name not in ("", in_url.name):
        raise SpineError(f"{url} names the model {in_url.name!r}, and {name!r} is asked for; give one of them")
    if not (name := in_url.name if in_url else name):
        raise SpineError(f"{url} does not say which model is asked; {_FORM}, or name it apart (--model)")
    spec = Spec(
        name,
        version if version is not None else in_url.version if in_url else None,
        label or (in_url.label if in_url else ""),
    )
    if spec.version is not None and spec.label:
        raise SpineError(f"version {spec.version} and label {spec.label!r} are asked for at once; give one of them")
    return spec
