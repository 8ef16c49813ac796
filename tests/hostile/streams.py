"""Mutations of what is packed: gzip, compressed volumes and TFRecords; and bombs of them."""

from __future__ import annotations

import gzip
import re
import struct
import zlib

from tests.hostile import binaries, texts
from tests.hostile.texts import header_and_rest
from tests.hostile.values import Random

__all__ = ["MUTATIONS", "masked_crc", "records", "write_records"]

_FRAME = 12  # bytes before a record's payload: its length, and the length's checksum
_TABLE = [0] * 256
for _byte in range(256):  # CRC-32C, RFC 3720 appendix B.4
    _value = _byte
    for _ in range(8):
        _value = (_value >> 1) ^ (0x82F63B78 if _value & 1 else 0)
    _TABLE[_byte] = _value


def zipped(mutation):
    """The same mutation, of what a gzip file holds."""

    def of_zipped(data: bytes, random: Random) -> bytes:
        return gzip.compress(mutation(gzip.decompress(data), random), mtime=0)

    of_zipped.__name__ = mutation.__name__
    return of_zipped


def gzip_bomb(data: bytes, random: Random) -> bytes:
    """What it holds, and 3 GiB of zeros behind, in 3 MB."""
    return data + gzip.compress(bytes(2**24), mtime=0) * 192


def gzip_trailer(data: bytes, random: Random) -> bytes:
    """The checksum or the length at its end does not hold."""
    place = len(data) - random.choice([8, 4])
    return data[:place] + random.randbytes(4) + data[place + 4 :]


def gzip_member_more(data: bytes, random: Random) -> bytes:
    return random.choice(
        [data + data, gzip.compress(b"", mtime=0) + data, data + b"\0" * 64, gzip.compress(data, mtime=0)]
    )


def packed_cut(data: bytes, random: Random) -> bytes:
    """A compressed volume whose stream unpacks to fewer bytes, each checksum right."""
    header, rest = header_and_rest(data)
    inner = zlib.decompress(rest, zlib.MAX_WBITS | 32)
    fewer = inner[: random.randrange(len(inner))]
    return _repacked(header, gzip.compress(fewer, mtime=0) if rest[:2] == b"\x1f\x8b" else zlib.compress(fewer))


def packed_bomb(data: bytes, random: Random) -> bytes:
    """A compressed volume whose stream unpacks to 3 GiB."""
    header, rest = header_and_rest(data)
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16 if rest[:2] == b"\x1f\x8b" else zlib.MAX_WBITS)
    first = packer.compress(b"\1") + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return _repacked(header, first + zeros * 192 + packer.flush())


def packed_flip(data: bytes, random: Random) -> bytes:
    """A byte within the packed stream: its checksum tells."""
    header, rest = header_and_rest(data)
    place = random.randrange(2, len(rest))
    return header + rest[:place] + bytes([rest[place] ^ random.randrange(1, 256)]) + rest[place + 1 :]


def record_length(data: bytes, random: Random) -> bytes:
    """A record says another length, with the checksum of it."""
    length = struct.pack("<Q", random.choice([0, 1, 2**31, 2**40, 2**63, 2**64 - 1]))
    return length + struct.pack("<I", masked_crc(length)) + data[_FRAME:]


def record_gone_or_twice(data: bytes, random: Random) -> bytes:
    found = records(data)
    number = random.randrange(len(found))
    return write_records(found[:number] + [found[number]] * random.choice([0, 2]) + found[number + 1 :])


def record_flip(data: bytes, random: Random) -> bytes:
    """Bytes of a record's message, with the right checksum."""
    found = records(data)
    number = random.randrange(len(found))
    changed = bytearray(found[number])
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] ^= random.randrange(1, 256)
    return write_records([*found[:number], bytes(changed), *found[number + 1 :]])


def record_checksum(data: bytes, random: Random) -> bytes:
    return data[:-4] + random.randbytes(4)


def feature_of_another_kind(data: bytes, random: Random) -> bytes:
    """A feature of the record becomes text, numbers, nothing, NaN, or another length."""
    from tensorflow.train import BytesList, Example, Feature, FloatList, Int64List

    found = records(data)
    number = random.randrange(len(found))
    example = Example.FromString(found[number])
    kinds = (
        *(Feature(bytes_list=BytesList(value=value)) for value in ([], [b"word"], [b"\xff\xfe"] * 3, [b"x" * 300] * 2)),
        *(
            Feature(float_list=FloatList(value=value))
            for value in ([], [float("nan")], [float("inf")] * 2, [-1, 7, 1e30])
        ),
        *(Feature(int64_list=Int64List(value=value)) for value in ([0], [-1, 2**62], [10**9] * 4)),
        Feature(),
    )
    key = random.choice(sorted(example.features.feature))
    example.features.feature[key].CopyFrom(random.choice(kinds))
    if random.random() < 0.2:
        del example.features.feature[key]
    return write_records([*found[:number], example.SerializeToString(), *found[number + 1 :]])


def records(data: bytes) -> list[bytes]:
    """The payloads of a good file of TFRecords."""
    found, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        found.append(data[place + _FRAME : place + _FRAME + length])
        place += _FRAME + length + 4
    return found


def write_records(payloads: list[bytes]) -> bytes:
    """TFRecords of payloads, their checksums right."""
    lengths = [struct.pack("<Q", len(payload)) for payload in payloads]
    return b"".join(
        length + struct.pack("<I", masked_crc(length)) + payload + struct.pack("<I", masked_crc(payload))
        for length, payload in zip(lengths, payloads, strict=True)
    )


def masked_crc(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C, rotated by 15 bits and shifted (tensorflow/core/lib/hash/crc32c.h)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _repacked(header: bytes, stream: bytes) -> bytes:
    sized = re.sub(rb"CompressedDataSize *= *\d+", b"CompressedDataSize = %d" % len(stream), header)
    return sized + stream


_OF_GZIP = (gzip_bomb, gzip_trailer, gzip_member_more)
_OF_RECORDS = (feature_of_another_kind, record_length, record_flip, record_gone_or_twice, record_checksum)
MUTATIONS = {
    "nifti.gz": (*map(zipped, binaries.MUTATIONS["nifti"]), *_OF_GZIP),
    "packed header": (*texts.MUTATIONS["header"], packed_cut, packed_bomb, packed_flip),
    "tfrecord": _OF_RECORDS,
    "tfrecord.gz": (*map(zipped, _OF_RECORDS), *_OF_GZIP),
}
