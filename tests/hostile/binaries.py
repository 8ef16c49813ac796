"""Mutations of PNG, JPEG, TIFF, NIfTI and NumPy files: fields of the header, pieces, lengths that lie, bombs."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from tests.hostile.values import NUMBERS, Random

__all__ = ["MUTATIONS", "png_chunks"]

_PNG = b"\x89PNG\r\n\x1a\n"
_NIFTI = {  # name -> offset and format of a NIfTI-1 header's fields, little endian
    "sizeof_hdr": (0, "i"),
    **{f"dim[{k}]": (40 + 2 * k, "h") for k in range(8)},
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    **{f"pixdim[{k}]": (76 + 4 * k, "f") for k in range(5)},
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    **{f"quatern[{k}]": (256 + 4 * k, "f") for k in range(6)},
    **{f"srow[{k}]": (280 + 4 * k, "f") for k in range(12)},
}
_TURNED = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"  # EXIF: turned by 90 degrees
_FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e-30, 1e30, 0.5)
_IFD_ENTRY = 12


def png_header_field(data: bytes, random: Random) -> bytes:
    """Width, height, depth, colour, compression, filter or interlace, its checksum fixed."""
    chunks = png_chunks(data)
    header = bytearray(chunks[0][1])
    if (field := random.randrange(7)) < 2:
        struct.pack_into(">I", header, 4 * field, random.choice([0, 1, 7, 60_000, 2**31 - 1, 2**32 - 1]))
    else:
        header[6 + field] = random.choice([0, 1, 2, 3, 4, 6, 8, 16, 255])
    return _png([(b"IHDR", bytes(header)), *chunks[1:]])


def png_chunk_gone_or_twice(data: bytes, random: Random) -> bytes:
    chunks = png_chunks(data)
    number = random.randrange(len(chunks))
    return _png(chunks[:number] + [chunks[number]] * random.choice([0, 2]) + chunks[number + 1 :])


def png_chunk_more(data: bytes, random: Random) -> bytes:
    """A chunk that unpacks to 64 MiB, an odd one, or an orientation."""
    bomb = _packed_zeros()
    more = random.choice(
        [
            *((b"zTXt", b"k\0\0" + bomb), (b"iCCP", b"k\0\0" + bomb), (b"PLTE", b"\1\2\3" * 256), (b"tRNS", b"\0\1")),
            *((b"gAMA", b"\0\0\0\0"), (b"abCD", b"x"), (b"eXIf", _TURNED)),
        ]
    )
    header, *rest = png_chunks(data)
    return _png([header, more, *rest])


def png_pixels_cut(data: bytes, random: Random) -> bytes:
    """Fewer rows than the header says, each checksum right."""
    pixels = zlib.decompress(b"".join(content for kind, content in png_chunks(data) if kind == b"IDAT"))
    return _with_pixels(data, zlib.compress(pixels[: random.randrange(len(pixels))], 9))


def png_pixels_bomb(data: bytes, random: Random) -> bytes:
    """64 MiB of pixels behind a header of a few rows, or of as many."""
    chunks = png_chunks(data)
    if random.random() < 0.5:
        header = struct.pack(">II", 2**16, 2**16) + chunks[0][1][8:]
        data = _png([(b"IHDR", header), *chunks[1:]])
    return _with_pixels(data, _packed_zeros())


def png_length_lies(data: bytes, random: Random) -> bytes:
    place = random.choice([number for number in range(8, len(data) - 8) if data[number + 4 : number + 8].isalpha()])
    return data[:place] + struct.pack(">I", random.choice([0, 1, 2**31 - 1, 2**32 - 1])) + data[place + 4 :]


def jpeg_half_closed(data: bytes, random: Random) -> bytes:
    """The first half of the scan, and the end marker: whole by its markers."""
    scan = data.rindex(b"\xff\xda") + 14
    return data[: scan + (len(data) - scan) * random.randint(1, 7) // 8] + b"\xff\xd9"


def jpeg_size(data: bytes, random: Random) -> bytes:
    place = data.index(b"\xff\xc0") + 5 + random.choice([0, 2])
    return data[:place] + struct.pack(">H", random.choice([0, 1, 9, 200, 65535])) + data[place + 2 :]


def jpeg_segment(data: bytes, random: Random) -> bytes:
    """A segment gone, told twice, or of a length that lies; or an odd number of channels."""
    starts, place = [], 2
    while data[place : place + 2] != b"\xff\xda":
        starts.append(place)
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    start = random.choice(starts)
    end = start + 2 + struct.unpack_from(">H", data, start + 2)[0]
    ways = [data[:start] + data[end:], data[:end] + data[start:]]
    ways += [data[: start + 2] + struct.pack(">H", length) + data[start + 4 :] for length in (0, 2, 9, 65535)]
    return random.choice(ways)


def tiff_entry(data: bytes, random: Random) -> bytes:
    """An entry's type, count or value of the first directory becomes another one."""
    start, count = _directory(data)
    place = start + 2 + _IFD_ENTRY * random.randrange(count)
    offset, form = random.choice([(0, "<H"), (2, "<H"), (4, "<I"), (8, "<I"), (8, "<I")])
    changed = bytearray(data)
    most = 2**16 if form == "<H" else 2**32
    struct.pack_into(form, changed, place + offset, random.choice([0, 1, 2, 3, 5, 8, 32, 32946, 60_000, -1]) % most)
    return bytes(changed)


