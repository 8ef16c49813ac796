"""TFRecord files: framed, checksummed records, in shards called `name.tfrecord-00000-of-00004`."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

from spine.files import atomic_file, walk
from spine.problems import SpineError

__all__ = ["Damaged", "Shards", "is_records", "missing_shards", "read_records", "record_files", "shards"]

_NAME = re.compile(r"(?P<stem>.+)\.(tf)?records?(-(?P<shard>\d{5})-of-(?P<count>\d{5}))?(\.gz)?", re.IGNORECASE)
_CUT_SHORT = "is cut short"
_LENGTH, _FRAME = 8, 16  # bytes: a record's length (little endian), and all that is around its payload


class Damaged(Exception):
    """A record whose length or checksum does not hold."""


def is_records(path: PurePath) -> bool:
    """Whether the name is that of a TFRecord file or a shard of one: `.tfrecord`, `.record-00000-of-00004`, `.gz`."""
    return bool(_NAME.fullmatch(path.name)) and not path.name.startswith(".")


def record_files(path: Path) -> list[tuple[Path, PurePath]]:
    """The TFRecord files at or below `path`, each with its folder relative to it; SpineError without any."""
    if path.is_file():
        return [(path, PurePath())]
    if not path.is_dir():
        raise SpineError(f"{path} does not exist; give a .tfrecord file, or a folder of them")
    files = [file for file in walk(path).files if is_records(file)]
    if not files:
        raise SpineError(f"{path} holds no .tfrecord or .record file; give the folder that does")
    return [(file, file.parent.relative_to(path)) for file in files]


def missing_shards(files: list[Path]) -> list[Path]:
    """The shards that the names of their neighbours promise and that are not among `files`."""
    promised: set[Path] = set()
    for file in files:
        name = _NAME.fullmatch(file.name)
        if name and name["count"]:
            start, end = name.span("shard")
            for shard in range(int(name["count"])):
                promised.add(file.with_name(f"{file.name[:start]}{shard:05}{file.name[end:]}"))
    return sorted(promised - set(files))


def read_records(file: Path) -> Iterator[tuple[int, bytes | Damaged]]:
    """Each record of a file, plain or gzip, with its number from 0; one whose checksum fails is given as `Damaged`.

    The records behind a damaged one are read where its length still tells where they begin.
    """
    number, rest = 0, file
    with tempfile.TemporaryDirectory() as scratch:
        while True:
            offset, fault = 0, ""
            for payload in _payloads(rest):
                if isinstance(payload, Damaged):
                    fault = str(payload)
                    break
                yield number, payload
                number, offset = number + 1, offset + _FRAME + len(payload)
            if not fault and (_is_gzip(rest) or offset == rest.stat().st_size):
                return
            fault = (
                fault or _CUT_SHORT
            )  # TensorFlow passes over a last record of which only some of the length is there
            # A second fault right behind the first: the length was damaged too, and led astray.
            behind = None if rest != file and not offset else _behind(rest, offset)
            lost = "" if behind is not None else "; what follows it in the file cannot be reached"
            yield number, Damaged(fault + lost)
            if behind is None:
                return
            number, rest = number + 1, Path(scratch, str(number))
            rest.write_bytes(behind)


def _payloads(file: Path) -> Iterator[bytes | Damaged]:
    import tensorflow as tf

    try:
        yield from tf.data.TFRecordDataset(str(file), "GZIP" if _is_gzip(file) else "").as_numpy_iterator()
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        yield Damaged(_CUT_SHORT if "truncated" in error.message else "is damaged: its checksum does not hold")


def _is_gzip(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _behind(file: Path, offset: int) -> bytes | None:
    """What follows the record that begins at `offset`; None where its length leads out of the file."""
    if _is_gzip(file):
        return None
    with file.open("rb") as stream:
        stream.seek(offset)
        (length,) = struct.unpack("<Q", stream.read(_LENGTH).ljust(_LENGTH, b"\xff"))
        if offset + _FRAME + length > file.stat().st_size:
            return None
        stream.seek(offset + _FRAME + length)
        return stream.read()


class Shards:
    """Writes records to shards in turn, so that every shard holds a like share of each part of the data."""

    def __init__(self, files: list[Path]) -> None:
        import tensorflow as tf

        self._writers = [tf.io.TFRecordWriter(str(file)) for file in files]
        self._written = 0

    def write(self, payload: bytes) -> None:
        """Append one record to the shard whose turn it is."""
        self._writers[self._written % len(self._writers)].write(payload)
        self._written += 1

    def close(self) -> None:
        """Flush and close every shard."""
        for writer in self._writers:
            writer.close()


@contextmanager
def shards(path: Path, count: int) -> Iterator[Shards]:
    """Write `<path>.tfrecord-00000-of-<count>` ... in the block; they are there when it has ended well, whole."""
    if count < 1:
        raise SpineError(f"shards is {count}; give 1 or more")
    names = [path.with_name(f"{path.name}.tfrecord-{shard:05}-of-{count:05}") for shard in range(count)]
    with ExitStack() as stack:
        opened = Shards([stack.enter_context(atomic_file(name)) for name in names])
        stack.callback(opened.close)
        yield opened
