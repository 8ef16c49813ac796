"""A model behind a URL: TF Serving's, or that of `spine serve`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.client.address import Address, Spec
from pipeline.client.connection import Connection, connect
from pipeline.client.model import (
    DESCRIBE,
    MEMBERS,
    REGIONS,
    SERVING,
    SLICES,
    Neighbours,
    Spacing,
    answer_of,
    inputs_of_slices,
)
from pipeline.client.refusals import Patience, ServerError
from pipeline.client.signatures import Inputs, Output, wanted_outputs
from spine.answers.answer import Answer
from spine.answers.description import Description
from spine.core.problems import SpineError

__all__ = ["RemoteModel"]

_AT_FIRST = Patience(attempts=3)  # who has just typed an address is told soon that nobody is there
TIMEOUT = 120.0  # seconds: a server's first answer takes many times as long as its next


class RemoteModel:
    """A served model; open it with `RemoteModel.open`, and close it, or use it in a `with`.

    Each request names the version that the description is of. Where that is served no more, the one in its place is
    asked, and described, anew.
    """

    def __init__(
        self,
        connection: Connection,
        spec: Spec,
        description: Description | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._connection, self._spec, self._given = connection, spec, description
        self._description: Description | None = None
        self._patience = patience or Patience()
        self._look()

    @classmethod
    def open(
        cls,
        url: str,
        name: str = "",
        *,
        version: int | None = None,
        label: str = "",
        token: str = "",
        timeout: float = TIMEOUT,
        description: Description | None = None,
    ) -> RemoteModel:
        """Ask a server for a model, as `http://HOST:8501/v1/models/NAME` or `grpc://HOST:8500/v1/models/NAME`.

        `description` stands in for that of a model which has none. SpineError, ServerError where the server is not
        there, refuses the `token` or does not serve the model.
        """
        address = Address.of(url, name, version, label)
        connection = connect(address, token, timeout)
        try:
            return cls(connection, address.spec, description)
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    @property
    def description(self) -> Description:
        """The names behind its outputs; SpineError where the model tells none, and none was given."""
        if self._description is None:
            raise SpineError(
                f"the model {self._spec.name!r} at {self._connection.server} does not describe itself; export it again "
                "with `spine export`, or give the member.json beside it (--card)"
            )
        return self._description

    @property
    def name(self) -> str:
        """What it is served as."""
        return self._spec.name

    @property
    def tells_members(self) -> bool:
        """Whether it tells what its members say."""
        return MEMBERS in self._served.signatures

    @property
    def sees_boxes(self) -> bool:
        """Whether it answers boxes in pictures, each in its own way."""
        return REGIONS in self._served.signatures

    @property
    def sees_slices(self) -> bool:
        """Whether it answers pictures together with the slices next to them."""
        return SLICES in self._served.signatures

    @property
    def version(self) -> str:
        """The version that is asked."""
        return str(self._served.version)

    def answer(
        self,
        png: bytes,
        spacing: Spacing | None = None,
        *,
        members: bool = False,
        neighbours: Neighbours | None = None,
    ) -> Answer:
        """What it says of one picture; see `Model`. ServerError tells whether another picture may be answered."""
        if neighbours and self.sees_slices:
            outputs = self.outputs([png], slices=inputs_of_slices([neighbours], self.description.task))
        else:
            outputs = self.outputs([png], members=members)
        return answer_of(outputs, self.description, self.version, png, spacing)

    def outputs(
        self,
        images: Sequence[bytes],
        *,
        members: bool = False,
        only: Collection[str] = (),
        boxes: np.ndarray | None = None,
        slices: Inputs | None = None,
    ) -> dict[str, np.ndarray]:
        """The outputs for PNG or JPEG files by name: what an answer is made of, or `only` those that are named.

        Of the signature `members` where those are asked for and told. With `boxes` (N, 4) float32, y0 x0 y1 x1 in
        [0, 1] of each file, of `regions`, which `sees_boxes` tells of. With what the signature of that name takes
        beside them, of `slices`, which `sees_slices` tells of. SpineError where the model has no such output.
        """
        inputs: Inputs = {"image_bytes": images, **({} if boxes is None else {"boxes": boxes}), **(slices or {})}
        signature = REGIONS if boxes is not None else MEMBERS if members and self.tells_members else SERVING
        signature = SLICES if slices else signature
        try:
            return self._ask(signature, inputs, only)
        except ServerError as error:
            if error.code != "NOT_FOUND" or self._spec.version is not None:
                raise
        self._look()
        return self._ask(signature, inputs, only)

    def _ask(self, signature: str, inputs: Inputs, only: Collection[str]) -> dict[str, np.ndarray]:
        known = self._served.signatures[signature]
        if lacking := sorted(set(only) - known.keys()):
            raise SpineError(
                f"the model {self._spec.name!r} at {self._connection.server} has no outputs {lacking}, only "
                f"{sorted(known)}; see that it is the model that was meant"
            )
        wanted = {name: known[name] for name in only or wanted_outputs(known)}
        return self._predict(signature, inputs, wanted)

    def _predict(self, signature: str, inputs: Inputs, outputs: Mapping[str, Output]) -> dict[str, np.ndarray]:
        spec = self._spec.at(self._served.version)
        return self._patience.ask(lambda: self._connection.predict(spec, signature, inputs, outputs))

    def _look(self) -> None:
        """Ask which version is served, and what it is."""
        self._served = _AT_FIRST.ask(lambda: self._connection.served(self._spec))
        if SERVING not in self._served.signatures:
            raise SpineError(
                f"the model {self._spec.name!r} at {self._connection.server} has no signature {SERVING}, only "
                f"{sorted(self._served.signatures)}; serve a model that `spine export` wrote"
            )
        self._description = self._given or self._describe()

    def _describe(self) -> Description | None:
        if DESCRIBE not in self._served.signatures:
            return None
        outputs = self._predict(DESCRIBE, {"question": [b"?"]}, self._served.signatures[DESCRIBE])
        return Description.from_json(outputs["json"][0])