def tiff_entry_gone(data: bytes, random: Random) -> bytes:
    start, count = _directory(data)
    place = start + 2 + _IFD_ENTRY * random.randrange(count)
    end = start + 2 + _IFD_ENTRY * count
    moved = data[place + _IFD_ENTRY : end] + data[end : end + 4] + bytes(_IFD_ENTRY)
    return data[:start] + struct.pack("<H", count - 1) + data[start + 2 : place] + moved + data[end + 4 :]


def tiff_next_directory(data: bytes, random: Random) -> bytes:
    """The chain of pages leads to itself, into the pixels, or out of the file."""
    start, count = _directory(data)
    place = start + 2 + _IFD_ENTRY * count
    return data[:place] + struct.pack("<I", random.choice([start, 8, 9, len(data) - 3, 2**31])) + data[place + 4 :]


def nifti_field(data: bytes, random: Random) -> bytes:
    offset, form = _NIFTI[random.choice(list(_NIFTI))]
    changed = bytearray(data)
    if form == "f":
        struct.pack_into("<f", changed, offset, random.choice(_FLOATS))
    else:
        size = 8 * struct.calcsize(form)
        value = random.choice([*NUMBERS, 3, 7, 16, 64, 128, 256, 512, 2304]) % 2**size
        changed[offset : offset + size // 8] = value.to_bytes(size // 8, "little")
    return bytes(changed)


def nifti_scale(data: bytes, random: Random) -> bytes:
    offset, form = _NIFTI[random.choice(["scl_slope", "scl_inter", "vox_offset"])]
    changed = bytearray(data)
    struct.pack_into(f"<{form}", changed, offset, random.choice(_FLOATS))
    return bytes(changed)


def npy_header(data: bytes, random: Random) -> bytes:
    """Another shape, type or order in a header of the right length."""
    length = struct.unpack_from("<H", data, 8)[0]
    header = data[10 : 10 + length].decode("latin-1").rstrip()
    descr, shape = header.split("'descr': ")[1].split(",")[0], header[header.index("(") : header.index(")") + 1]
    changes = [
        (descr, f"'{kind}'") for kind in ("|O", "<c8", "<f8", "<i8", "|S8", "<U2", "|b1", "<M8[s]", "word", ">f4")
    ]
    shapes = ("()", "(1,)", "(0, 2)", "(2, 1)", "(-1, 2)", f"({2**40}, 2)", f"({10**40},)", "(1, 1, 1, 2)", "None")
    changes += [(shape, other) for other in shapes] + [("False", "True"), ("{", ""), ("'descr'", "'word'")]
    changed = header.replace(*random.choice(changes), 1).ljust(length - 1)[: length - 1] + "\n"
    return data[:10] + changed.encode("latin-1") + data[10 + length :]


def npy_values(data: bytes, random: Random) -> bytes:
    """A value, or all, that is no probability."""
    start, values = 10 + struct.unpack_from("<H", data, 8)[0], (float("nan"), float("inf"), -0.5, 7.0, -1e30)
    form = {b"<f2": "<e", b"<f4": "<f", b"<i8": "<q"}[data[data.index(b"'<") + 1 :][:3]]
    size, value = struct.calcsize(form), random.choice(values)
    packed = struct.pack(
        form, random.choice([-1, 0, 99]) if form == "<q" else 2.0 if form == "<e" and abs(value) > 9 else value
    )
    count = (len(data) - start) // size
    place = random.randrange(count)
    return (
        data[:start] + packed * count
        if random.random() < 0.4
        else (data[: start + size * place] + packed + data[start + size * (place + 1) :])
    )


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of each chunk of a good PNG."""
    chunks, start = [], len(_PNG)
    while start < len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        chunks.append((kind, data[start + 8 : start + 8 + length]))
        start += 12 + length
    return chunks


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    packed = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return _PNG + b"".join(packed)


def _with_pixels(data: bytes, packed: bytes) -> bytes:
    header, *_ = png_chunks(data)
    return _png([header, (b"IDAT", packed), (b"IEND", b"")])


@cache
def _packed_zeros() -> bytes:
    """64 MiB of them, of which many seeds make a bomb."""
    return zlib.compress(bytes(2**26), 9)


def _directory(data: bytes) -> tuple[int, int]:
    """Where the first directory of a little-endian TIFF begins, and its number of entries."""
    (start,) = struct.unpack_from("<I", data, 4)
    return start, struct.unpack_from("<H", data, start)[0]


MUTATIONS = {
    "png": (
        *(png_header_field, png_chunk_gone_or_twice, png_chunk_more, png_pixels_cut, png_pixels_bomb, png_length_lies),
    ),
    "jpeg": (jpeg_half_closed, jpeg_size, jpeg_segment),
    "tiff": (tiff_entry, tiff_entry_gone, tiff_next_directory),
    "nifti": (nifti_field, nifti_scale),
    "npy": (npy_header, npy_values),
}
