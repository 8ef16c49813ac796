"""CRC-32C as TFRecords mask it."""

import numpy as np
import pytest

from spine.annotations.tfrecords import masked_crc32c

# RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms.
KNOWN = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
]


def bit_by_bit(data):
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def crc32c(data):
    """The checksum without its mask."""
    turned = (masked_crc32c(data) - 0xA282EAD8) % 2**32
    return (turned >> 17 | turned << 15) % 2**32


@pytest.mark.parametrize(("data", "checksum"), KNOWN)
def test_known_values(data, checksum):
    assert crc32c(data) == checksum


@pytest.mark.parametrize("length", [1, 2, 3, 255, 256, 257, 2**16 - 1, 2**16, 2**16 + 1, 2**17 + 5])
def test_every_length_equals_the_sum_bit_by_bit(length):
    data = np.random.default_rng(length).bytes(length)
    assert crc32c(data) == bit_by_bit(data)


def test_the_mask_turns_and_adds():
    turned = 0xE3069283 >> 15 | (0xE3069283 << 17) % 2**32
    assert masked_crc32c(b"123456789") == (turned + 0xA282EAD8) % 2**32
