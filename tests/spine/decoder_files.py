"""Picture and volume files made byte by byte, for tests of what readers do with them."""

import struct
import zlib

import numpy as np


def tiff(*pages, order="<"):
    """A TIFF of pages, each (packed bytes, {tag: number or list of numbers}); strips follow the header in turn."""
    data = bytearray(struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 0))
    link = 4
    for packed, tags in pages:
        tags = {273: len(data), 279: len(packed), 277: 1, 259: 1, 262: 1, **tags}
        data += packed
        values = {}
        for tag, value in tags.items():
            numbers = value if isinstance(value, list) else [value]
            if len(numbers) > 1:
                values[tag] = (len(numbers), len(data))
                data += struct.pack(f"{order}{len(numbers)}I", *numbers)
            else:
                values[tag] = (1, numbers[0])
        struct.pack_into(f"{order}I", data, link, len(data))
        data += struct.pack(f"{order}H", len(values))
        data += b"".join(struct.pack(f"{order}HHII", tag, 4, *values[tag]) for tag in sorted(values))
        link = len(data)
        data += bytes(4)
    return bytes(data)


def plain_tiff(array, order="<", **tags):
    """A TIFF of one strip of a (H, W) or (H, W, C) array; a tag is given as `_262=0`."""
    form = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    channels = array.shape[2] if array.ndim == 3 else 1
    stated = {256: array.shape[1], 257: array.shape[0], 278: array.shape[0], 339: form, 277: channels}
    stated |= {258: array.dtype.itemsize * 8, 262: 2 if channels == 3 else 1}
    stated |= {int(tag[1:]): value for tag, value in tags.items()}
    return tiff((array.astype(array.dtype.newbyteorder(order)).tobytes(), stated), order=order)


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(height, width, bits=8, colour_type=0, pixels=b"", before=b"", interlaced=0):
    """A PNG of the packed `pixels`; `before` are whole chunks between its header and them."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    parts = (png_chunk(b"IHDR", header), before, png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif(orientation, order="<"):
    """The TIFF of an EXIF block that states an orientation alone."""
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return head + struct.pack(f"{order}HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)


def nifti(array, affine=None, offset=352.0, slope=1.0, intercept=0.0, form="sform", order="<"):
    """A NIfTI-1 file of an (x, y, z) array, axes to the right, anterior and superior by default."""
    codes = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
    affine = np.eye(4) if affine is None else affine
    head = bytearray(352)
    struct.pack_into(f"{order}i", head, 0, 348)
    struct.pack_into(f"{order}8h", head, 40, array.ndim, *array.shape, *[1] * (7 - array.ndim))
    struct.pack_into(f"{order}2h", head, 70, codes[array.dtype.str[1:]], array.dtype.itemsize * 8)
    struct.pack_into(f"{order}8f", head, 76, 1, *np.linalg.norm(affine[:3, :3], axis=0), 1, 1, 1, 1)
    struct.pack_into(f"{order}3f", head, 108, offset, slope, intercept)
    struct.pack_into(f"{order}2h", head, 252, int(form == "qform"), int(form == "sform"))
    for row in range(3):
        struct.pack_into(f"{order}4f", head, 280 + 16 * row, *affine[row])
    head[344:348] = b"n+1\0"
    return bytes(head) + array.astype(array.dtype.newbyteorder(order)).tobytes(order="F")


def nrrd(array, encode=lambda data: data, encoding="raw", directions="(1,0,0) (0,1,0) (0,0,1)", **fields):
    """A NRRD of a (z, y, x) array; fields are given as `data_file="x.raw"`, and the voxels left out with that one."""
    kinds = {"u1": "uint8", "i2": "int16", "u2": "uint16", "f4": "float", "f8": "double"}
    lines = ["NRRD0004", f"type: {kinds[array.dtype.str[1:]]}", f"dimension: {array.ndim}", f"encoding: {encoding}"]
    lines += [f"sizes: {' '.join(map(str, array.shape[::-1]))}", "endian: little", "space: left-posterior-superior"]
    lines += [
        f"space directions: {directions}",
        *(f"{key.replace('_', ' ')}: {value}" for key, value in fields.items()),
    ]
    head = "\n".join(lines).encode() + b"\n\n"
    return head if "data_file" in fields else head + encode(array.tobytes())


def metaimage(array, data="LOCAL", packed=None, **fields):
    """A MetaImage of a (z, y, x) array; `packed` bytes are its compressed voxels, other `data` is beside it."""
    kinds = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
    lines = ["ObjectType = Image", f"NDims = {array.ndim}", f"DimSize = {' '.join(map(str, array.shape[::-1]))}"]
    lines += [f"CompressedData = {packed is not None}", f"ElementType = {kinds[array.dtype.str[1:]]}"]
    lines += [f"CompressedDataSize = {len(packed)}"] if packed is not None else []
    lines += [*(f"{key} = {value}" for key, value in fields.items()), f"ElementDataFile = {data}"]
    head = "\n".join(lines).encode() + b"\n"
    return head + (packed if packed is not None else array.tobytes()) if data == "LOCAL" else head
