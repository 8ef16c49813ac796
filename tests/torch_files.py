"""Files as PyTorch writes its weights, made here without it: the opcodes of its pickles, its archive and its stream."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np

KINDS = {"<f4": "Float", "<f8": "Double", "<f2": "Half", "<i8": "Long", "<u2": "BFloat16"}
SAFE = {"<f4": "F32", "<f8": "F64", "<f2": "F16", "<i8": "I64", "<u2": "BF16"}
MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(value: np.ndarray, key: str, view: bytes = b"") -> bytes:
    """`_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)` of a whole, contiguous array."""
    kind = KINDS[value.dtype.newbyteorder("<").str]
    storage = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu")
    strides = [step // value.itemsize for step in np.ascontiguousarray(value).strides] if value.ndim else []
    arguments = number(0) + numbers(value.shape) + numbers(strides) + b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(value.size) + view + b"tQ" + arguments + b"tR"


def state_dict(tensors: dict[str, np.ndarray], view: bytes = b"") -> bytes:
    """The pickle of an OrderedDict of tensors, whose storages are numbered, with `_metadata` as modules have it."""
    items = b"".join(
        text(name) + tensor(value, str(place), view) for place, (name, value) in enumerate(tensors.items())
    )
    metadata = b"}" + text("_metadata") + b"}s"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u" + metadata + b"b."


def archive(path: Path, pickled: bytes, tensors: dict[str, np.ndarray], **options) -> Path:
    """What torch.save writes since 1.6."""
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/byteorder", "little")
        for place, value in enumerate(tensors.values()):
            file.writestr(f"archive/data/{place}", np.ascontiguousarray(value).tobytes())
        file.writestr("archive/version", "3\n")
    return path


def stream(path: Path, pickled: bytes, tensors: dict[str, np.ndarray]) -> Path:
    """What torch.save wrote before 1.6: four pickles, the keys, the numbers."""
    system = b"\x80\x02}(" + text("protocol_version") + b"M\xe9\x03" + text("little_endian") + b"\x88u."
    keys = b"\x80\x02](" + b"".join(text(str(place)) for place in range(len(tensors))) + b"e."
    stored = b"".join(
        struct.pack("<q", value.size) + np.ascontiguousarray(value).tobytes() for value in tensors.values()
    )
    path.write_bytes(b"\x80\x02\x8a\x0a" + MAGIC + b".\x80\x02M\xe9\x03." + system + pickled + keys + stored)
    return path


def write_archive(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    return archive(path, state_dict(tensors), tensors)


def write_stream(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    return stream(path, state_dict(tensors, view=b"N"), tensors)


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, value in tensors.items():
        begin, end = end, end + value.nbytes
        header[name] = {"dtype": SAFE[value.dtype.str], "shape": list(value.shape), "data_offsets": [begin, end]}
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + b"".join(value.tobytes() for value in tensors.values()))
    return path
