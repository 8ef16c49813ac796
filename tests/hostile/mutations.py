"""One input's mutation by a seed: bytes of any file, and what is known of its format.

mutated = mutate(data, "png", seed=7)      # the same seed, the same mutation
mutated.name, mutated.data
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile import binaries, dicoms, streams, texts, trees
from tests.hostile.values import Random

__all__ = ["OF_BYTES", "STRUCTURAL", "Mutated", "mutate"]

Mutation = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Mutated:
    """What became of a file, and what was done to it."""

    name: str
    data: bytes


def mutate(data: bytes, kind: str, seed: int) -> Mutated:
    """The seed's mutation of a file of that kind: seeds go through the mutations in turn, structural ones first."""
    choices = {**STRUCTURAL.get(kind, {}), **OF_BYTES}
    name = list(choices)[seed % len(choices)]
    return Mutated(name, choices[name](data, Random(f"{kind} {name} {seed}")))


def flip_a_byte(data: bytes, random: Random) -> bytes:
    return _flipped(data, random, 1)


def flip_bytes(data: bytes, random: Random) -> bytes:
    return _flipped(data, random, 2 + len(data) // 50)


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def cut_the_end(data: bytes, random: Random) -> bytes:
    return data[: -random.randint(1, max(1, len(data) // 10))]


def extend(data: bytes, random: Random) -> bytes:
    return data + random.choice([b"\0" * 4096, data, random.randbytes(512), b"\n\n\n", b"\xff\xd9"])


def zero_a_block(data: bytes, random: Random) -> bytes:
    start, end = _block(data, random)
    return data[:start] + b"\0" * (end - start) + data[end:]


def duplicate_a_block(data: bytes, random: Random) -> bytes:
    start, end = _block(data, random)
    return data[:end] + data[start:end] + data[end:]


def drop_a_block(data: bytes, random: Random) -> bytes:
    start, end = _block(data, random)
    return data[:start] + data[end:]


def swap_blocks(data: bytes, random: Random) -> bytes:
    start, end = _block(data, random)
    middle = (start + end) // 2
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def empty(data: bytes, random: Random) -> bytes:
    return b""


def _flipped(data: bytes, random: Random, count: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[random.randrange(len(data))] ^= random.randrange(1, 256)
    return bytes(changed)


def _block(data: bytes, random: Random) -> tuple[int, int]:
    """The start and end of a piece of up to a quarter of the file."""
    start = random.randrange(len(data))
    return start, min(len(data), start + random.randint(1, max(2, len(data) // 4)))


def _named(*functions: Mutation) -> dict[str, Mutation]:
    return {function.__name__: function for function in functions}


OF_BYTES = _named(
    *(truncate, flip_a_byte, cut_the_end, flip_bytes, zero_a_block),
    *(extend, duplicate_a_block, drop_a_block, swap_blocks, empty),
)
STRUCTURAL: dict[str, dict[str, Mutation]] = {
    kind: _named(*functions)
    for kind, functions in {
        **trees.MUTATIONS,
        **texts.MUTATIONS,
        **binaries.MUTATIONS,
        **dicoms.MUTATIONS,
        **streams.MUTATIONS,
    }.items()
}
