"""A .zip that somebody sent, unpacked: no more bytes than allowed, whatever it states, and all in one folder."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from spine.core.disk import require_room
from spine.core.problems import Problem, SpineError, fault_of

__all__ = ["LIMITS", "ZipLimits", "is_zip", "unzip"]

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # with files, empty, in parts
_BLOCK = 2**20
_ENCRYPTED = 0x1
_AGAIN = "pack its files again, or give the folder itself"


@dataclass(frozen=True)
class ZipLimits:
    """What an archive may hold: so many `files`, so many `bytes` once they are unpacked."""

    files: int = 20_000
    bytes: int = 2**31


LIMITS = ZipLimits()


def is_zip(path: Path) -> bool:
    """Whether a file begins as a .zip does; a pipe is none, and would keep whoever reads it waiting."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(4) in _SIGNATURES
    except OSError:
        return False  # who reads it will say why it cannot be opened


def unzip(path: Path, folder: Path, limits: ZipLimits = LIMITS) -> list[Problem]:
    """Unpack into an empty folder; what cannot be unpacked of it is told.

    SpineError where it is no whole archive, a path leads out of it, or it holds more than the limits: then nothing is
    kept of it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _require_bounded(entries, path, limits)
            require_room(folder, sum(entry.file_size for entry in entries), f"{path}, once unpacked,")
            return list(_unpack(archive, entries, path, folder, limits))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise SpineError(f"{path} is no whole .zip ({fault_of(error)}); {_AGAIN}") from error


def _require_bounded(entries: list[zipfile.ZipInfo], path: Path, limits: ZipLimits) -> None:
    if len(entries) > limits.files:
        raise SpineError(
            f"{path} holds {len(entries):,} files, and {limits.files:,} are taken; send one study at a time"
        )
    if (stated := sum(entry.file_size for entry in entries)) > limits.bytes:
        raise _too_large(path, f"{stated:,}", limits)
    for entry in entries:
        if _climbs(entry.filename):
            raise SpineError(f"{path} holds the path {entry.filename!r}, which leads out of its folder; {_AGAIN}")


def _too_large(path: Path, count: str, limits: ZipLimits) -> SpineError:
    return SpineError(
        f"{path} would become {count} bytes, and {limits.bytes:,} are taken; send one study or series at a time"
    )


def _climbs(name: str) -> bool:
    """Whether a path is absolute, on any system, or goes up."""
    windows = PureWindowsPath(name)
    return bool(windows.drive or windows.root or ".." in windows.parts or "\0" in name)


def _unpack(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], path: Path, folder: Path, limits: ZipLimits
) -> Iterator[Problem]:
    left = limits.bytes
    for entry in entries:
        try:
            left -= _unpack_one(archive, entry, folder, left)
        except _TooMany:
            raise _too_large(path, f"more than {limits.bytes:,}", limits) from None
        except _Unusable as error:
            yield Problem(f"{path}/{entry.filename}", str(error), _AGAIN)


class _TooMany(Exception):
    """An entry unpacks to more bytes than are left, whatever its header states."""


class _Unusable(Exception):
    """An entry that cannot be unpacked, and why."""


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, most: int) -> int:
    """The number of bytes that it has become."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _Unusable("is a link, which an archive may not hold")
    if entry.flag_bits & _ENCRYPTED:
        raise _Unusable("is encrypted")
    target = folder.joinpath(*PurePosixPath(entry.filename.replace("\\", "/")).parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as packed, target.open("xb") as stream:
            written = 0
            while block := packed.read(_BLOCK):
                written += len(block)
                if written > most:
                    raise _TooMany
                stream.write(block)
            return written
    except FileExistsError:
        raise _Unusable("is there twice") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        target.unlink(missing_ok=True)
        raise _Unusable(f"cannot be unpacked ({fault_of(error)})") from None
