"""What a request asks of a signature: checked, and handed to the queue. REST and gRPC meet here."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from pipeline.server.batching import Batcher, Task
from pipeline.server.limits import Limits
from pipeline.server.pictures import Size, bounded, sizes_of
from pipeline.server.refusals import invalid
from pipeline.server.servable import Inputs, Outputs, Signature

__all__ = ["Prediction"]

_FILES = "image_bytes"  # the contract's input of PNG and JPEG files
_NEIGHBOURS = ("before", "after")  # and of the slices next to them, empty where there are none
_SIZES = "sizes"  # the contract's input, with prepared images, of what sizes the answer takes
_IMAGES = 4  # axes of decoded images: N, H, W, C


@dataclass(frozen=True)
class Prediction:
    """Answers inputs by a signature, within limits."""

    batcher: Batcher
    limits: Limits

    def submit(self, signature: Signature, inputs: Inputs, timeout: float | None = None) -> Future[Outputs]:
        """The future answer; Refusal where the inputs are not the signature's, too large, or the queue is full."""
        _check_names(signature, inputs)
        shaped = {name: _shaped(signature, name, value) for name, value in inputs.items()}
        sizes, pixels = bounded(_picture_sizes(shaped), self.limits.pixels)
        deadline = time.monotonic() + (self.limits.timeout if timeout is None else timeout)
        rows = {name: len(value) if value.ndim else 0 for name, value in shaped.items()}
        _check_rows(signature, rows, self.limits.rows)
        key = _key(signature, shaped, sizes) if len(set(rows.values())) == 1 else None
        return self.batcher.submit(Task(signature, shaped, max(rows.values(), default=0), pixels, key, deadline))


def _check_names(signature: Signature, inputs: Inputs) -> None:
    """In the words of TF Serving's predict_util.cc."""
    asked, known = set(inputs), set(signature.inputs)
    if asked == known:
        return
    if len(asked) == len(known):
        extra = min(asked - known)
        raise invalid(
            f"input tensor alias not found in signature: {extra}. Inputs expected to be in the set "
            f"{{{','.join(sorted(known))}}}."
        )
    listed = {name: ",".join(sorted(names)) for name, names in (("asked", asked), ("known", known))}
    raise invalid(
        f"input size does not match signature: {len(asked)}!={len(known)} len({{{listed['asked']}}}) != "
        f"len({{{listed['known']}}}). Sent extra: {{{','.join(sorted(asked - known))}}}. Missing but required: "
        f"{{{','.join(sorted(known - asked))}}}."
    )


def _shaped(signature: Signature, name: str, value: np.ndarray) -> np.ndarray:
    """An input of the signature's type and shape; Refusal of another. No axis but the first may be empty."""
    dtype = signature.dtype_of(name)
    given = "string" if value.dtype == object else value.dtype.name
    if given != dtype.name:
        raise invalid(f"input {name!r} is of type {given}, and the signature takes {dtype.name}")
    shape = signature.inputs[name].tensor_shape
    wanted = None if shape.unknown_rank else [dim.size for dim in shape.dim]
    if wanted is not None and not _fits(value.shape, wanted):
        raise invalid(f"input {name!r} has shape {list(value.shape)}, and the signature takes {_told(wanted)}")
    if 0 in value.shape[1:]:
        raise invalid(f"input {name!r} has shape {list(value.shape)}: an axis other than the first is empty")
    return value


def _check_rows(signature: Signature, rows: Mapping[str, int], most: int) -> None:
    """Refusal of more rows than are answered, and, of a signature of rows, of inputs that differ in how many there are:
    a model may answer the first of them alone.
    """
    if max(rows.values(), default=0) > most:
        raise invalid(f"the request has {max(rows.values()):,} rows, and {most:,} can be answered; send it in parts")
    if signature.is_batched and len(set(rows.values())) > 1:
        told = ", ".join(f"{count:,} of {name!r}" for name, count in sorted(rows.items()))
        raise invalid(f"the request has {told}: every input has a row for each answer, so send as many of each")


def _fits(shape: tuple[int, ...], wanted: list[int]) -> bool:
    return len(shape) == len(wanted) and all(need in (-1, size) for size, need in zip(shape, wanted, strict=True))


def _told(wanted: list[int]) -> str:
    return f"[{', '.join('?' if size < 0 else str(size) for size in wanted)}]"


def _picture_sizes(inputs: Inputs) -> Iterator[Size]:
    """Height and width of every picture of a request: of files by their headers, of decoded images by their shape, and
    of prepared ones also what they are to become again.
    """
    for name, value in inputs.items():
        if name == _FILES and value.dtype == object:
            yield from sizes_of(value.flat, name)
        elif name in _NEIGHBOURS and value.dtype == object:
            yield from sizes_of((file for file in value.flat if file), name)
        elif value.ndim == _IMAGES:
            yield from repeat(value.shape[1:3], len(value))
        elif name == _SIZES and value.shape[1:] == (2,):
            yield from map(tuple, value.tolist())


def _key(signature: Signature, inputs: Inputs, sizes: list[Size]) -> Hashable:
    """What tasks that go together share; None where a task goes alone."""
    if not signature.is_batched or len(set(sizes)) > 1 or not any(len(value) for value in inputs.values()):
        return None
    shapes: Any = sorted((name, value.shape[1:]) for name, value in inputs.items())
    return (signature, tuple(shapes), sizes[0] if sizes else None)
