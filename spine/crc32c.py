"""The checksum CRC-32C (Castagnoli) of bytes, as TFRecords have it.

A CRC is linear over GF(2): that of two blocks is the first's, moved over as many zero bytes as the second has, plus the
second's. So all pairs of a block are joined at once, then all fours, and so on. Source: RFC 3720, appendix B.4.
"""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["crc32c", "masked_crc32c"]

_POLYNOMIAL = 0x82F63B78  # bits reversed
_ONES = 0xFFFFFFFF
_BLOCK_BITS = 16  # blocks of 64 KiB: what is joined stays in the processor's cache


def crc32c(data: bytes) -> int:
    """The checksum of `data`: 0xE3069283 of b"123456789"."""
    state = _ONES
    for start in range(0, len(data), 1 << _BLOCK_BITS):
        block = data[start : start + (1 << _BLOCK_BITS)]
        state = _moved(state, len(block)) ^ _plain(block)
    return state ^ _ONES


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecords store it, rotated and moved, so that one of bytes that hold one stays good.

    Source: tensorflow/core/lib/hash/crc32c.h.
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def _plain(block: bytes) -> int:
    """The checksum that begins with no bit set and inverts none: zero bytes before the block change nothing."""
    size = 1 << (len(block) - 1).bit_length()
    states = _of_bytes()[np.frombuffer(block.rjust(size, b"\0"), np.uint8)]
    for power in range(size.bit_length() - 1):
        states = _apply(_shift(power), states[0::2]) ^ states[1::2]
    return int(states[0])


def _moved(state: int, count: int) -> int:
    """A state after `count` zero bytes."""
    states = np.array([state], np.uint32)
    for power in range(count.bit_length()):
        if count >> power & 1:
            states = _apply(_shift(power), states)
    return int(states[0])


def _apply(tables: np.ndarray, states: np.ndarray) -> np.ndarray:
    """States after the zero bytes of a shift, each byte of a state looked up in its table."""
    found = tables[0][states & 0xFF]
    for place in (1, 2, 3):
        found ^= tables[place][states >> 8 * place & 0xFF]
    return found


@cache
def _shift(power: int) -> np.ndarray:
    """(4, 256) uint32: what each byte of a state becomes after 2^power zero bytes."""
    if power:
        half = _shift(power - 1)
        return np.stack([_apply(half, table) for table in half])
    states = np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]
    return _of_bytes()[states & 0xFF] ^ (states >> 8)


@cache
def _of_bytes() -> np.ndarray:
    """(256,) uint32: the checksum of each byte."""
    states: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = states >> 1 ^ np.where(states & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return states
