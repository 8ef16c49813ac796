"""A server of models by one of TF Serving's two protocols: over_rest.py or over_grpc.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from pipeline.client.address import Address, Spec
from pipeline.client.signatures import Inputs, Output, Served

__all__ = ["Connection", "connect"]


class Connection(Protocol):
    """What both can be asked; ServerError where the server refuses, or is not there."""

    server: str

    def served(self, spec: Spec) -> Served:
        """The version that a spec means, and its signatures."""
        ...

    def predict(
        self, spec: Spec, signature: str, inputs: Inputs, outputs: Mapping[str, Output]
    ) -> dict[str, np.ndarray]:
        """Those outputs of a signature, by name."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def connect(address: Address, token: str, timeout: float) -> Connection:
    """A connection that opens with its first request; each has `timeout` seconds."""
    if address.scheme in ("http", "https"):
        from pipeline.client.over_rest import OverRest

        return OverRest(address, token, timeout)
    from pipeline.client.over_grpc import OverGrpc

    return OverGrpc(address, token, timeout)
