"""Files of PyTorch's weights to arrays: .pth and .pt as `torch.save` writes them, since 1.6 a zip archive and before
that a stream of pickles, and .safetensors.

No library reads them, and nothing in them runs. Sizes are those of the file: nothing is unpacked, and no tensor may be
larger than the numbers that it is a view of.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from spine.training.pretrained.state_dict.opcodes import AGAIN, BadStateDict, Storage, Tensor, read_pickle

__all__ = ["SUFFIXES", "read_tensors"]

SUFFIXES = (".pth", ".pt", ".safetensors")
MOST_BYTES = 4 * 2**30  # of a file
MOST_PICKLED = 16 * 2**20  # of the names and shapes in it
_MAGIC = 0x1950A86A20F9469CFC6C  # a stream's first pickle
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NO_STATE_DICT = "it is a pickle, but no state dict of tensors, which torch.save(model.state_dict(), FILE) writes"
_TYPES = {
    **{"Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1"},
    **{"Byte": "u1", "Bool": "u1", "BFloat16": "u2"},
}
_SAFE_TYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "U8": "u1", "BOOL": "u1"}
_WRAPPED_IN = ("state_dict", "model_state_dict", "model")  # what a checkpoint keeps it as
Numbers = Callable[[Storage], np.ndarray]


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The file's tensors by name, in their own types (bfloat16 as float32); BadStateDict says what is wrong with it."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise BadStateDict(f"it has {size:,} bytes; at most {MOST_BYTES:,} are read")
    with path.open("rb") as file:
        begin = file.read(265)
        file.seek(0)
        if not begin:
            raise BadStateDict(f"it is empty; {AGAIN}")
        if begin.startswith(_HDF5):
            raise BadStateDict("it is an HDF5 file, as Keras saves weights: let its name end in .h5")
        if path.suffix == ".safetensors":
            return _safetensors(file.read())
        if begin[:4] == b"PK\x03\x04":
            return _archive(file, size)
        if begin[257:262] == b"ustar":
            raise BadStateDict("it is a tar archive, which PyTorch wrote before 0.1.10; save it anew with a newer one")
        if begin[:2] == b"\x80\x02":
            return _stream(file, size)
        if begin[:2] in (b"\x80\x03", b"\x80\x04", b"\x80\x05"):  # a pickle of a later protocol
            raise BadStateDict(_NO_STATE_DICT)
    raise BadStateDict(
        f"it is neither a zip archive nor a stream of pickles, which torch.save writes; give one, or {AGAIN}"
    )


def _archive(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(file) as archive:
            return _of_archive(archive, size)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        if isinstance(error, BadStateDict):
            raise
        raise BadStateDict(f"its archive is damaged ({error}); {AGAIN}") from None


def _of_archive(archive: zipfile.ZipFile, size: int) -> dict[str, np.ndarray]:
    entries = {entry.filename: entry for entry in archive.infolist()}
    pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise BadStateDict(f"its archive has {len(pickles)} data.pkl; that of torch.save has one")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in entries:
        raise BadStateDict("it is a TorchScript program; give the weights alone, torch.save(model.state_dict(), FILE)")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
        raise BadStateDict("its archive is compressed; torch.save stores tensors as they are")
    if sum(entry.file_size for entry in entries.values()) > size:
        raise BadStateDict("its archive claims to hold more bytes than it has")
    if entries[pickles[0]].file_size > MOST_PICKLED:
        raise BadStateDict(f"its data.pkl is larger than {MOST_PICKLED:,} bytes")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"

    def numbers(storage: Storage) -> np.ndarray:
        if (name := f"{folder}data/{storage.key}") not in entries:
            raise BadStateDict(f"its archive lacks {name}")
        return _numbers(archive.read(name), storage, ">" if order == b"big" else "<")

    return _arrays(_tensors(read_pickle(io.BytesIO(archive.read(pickles[0])))), numbers)


def _stream(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    if read_pickle(file) != _MAGIC:
        raise BadStateDict(_NO_STATE_DICT)
    _version, system = read_pickle(file), read_pickle(file)
    if not isinstance(system, Mapping):
        raise BadStateDict(_NO_STATE_DICT)
    order = "<" if system.get("little_endian", True) else ">"
    tensors = _tensors(read_pickle(file))
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    stored: dict[str, np.ndarray] = {}
    for key in read_pickle(file):
        if key not in storages:
            raise BadStateDict(f"it holds numbers {key!r:.40} of no tensor")
        count = _count(file.read(8), order)
        if count != storages[key].count:
            raise BadStateDict(f"it holds {count:,} numbers for a tensor of {storages[key].count:,}")
        wanted = count * _type(storages[key], order).itemsize
        stored[key] = _numbers(file.read(min(wanted, size)), storages[key], order)
    if missing := storages.keys() - stored.keys():
        raise BadStateDict(f"it is cut off: the numbers of {len(missing)} tensors are missing; {AGAIN}")
    return _arrays(tensors, lambda storage: stored[storage.key])


def _count(raw: bytes, order: str) -> int:
    if len(raw) < 8:
        raise BadStateDict(f"it is cut off; {AGAIN}")
    return int(struct.unpack(f"{order}q", raw)[0])


def _tensors(content: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, or of that in a checkpoint's dict."""
    for _ in range(2):
        if isinstance(content, dict):
            tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
            if tensors:
                return tensors
            content = next((content[key] for key in _WRAPPED_IN if key in content), None)
    raise BadStateDict("it holds no tensors by name; save model.state_dict()")


