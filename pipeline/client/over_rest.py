"""A model over TF Serving's REST API."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pipeline.client.address import Address, Spec
from pipeline.client.refusals import ServerError, from_http
from pipeline.client.signatures import Inputs, Output, Served
from spine.core.problems import SpineError, brief

__all__ = ["OverRest"]

_MOST = 2**30  # bytes of one answer, unpacked
_MOST_OF_ERROR = 2**16


class OverRest:
    """Asks in the column format, whose answer names each output once. Takes answers packed by gzip."""

    def __init__(self, address: Address, token: str, timeout: float) -> None:
        import httpx

        self.server = address.server
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=address.server,
            headers=headers,
            timeout=timeout,
            verify=ssl.create_default_context(),  # the system's certificates, or those of SSL_CERT_FILE
            trust_env=False,  # no proxy gets to see a picture, and no ~/.netrc speaks for us
        )

    def served(self, spec: Spec) -> Served:
        """What is told of a version; ServerError where there is none."""
        told = self._json("GET", f"{spec.path}/metadata")
        try:
            version = int(told["model_spec"]["version"])
            signatures = told["metadata"]["signature_def"]["signature_def"]
            return Served(version, {name: _outputs(one) for name, one in signatures.items()})
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._no_answer("it tells no signatures") from None

    def predict(
        self, spec: Spec, signature: str, inputs: Inputs, outputs: Mapping[str, Output]
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature by name; all of them, since REST knows no choice."""
        encoded = {name: _encoded(values) for name, values in inputs.items()}
        answer = self._json("POST", f"{spec.path}:predict", {"signature_name": signature, "inputs": encoded})
        values = answer.get("outputs") if isinstance(answer, dict) else None
        if len(outputs) == 1 and not isinstance(values, dict):  # the only output of a signature has no name
            values = {next(iter(outputs)): values}
        if not isinstance(values, dict) or (lacking := sorted(outputs.keys() - values.keys())):
            raise self._no_answer(
                f"it lacks the outputs {lacking}" if isinstance(values, dict) else "it has no outputs"
            )
        return {name: output.array(values[name], name) for name, output in outputs.items()}

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def _json(self, method: str, path: str, content: Any = None) -> Any:
        try:
            return json.loads(self._request(method, path, content))
        except (ValueError, RecursionError):
            raise self._no_answer("it is no JSON") from None

    def _request(self, method: str, path: str, content: Any) -> bytes:
        import httpx

        try:
            with self._client.stream(method, path, json=content) as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response)
                return self._body(response, _MOST)
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise ServerError(self.server, "UNAVAILABLE", "it cannot be reached in time") from None
            raise ServerError(self.server, "DEADLINE_EXCEEDED", "no answer came in time") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ServerError(self.server, "UNAVAILABLE", f"the connection failed ({brief(str(error))})") from None

    def _body(self, response: Any, most: int) -> bytes:
        body = bytearray()
        for block in response.iter_bytes():
            body += block
            if len(body) > most:
                raise self._no_answer(f"it has more than {most:,} bytes; ask for one picture at a time, or by gRPC")
        return bytes(body)

    def _refusal(self, response: Any) -> ServerError:
        words = f"HTTP status {response.status_code}"
        with suppress(ValueError, KeyError, TypeError, RecursionError, SpineError):  # of a proxy's page
            words = json.loads(self._body(response, _MOST_OF_ERROR))["error"]
        wait = response.headers.get("retry-after", "")
        return from_http(self.server, response.status_code, str(words), float(wait) if wait.isdecimal() else None)

    def _no_answer(self, why: str) -> SpineError:
        return SpineError(
            f"what {self.server} sends is no answer of TF Serving: {why}. See that the address is of its REST API "
            "(port 8501), or of gRPC (8500) with grpc://"
        )


def _encoded(values: Sequence[bytes] | np.ndarray) -> list[Any]:
    if isinstance(values, np.ndarray):
        numbers: list[Any] = values.tolist()
        return numbers
    return [{"b64": base64.b64encode(value).decode("ascii")} for value in values]


def _outputs(signature: Mapping[str, Any]) -> dict[str, Output]:
    return {
        name: Output(str(told["dtype"]), _shape(told["tensor_shape"])) for name, told in signature["outputs"].items()
    }


def _shape(told: Mapping[str, Any]) -> tuple[int, ...] | None:
    if told.get("unknown_rank"):
        return None
    return tuple(int(axis["size"]) for axis in told.get("dim", ()))
