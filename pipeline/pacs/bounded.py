"""HTTP within bounds: one origin, so many bytes, so much time, however the other side behaves."""

from __future__ import annotations

import time
from typing import Any

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from pipeline.pacs.address import Address, origin_of
from spine.core.problems import SpineError

__all__ = ["Broken", "Budget", "TooLarge", "session_of"]

_BLOCK = 2**16
_LONGEST = 600.0  # seconds of one answer, which may come drop by drop
_MIB = 2**20


# A server that is busy is asked three times; what was sent to be stored may be sent again, since UIDs tell it is there.
_RETRY = Retry(
    2,
    read=0,
    status_forcelist=(429, 503),
    allowed_methods=None,
    backoff_factor=0.5,
    raise_on_status=False,
    respect_retry_after_header=False,  # it may ask for days
)


class Broken(SpineError):
    """The connection as a whole is of no use, so that asking for the next image would not help."""


class TooLarge(Broken):
    """A study has more bytes than may be received of one; another one may have fewer."""


class Budget:
    """How many bytes may still be received."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most

    def renew(self) -> None:
        """All of them again: of the next study."""
        self.left = self.most

    def spend(self, count: int) -> None:
        """SpineError where they are not there."""
        self.left -= count
        if self.left < 0:
            raise TooLarge(
                f"the archive sends more than the {self.most / _MIB:.0f} MiB that a study may have; give --most-mib, "
                "or --series with one of its series"
            )


def session_of(address: Address, budget: Budget) -> requests.Session:
    """A session for that address alone, which sends its credentials nowhere else."""
    session = requests.Session()
    session.auth = address.credentials.auth
    session.headers["Accept"] = "application/dicom+json"  # of answers to STOW, where nothing else is asked for
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(address, budget))
    return session


class _Adapter(HTTPAdapter):
    """Every request passes here, those that follow a redirect too."""

    def __init__(self, address: Address, budget: Budget) -> None:
        super().__init__(max_retries=_RETRY)
        self._address, self._budget = address, budget

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        """The response, read whole."""
        if origin_of(request.url or "") != self._address.origin:
            scheme, host, port = origin_of(request.url or "")
            raise Broken(
                f"{self._address.url} sends us on to {scheme}://{host}:{port}, which was not asked for; give that "
                "address if it is the archive's"
            )
        options["stream"] = True
        response = super().send(request, *arguments, **options)
        try:
            self._check_stored(request, response)
            response._content = self._read(response)
        except BaseException:
            response.close()
            raise
        response._content_consumed = True  # type: ignore[attr-defined]
        return response

    def _check_stored(self, request: PreparedRequest, response: Response) -> None:
        if response.is_redirect and request.method == "POST":  # it would be followed as GET, and nothing be stored
            raise Broken(f"{self._address.url} stores elsewhere ({response.status_code}); give the address it has now")

    def _read(self, response: Response) -> bytes:
        content, end = bytearray(), time.monotonic() + _LONGEST
        for block in response.iter_content(_BLOCK):
            self._budget.spend(len(block))
            content += block
            if time.monotonic() > end:
                raise requests.Timeout(f"an answer took longer than {_LONGEST:.0f} s")
        return bytes(content)