def _arrays(tensors: Mapping[str, Tensor], numbers: Numbers) -> dict[str, np.ndarray]:
    whole: dict[str, np.ndarray] = {}
    for tensor in tensors.values():
        if tensor.storage.key not in whole:
            whole[tensor.storage.key] = numbers(tensor.storage)
    return {name: _view(tensor, whole[tensor.storage.key]) for name, tensor in tensors.items()}


def _view(tensor: Tensor, numbers: np.ndarray) -> np.ndarray:
    size = math.prod(tensor.shape)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True) if n)
    if size > len(numbers) or (size and last >= len(numbers)):
        raise BadStateDict(f"a tensor of shape {tensor.shape} reaches past its {len(numbers):,} numbers")
    if not size:
        return np.zeros(0, numbers.dtype)
    steps = [step * numbers.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, steps).copy()


def _numbers(raw: bytes, storage: Storage, order: str) -> np.ndarray:
    kind = _type(storage, order)
    if len(raw) != storage.count * kind.itemsize:
        raise BadStateDict(f"it has {len(raw):,} bytes for {storage.count:,} numbers of type {storage.kind}")
    return _decoded(np.frombuffer(raw, kind), storage.kind == "BFloat16")


def _decoded(numbers: np.ndarray, brain: bool) -> np.ndarray:
    """The numbers; those in bfloat16, which are the upper halves of float32, as float32."""
    return (numbers.astype(np.uint32) << 16).view(np.float32) if brain else numbers


def _type(storage: Storage, order: str) -> np.dtype:
    if storage.kind not in _TYPES:
        raise BadStateDict(f"it has numbers of type {storage.kind}; known are {', '.join(_TYPES)}")
    return np.dtype(order + _TYPES[storage.kind])


def _safetensors(content: bytes) -> dict[str, np.ndarray]:
    """huggingface.co/docs/safetensors: the header's length, a header in JSON, the numbers, little-endian."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > min(MOST_PICKLED, len(content) - 8):
            raise BadStateDict(f"its header would have {length:,} bytes; {AGAIN}")
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        numbers = memoryview(content)[8 + length :]
        return {name: _of_header(numbers, **entry) for name, entry in header.items()}
    except (struct.error, TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, BadStateDict):
            raise
        raise BadStateDict(f"its header is damaged ({error}); {AGAIN}") from None


def _of_header(numbers: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(numbers) or dtype not in _SAFE_TYPES:
        raise BadStateDict(f"a tensor of type {dtype} lies from byte {begin} to {end} of {len(numbers):,}")
    flat = np.frombuffer(numbers[begin:end], "<" + _SAFE_TYPES[dtype])
    return _decoded(flat, dtype == "BF16").reshape([int(size) for size in shape])
