"""TFRecord files: frames, shards, and what damage leaves of them."""

import gzip
import struct

import numpy as np
import pytest
import tensorflow as tf

from spine.annotations import tfrecords
from spine.annotations.tfrecords import Damaged, masked_crc32c, read_records

PAYLOADS = [b"one", b"", np.random.default_rng(0).bytes(70_000), b"four" * 100]


def framed(payload, length=None, length_checksum=None, checksum=None):
    head = struct.pack("<Q", len(payload) if length is None else length)
    sums = [masked_crc32c(head) if length_checksum is None else length_checksum]
    sums += [masked_crc32c(payload) if checksum is None else checksum]
    return head + struct.pack("<I", sums[0]) + payload + struct.pack("<I", sums[1])


def written(tmp_path, *frames, packed=False):
    data = b"".join(frames)
    (tmp_path / "x.tfrecord").write_bytes(gzip.compress(data) if packed else data)
    return tmp_path / "x.tfrecord"


def told(file):
    return [str(record) if isinstance(record, Damaged) else record for _, record in read_records(file)]


@pytest.mark.parametrize("packing", ["", "GZIP"])
def test_what_tensorflow_writes_is_read(tmp_path, packing):
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord"), packing) as writer:
        for payload in PAYLOADS:
            writer.write(payload)
    assert list(read_records(tmp_path / "x.tfrecord")) == list(enumerate(PAYLOADS))


def test_what_is_written_tensorflow_reads(tmp_path):
    with tfrecords.shards(tmp_path / "x", 2) as opened:
        for payload in PAYLOADS:
            opened.write(payload)
    files = [str(tmp_path / f"x.tfrecord-{shard:05}-of-00002") for shard in (0, 1)]
    found = [list(tf.data.TFRecordDataset(file).as_numpy_iterator()) for file in files]
    assert found == [PAYLOADS[0::2], PAYLOADS[1::2]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", [2**40, 2**63, 2**64 - 1, tfrecords.MAX_RECORD + 1])
def test_a_length_that_no_file_has_is_told_and_not_believed(tmp_path, length, packed):
    file = written(tmp_path, framed(b"first"), framed(b"second", length=length), framed(b"third"), packed=packed)
    first, second = told(file)
    assert first == b"first"
    assert second.startswith(f"states {length:,} bytes") or second.startswith("is cut short")
    assert second.endswith("what follows it in the file cannot be reached")


@pytest.mark.parametrize("packed", [False, True])
def test_behind_a_payload_that_does_not_hold_records_are_read(tmp_path, packed):
    file = written(tmp_path, framed(b"first"), framed(b"second", checksum=7), framed(b"third"), packed=packed)
    assert told(file) == [b"first", "is damaged: its checksum does not hold", b"third"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_length_whose_checksum_alone_is_damaged_still_leads_on(tmp_path, packed):
    file = written(tmp_path, framed(b"first", length_checksum=7), framed(b"second"), packed=packed)
    assert told(file) == ["is damaged: the checksum of its length does not hold", b"second"]


@pytest.mark.parametrize("length", [4, 6, 10, 2**50])
def test_a_damaged_length_leads_nowhere(tmp_path, length):
    right = masked_crc32c(struct.pack("<Q", 5))
    file = written(tmp_path, framed(b"first", length=length, length_checksum=right), framed(b"second"))
    (fault,) = told(file)
    lost = "what follows it in the file cannot be reached"
    assert fault == f"is damaged: the checksum of its length does not hold; {lost}"


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_at_any_byte_gives_its_whole_records(tmp_path, packed):
    file = written(tmp_path, framed(b"first"), framed(b"second"), packed=packed)
    whole = file.read_bytes()
    for length in range(1, len(whole)):
        file.write_bytes(whole[:length])
        found = told(file)
        assert found[:-1] == [b"first", b"second"][: len(found) - 1]
        assert found[-1] in (b"first", b"second") or "is cut short" in found[-1] or "damaged" in found[-1]
        assert packed or found[-1] == b"first" or "is cut short" in found[-1]


def test_a_gzip_that_is_damaged_within_is_told(tmp_path):
    file = written(tmp_path, *(framed(np.random.default_rng(n).bytes(5000)) for n in range(3)), packed=True)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    found = told(file)
    assert any("is damaged" in record for record in found if isinstance(record, str))


def test_a_stream_that_unpacks_to_more_than_there_is_room_for_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecords, "MAX_BYTES", 100_000)
    file = written(tmp_path, *[framed(bytes(40_000))] * 50, packed=True)
    assert file.stat().st_size < 10_000
    found = told(file)
    assert [len(record) for record in found[:-1]] == [40_000] * 2
    assert found[-1].startswith("states 40,000 bytes, of which")


def test_a_plain_file_whose_first_length_looks_like_gzip_is_read(tmp_path):
    payload = bytes(0x88B1F)  # its length begins with the bytes 1f 8b 08
    assert told(written(tmp_path, framed(payload))) == [payload]
