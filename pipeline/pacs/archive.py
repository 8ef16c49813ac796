"""An archive that speaks DICOMweb: what of a study it has (QIDO), its instances as files (WADO), and results for it
(STOW). What goes wrong is one sentence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient

from pipeline.pacs.address import Address
from pipeline.pacs.bounded import Broken, Budget, session_of
from spine.core.files import atomic_file
from spine.core.problems import SpineError, brief, one_file, printable
from spine.images.dicom.headers import quiet

__all__ = ["Archive", "Instance", "Refusal"]

_STUDY, _SERIES, _INSTANCE, _CLASS = "0020000D", "0020000E", "00080018", "00080016"
_FAILED, _REFERENCED, _REASON = "00081198", "00081155", "00081197"
_DUPLICATE = str(0x0111)  # of FailureReason (PS3.3 C.14.1.1): another run has stored it just now
_PAGE = 1000  # instances asked for at a time
_TIMEOUT = (10, 120)  # seconds to connect, and without a byte
_UID = re.compile(r"[0-9.]{1,64}")

logging.getLogger("dicomweb_client").addHandler(logging.NullHandler())
logging.getLogger("dicomweb_client").propagate = False  # it logs UIDs, and what servers say


@dataclass(frozen=True)
class Instance:
    """One object of a study, by its UIDs."""

    study: str
    series: str
    uid: str
    sop_class: str


@dataclass(frozen=True)
class Refusal:
    """An object that the archive did not store: its UID, and the reason that it gave (PS3.3 C.14.1.1)."""

    uid: str
    reason: str


class Archive:
    """The service at an address. `most_bytes` are what one study, and all that is told of it, may have."""

    def __init__(self, address: Address, most_bytes: int) -> None:
        self.address = address
        self._url = address.url
        self.budget = Budget(most_bytes)
        self._session = session_of(address, self.budget)
        self._client = DICOMwebClient(address.url, self._session, permissive_uid=True, timeout=_TIMEOUT)
        self._client.set_http_retry_params(retry=False)  # it would wait for what is no matter of time, too
        self._client.set_chunk_size(2**31)  # a body in one piece, which can be sent again

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def studies(self, since: str = "") -> list[str]:
        """The UIDs of studies since a day (YYYYMMDD); without one, of all."""
        wanted = {"search_filters": {"StudyDate": f"{since}-"}} if since else {}
        self.budget.renew()
        with self._asking("its studies"):
            return [
                uid for found in self._pages(self._client.search_for_studies, **wanted) if (uid := _text(found, _STUDY))
            ]

    def instances(self, study: str, most: int) -> list[Instance]:
        """All objects of a study; SpineError where there are none, or more than `most`."""
        self.budget.renew()
        found: list[Instance] = []
        with self._asking("the list of the study's images"):
            try:
                for one in self._pages(self._client.search_for_instances, study_instance_uid=checked_uid(study)):
                    found.append(Instance(study, _text(one, _SERIES), _text(one, _INSTANCE), _text(one, _CLASS)))
                    if len(found) > most:
                        raise SpineError(f"the study has more than {most} images; give --most-instances if it is right")
            except requests.HTTPError as error:
                if _status(error) != 404:
                    raise
        if not found:
            raise SpineError(f"{self._url} has no study of this UID, or none that may be seen; check the UID")
        return [one for one in found if _UID.fullmatch(one.series) and _UID.fullmatch(one.uid)]

    def fetch(self, instance: Instance, path: Path) -> None:
        """Write one object as a DICOM file."""
        with self._asking("an image"), quiet():
            dataset = self._client.retrieve_instance(instance.study, instance.series, instance.uid)
        with one_file(path), quiet(), atomic_file(path) as temporary:
            dataset.save_as(temporary)

    def store(self, study: str, results: Sequence[Any]) -> list[Refusal]:
        """Store datasets of pydicom with a study; gives the refused. What is there already counts as stored."""
        with self._asking("the storing of results"), quiet():
            try:
                answer = self._client.store_instances(results, study)
            except requests.HTTPError as error:
                told = _json(error.response)
                if _FAILED not in told:
                    raise
                return list(_refused(told))
            return list(_refused(answer.to_json_dict()))

    def _pages(self, search: Any, **options: Any) -> Iterator[Mapping[str, Any]]:
        """All that is found, page by page, until one has nothing new: a server may give fewer than it is asked for, and
        one that knows no pages gives all of them at once, and again.
        """
        seen: set[str] = set()
        while True:
            page = search(limit=_PAGE, offset=len(seen), **options)
            new = {key: one for one in page if (key := _text(one, _INSTANCE) or _text(one, _STUDY)) not in seen}
            yield from new.values()
            seen |= set(new)
            if not new:
                return

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn what the network and the other side may do into one sentence."""
        try:
            yield
        except SpineError:
            raise
        except requests.HTTPError as error:
            kind = Broken if _status(error) in (401, 403) else SpineError
            raise kind(self._of_status(_status(error), what)) from None
        except requests.Timeout:
            raise Broken(f"{self._url} was asked for {what} and does not answer; try again later") from None
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            raise Broken(f"{self._url} broke off while it sent {what}; run the same command again") from None
        except requests.exceptions.SSLError as error:
            raise Broken(
                f"{self._url} shows no certificate that is trusted here ({_reason(error)}); REQUESTS_CA_BUNDLE names "
                "the file of those that are"
            ) from None
        except (requests.exceptions.InvalidJSONError, requests.exceptions.InvalidURL) as error:
            raise self._no_dicomweb(error, what) from None
        except requests.RequestException as error:
            raise Broken(
                f"{self._url} cannot be reached ({type(error).__name__}, for {what}); check the address, and that the "
                "archive runs"
            ) from None
        except Exception as error:  # what is no DICOM, no JSON, no multipart breaks its parser in a dozen ways
            raise self._no_dicomweb(error, what) from None

    def _no_dicomweb(self, error: Exception, what: str) -> SpineError:
        return SpineError(
            f"{self._url} answers with something that is no DICOMweb ({type(error).__name__}, for {what}); check that "
            "the address is the root of its DICOMweb, such as http://127.0.0.1:8042/dicom-web"
        )

    def _of_status(self, status: int, what: str) -> str:
        if status in (401, 403):
            return (
                f"{self._url} refuses {what} to these credentials ({status}); set SPINE_PACS_USER and "
                "SPINE_PACS_PASSWORD, or SPINE_PACS_TOKEN, or give --credentials FILE"
            )
        return f"{self._url} answers {status} to a request for {what}; look into the archive's own log"


def checked_uid(uid: str) -> str:
    """The UID, if it is one: it becomes part of addresses."""
    if not _UID.fullmatch(uid):
        raise SpineError(f"{printable(brief(uid, 70))!r} is no DICOM UID, which has digits and dots only; check it")
    return uid


def _text(found: Mapping[str, Any], tag: str) -> str:
    values = found.get(tag, {}).get("Value") or [""]
    return str(values[0])


def _reason(error: requests.RequestException) -> str:
    """Why, without the address asked for, in which there are UIDs."""
    cause = error.args[0] if error.args else error
    return brief(str(getattr(cause, "reason", None) or type(cause).__name__))


def _status(error: requests.HTTPError) -> int:
    return 0 if error.response is None else error.response.status_code


def _json(response: requests.Response | None) -> Mapping[str, Any]:
    try:
        told = response.json() if response is not None else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _refused(told: Mapping[str, Any]) -> Iterator[Refusal]:
    for one in (told.get(_FAILED) or {}).get("Value") or []:
        refusal = Refusal(_text(one, _REFERENCED), _text(one, _REASON))
        if refusal.reason != _DUPLICATE:
            yield refusal
