"""The text of a file, in the encoding that its first bytes tell: UTF-8 without a byte order mark."""

from __future__ import annotations

import codecs
from pathlib import Path

from spine.annotations.types import EXPORT_AGAIN, Malformed, as_malformed
from spine.images.integrity import check_bytes

__all__ = ["read_bytes_of", "read_text"]

# The longer marks first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_AS_UTF8 = "save it again in UTF-8"


def read_text(path: Path, *, grows: int = 1, lenient: bool = False) -> str:
    """A file's text; Malformed where it cannot be opened, is too large, or is in another encoding than it tells.

    `grows` is how many bytes one of the file may become, for the budget of a file. Where `lenient`, bytes that are no
    UTF-8 become lone surrogates, so that the reader can tell which line holds them.
    """
    data = read_bytes_of(path, grows=grows)
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data:
        raise Malformed("holds zero bytes: it is no text, or is in UTF-16 without a byte order mark", _AS_UTF8)
    try:
        return data.decode(encoding, "surrogateescape" if lenient and encoding.startswith("utf-8") else "strict")
    except UnicodeDecodeError as error:
        raise Malformed(
            f"is not readable text in {encoding.upper().removesuffix('-SIG')}: {error}", _AS_UTF8
        ) from error


def read_bytes_of(path: Path, *, grows: int = 1) -> bytes:
    """A file's bytes; Malformed where it cannot be opened, or would become more than the budget of one file."""
    try:
        with as_malformed(path):
            check_bytes(path.stat().st_size * grows, path)
        return path.read_bytes()
    except OSError as error:
        raise Malformed(f"cannot be opened ({error.strerror or error})", EXPORT_AGAIN) from error
