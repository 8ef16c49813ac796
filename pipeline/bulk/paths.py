"""Paths in the tables of this package: any name that a disk may have, as text of UTF-8, and back."""

from __future__ import annotations

import os
from urllib.parse import quote_from_bytes, unquote_to_bytes

__all__ = ["as_path", "as_text"]

_SCHEME = "file:"  # RFC 8089; of a path that is relative, too


def as_text(path: str) -> str:
    """A path as it stands in a table: itself, or, where that is no UTF-8, `file:` and its bytes percent-encoded.

    So, too, where it could be read as something else: begins with `file:`, or begins or ends with a space.
    """
    is_plain = path == path.strip() and not path.startswith(_SCHEME) and _is_utf8(path)
    return path if is_plain else _SCHEME + quote_from_bytes(os.fsencode(path))


def as_path(text: str) -> str:
    """The path that a text of `as_text`, or a `file:` URI, stands for; names that are no UTF-8 as Python has them."""
    return os.fsdecode(unquote_to_bytes(text.removeprefix(_SCHEME))) if text.startswith(_SCHEME) else text


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
