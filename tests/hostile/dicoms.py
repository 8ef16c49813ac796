"""Mutations of DICOM files in explicit little endian: an element's value, length, VR or tag, within its bytes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

from tests.hostile.values import WORDS, Random

__all__ = ["MUTATIONS", "elements", "packed"]

_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")  # PS3.5 7.1.2
_VRS = (b"OB", b"UN", b"SQ", b"DS", b"US", b"XX", b"FD", b"LO", b"\0\0")
_NUMBERS = {b"US": ("<H", (0, 1, 2, 7, 9, 17, 32, 255, 65535)), b"SS": ("<h", (0, -1, 32767))}
_UNDEFINED = 2**32 - 1
_PREAMBLE = 132
_DEFLATED = b"1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class Element:
    """A data element: its tag's four bytes, its VR, its value; `length` where the one written is another."""

    tag: bytes
    vr: bytes
    value: bytes
    length: int | None = None

    def pack(self) -> bytes:
        length = len(self.value) if self.length is None else self.length
        form = "<2xI" if self.vr in _LONG else "<H"
        return self.tag + self.vr + struct.pack(form, length if form == "<2xI" else length % 2**16) + self.value


def elements(data: bytes) -> list[Element]:
    """The elements of a good file at its root; pixels of undefined length are all that is left."""
    found, place = [], _PREAMBLE
    while place < len(data):
        tag, vr = data[place : place + 4], data[place + 4 : place + 6]
        form = "<2xI" if vr in _LONG else "<H"
        (length,) = struct.unpack_from(form, data, place + 6)
        start = place + 6 + struct.calcsize(form)
        end = len(data) if length == _UNDEFINED else start + length
        found.append(Element(tag, vr, data[start:end], length if length == _UNDEFINED else None))
        place = end
    return found


def packed(data: bytes, found: list[Element]) -> bytes:
    """The file with other elements."""
    return data[:_PREAMBLE] + b"".join(element.pack() for element in found)


def replace_a_value(data: bytes, random: Random) -> bytes:
    return _changed(data, random, lambda element: [_with_text(element, random.choice(WORDS))])


def replace_a_number(data: bytes, random: Random) -> bytes:
    """Of numbers in text or in 16 bits, which tell sizes, bits, spacing, scale, window and place."""
    return _changed(data, random, lambda element: [_with_number(element, random)], (b"US", b"SS", b"DS", b"IS"))


def shorten_a_value(data: bytes, random: Random) -> bytes:
    def shortened(element: Element) -> list[Element]:
        values = element.value.split(b"\\")
        fewer = b"\\".join(values[:-1]) if len(values) > 1 else element.value[: len(element.value) // 2]
        return [replace(element, value=fewer + b" " * (len(fewer) % 2))]

    return _changed(data, random, shortened)


def drop_an_element(data: bytes, random: Random) -> bytes:
    return _changed(data, random, lambda element: [])


def tell_an_element_twice(data: bytes, random: Random) -> bytes:
    return _changed(data, random, lambda element: [element, element])


def of_another_vr(data: bytes, random: Random) -> bytes:
    return _changed(data, random, lambda element: [replace(element, vr=random.choice(_VRS))])


def of_another_length(data: bytes, random: Random) -> bytes:
    lengths = (0, 1, 2**15, 2**31, _UNDEFINED - 1, _UNDEFINED)
    return _changed(data, random, lambda element: [replace(element, length=random.choice(lengths))])


def of_another_tag(data: bytes, random: Random) -> bytes:
    tags = (b"\x28\x00\x10\x00", b"\x28\x00\x02\x00", b"\xfe\xff\x00\xe0", b"\x09\x00\x01\x10", b"\x28\x00\x06\x10")
    return _changed(data, random, lambda element: [replace(element, tag=random.choice(tags))])


def pixels_cut(data: bytes, random: Random) -> bytes:
    """Fewer bytes of pixels than the header says, their own length right."""
    *header, pixels = elements(data)
    fewer = pixels.value[: random.randrange(0, len(pixels.value), 2)]
    return packed(data, [*header, replace(pixels, value=fewer)])


def of_another_syntax(data: bytes, random: Random) -> bytes:
    """The file says that it is coded in another way."""
    endings = (b"", b".1", b".2", b".5", b".4.50", b".4.57", b".4.70", b".4.80", b".4.90", b".4.100", b".99", b".1.99")
    syntax = b"1.2.840.10008.1.2" + random.choice(endings)
    found = [
        replace(element, value=syntax + b"\0" * (len(syntax) % 2)) if element.tag == b"\2\0\x10\0" else element
        for element in elements(data)
    ]
    return packed(data, found)


def _changed(data: bytes, random: Random, change, vrs: tuple[bytes, ...] = ()) -> bytes:
    found = elements(data)
    numbers = [number for number, element in enumerate(found) if not vrs or element.vr in vrs]
    number = random.choice(numbers)
    return packed(data, [*found[:number], *change(found[number]), *found[number + 1 :]])


def _with_number(element: Element, random: Random) -> Element:
    if element.vr not in _NUMBERS:
        return _with_text(element, random.choice(WORDS))
    form, values = _NUMBERS[element.vr]
    return replace(element, value=struct.pack(form, random.choice(values)))


def _with_text(element: Element, word: str) -> Element:
    parts = element.value.split(b"\\")
    parts[len(parts) // 2] = word.encode()
    value = b"\\".join(parts)
    return replace(element, value=value + b" " * (len(value) % 2))


def inflated(mutation):
    """The same mutation, of what a deflated file holds."""

    def of_deflated(data: bytes, random: Random) -> bytes:
        start = _end_of_meta(data)
        inner = data[:_PREAMBLE] + zlib.decompress(data[start:], -zlib.MAX_WBITS)
        return data[:start] + _deflate(mutation(inner, random)[_PREAMBLE:])

    of_deflated.__name__ = mutation.__name__
    return of_deflated


def deflate_bomb(data: bytes, random: Random) -> bytes:
    """A picture of pixels that are 3 GiB of zeros behind 3 MB: blocks that are flushed can be told again."""
    start, packer = _end_of_meta(data), zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    inner = zlib.decompress(data[start:], -zlib.MAX_WBITS)
    first = packer.compress(inner) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return data[:start] + first + zeros * 192 + packer.flush()


def _deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def _end_of_meta(data: bytes) -> int:
    """Where the file meta information (group 2) ends: its first element holds its length, PS3.10 7.1."""
    (length,) = struct.unpack_from("<I", data, _PREAMBLE + 8)
    return _PREAMBLE + 12 + length


_OF_ELEMENTS = (
    *(replace_a_value, replace_a_number, shorten_a_value, drop_an_element, tell_an_element_twice, of_another_vr),
    *(of_another_length, of_another_tag),
)
MUTATIONS = {
    "dicom": (*_OF_ELEMENTS, pixels_cut, of_another_syntax),
    "deflated dicom": (*map(inflated, _OF_ELEMENTS), deflate_bomb),
}
