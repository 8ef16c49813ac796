"""Whether a file begins as a dataset of DICOM does, where the preamble and the magic letters of PS3.10 are missing.

ACR-NEMA files, and exports of old PACS, begin with the first element of their group 0002 or 0008. Nothing here imports
pydicom: every file of a tree is asked.
"""

from __future__ import annotations

import struct

__all__ = ["begins_as_dataset", "is_text"]

_GROUPS = (0x0002, 0x0008)
_MOST_ELEMENT = 0x0060  # the greatest that a first element of an image has, Modality; 0000 is the group's length
_MOST_LENGTH = 1024  # bytes: of a group's length, a character set, an image type, a date, a UID
_SHORT = (b"AE", b"AS", b"CS", b"DA", b"DT", b"IS", b"LO", b"PN", b"SH", b"TM", b"UI", b"UL", b"US")
_OF_TEXT = b"\t\n\f\r\x1b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_LONG = (b"OB", b"SQ", b"UN")  # whose length has 32 bits


def begins_as_dataset(head: bytes) -> bool:
    """Whether the first bytes of a file, 8 at least, are an element of group 0002 or 0008 with a length that holds.

    The transfer syntax may be explicit or implicit little endian, or explicit big endian (PS3.5 7.1).
    """
    return len(head) >= 8 and (_is_explicit(head, "<") or _is_explicit(head, ">") or _is_implicit(head))


def is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text, such as a README's: no control codes but those of lines and pages."""
    return head.startswith(_UTF_16) or (head != b"" and not any(byte < 32 and byte not in _OF_TEXT for byte in head))


def _is_first(tag: tuple[int, int]) -> bool:
    group, element = tag
    return group in _GROUPS and element <= _MOST_ELEMENT


def _is_explicit(head: bytes, order: str) -> bool:
    *tag, vr, length = struct.unpack_from(f"{order}HH2sH", head)
    is_value = (vr in _SHORT and length <= _MOST_LENGTH and length % 2 == 0) or (vr in _LONG and length == 0)
    return _is_first((tag[0], tag[1])) and is_value


def _is_implicit(head: bytes) -> bool:
    group, element, length = struct.unpack_from("<HHI", head)
    return _is_first((group, element)) and length <= _MOST_LENGTH and length % 2 == 0 and (element > 0 or length == 4)
