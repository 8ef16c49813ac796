"""PyTorch's files are read without unpickling: what they hold, and that nothing in them ever runs."""

import pickle
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from spine.training.pretrained.state_dict.files import read_tensors
from spine.training.pretrained.state_dict.opcodes import BadStateDict
from tests.torch_files import (
    archive,
    number,
    numbers,
    state_dict,
    stream,
    text,
    write_archive,
    write_safetensors,
    write_stream,
)

TENSORS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "conv.bias": np.array([0.5, -2], np.float64),
    "bn.half": np.array([[1.5]], np.float16),
    "bn.num_batches_tracked": np.array(7, np.int64),
}
WRITERS = {"a.pth": write_archive, "b.pt": write_stream, "c.safetensors": write_safetensors}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_its_tensors(name, tmp_path):
    found = read_tensors(WRITERS[name](tmp_path / name, TENSORS))
    assert list(found) == list(TENSORS)
    for key, value in TENSORS.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == value.dtype


@pytest.mark.parametrize("name", WRITERS)
def test_bfloat16_is_the_upper_half_of_float32(name, tmp_path):
    # 1.5 is 0x3FC00000, -2 is 0xC0000000
    found = read_tensors(WRITERS[name](tmp_path / name, {"x": np.array([0x3FC0, 0xC000], np.uint16)}))
    np.testing.assert_array_equal(found["x"], np.array([1.5, -2], np.float32))


def view_of(count: int, offset: int, shape, strides) -> bytes:
    """The pickle of one tensor, a view of `count` floats stored under "0"."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(count) + b"tQ"
    arguments = storage + number(offset) + numbers(shape) + numbers(strides) + b"\x89}"
    return b"\x80\x02}" + text("x") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tRs."


def test_a_view_is_read_by_its_offset_and_strides(tmp_path):
    stored = {"x": np.arange(10, dtype=np.float32)}
    found = read_tensors(archive(tmp_path / "view.pt", view_of(10, 1, (2, 3), (1, 3)), stored))
    np.testing.assert_array_equal(found["x"], [[1, 4, 7], [2, 5, 8]])


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(8, (3,), (1,)), (0, (2, 3), (5, 3)), (0, (11,), (0,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (1,))],
)
def test_a_view_past_its_numbers_is_refused(offset, shape, strides, tmp_path):
    stored = {"x": np.arange(10, dtype=np.float32)}
    with pytest.raises(BadStateDict, match=r"reaches past its 10 numbers|has a tensor of shape"):
        read_tensors(archive(tmp_path / "view.pt", view_of(10, offset, shape, strides), stored))


def test_a_checkpoint_s_state_dict_is_found(tmp_path):
    inner = state_dict({"x": np.ones(3, np.float32)})[2:-1]
    pickled = b"\x80\x02}(" + text("epoch") + number(3) + text("state_dict") + inner + b"u."
    found = read_tensors(archive(tmp_path / "checkpoint.pth", pickled, {"x": np.ones(3, np.float32)}))
    np.testing.assert_array_equal(found["x"], [1, 1, 1])


def calling(module: str, name: str, *arguments: bytes) -> bytes:
    return f"c{module}\n{name}\n(".encode() + b"".join(arguments) + b"tR"


HOSTILE = {
    "os.system": lambda marker: calling("os", "system", text(f"touch {marker}")),
    "posix.system": lambda marker: calling("posix", "system", text(f"touch {marker}")),
    "builtins.eval": lambda marker: calling("builtins", "eval", text(f"open({str(marker)!r}, 'w')")),
    "by the stack": lambda marker: text("os") + text("system") + b"\x93(" + text(f"touch {marker}") + b"tR",
    "subprocess": lambda marker: b"csubprocess\nPopen\n(](" + text("touch") + text(str(marker)) + b"etR",
    "an instance": lambda marker: b"(" + text(f"touch {marker}") + b"ios\nsystem\n",
    "an object": lambda marker: b"cos\n_Environ\n)\x81",
    "an extension": lambda marker: b"\x82\x01",
    "a storage that is called": lambda marker: calling("torch", "os.systemStorage", text(f"touch {marker}")),
    "a module": lambda marker: b"ctorch.hub\nload\n(" + text(str(marker)) + b"tR",
    "a persistent id": lambda marker: b"Pos.system\n",
    "pairs of pairs": lambda marker: b")" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(200)) + b"Q",
    "a deep tuple": lambda marker: b")" + b"\x85" * 100_000 + b"Q",
    "a deep tuple that is called": lambda marker: b")" + b"\x85" * 100_000 + b")R",
    "attributes of a tensor": lambda marker: b"]}" + text("__class__") + text("x") + b"sb",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("write", [archive, stream])
def test_a_hostile_file_is_refused_and_runs_nothing(name, write, tmp_path):
    marker = tmp_path / "ran"
    pickled = b"\x80\x02}(" + text("weight") + HOSTILE[name](marker) + b"u."
    with pytest.raises(BadStateDict):
        read_tensors(write(tmp_path / "hostile.pth", pickled, {}))
    assert not marker.exists()


def test_the_refusal_names_what_was_asked_for_and_what_to_save(tmp_path):
    pickled = b"\x80\x02" + calling("torchvision.models.resnet", "ResNet") + b"."
    with pytest.raises(BadStateDict, match=r"names torchvision.models.resnet.ResNet.*torch.save\(model.state_dict"):
        read_tensors(archive(tmp_path / "whole.pth", pickled, {}))


@pytest.mark.parametrize("name", WRITERS)
def test_what_another_kind_of_file_is_is_told(name, tmp_path):
    with h5py.File(tmp_path / name, "w") as file:
        file["x"] = [1.0, 2.0]
    with pytest.raises(BadStateDict, match=r"it is an HDF5 file, as Keras saves weights: let its name end in \.h5"):
        read_tensors(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadStateDict, match="it is empty; fetch it again"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_something_else_is_told(protocol, tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"weights": [1.0, 2.0]}, protocol))
    with pytest.raises(BadStateDict, match="it is a pickle, but no state dict of tensors"):
        read_tensors(tmp_path / "a.pth")


def test_a_tar_archive_is_refused(tmp_path):
    with tarfile.open(tmp_path / "old.pth", "w") as file:
        file.add(__file__, "tensors")
    with pytest.raises(BadStateDict, match=r"tar archive, which PyTorch wrote before 0\.1\.10"):
        read_tensors(tmp_path / "old.pth")


def test_a_program_is_refused(tmp_path):
    path = write_archive(tmp_path / "script.pt", TENSORS)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/constants.pkl", b"")
    with pytest.raises(BadStateDict, match="TorchScript program"):
        read_tensors(path)


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    zeros = {"x": np.zeros(10**6, np.float32)}
    path = archive(tmp_path / "bomb.pth", state_dict(zeros), zeros, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BadStateDict, match="compressed"):
        read_tensors(path)


def test_numbers_that_the_file_does_not_have_are_not_waited_for(tmp_path):
    with pytest.raises(BadStateDict, match="40 bytes for 2,000,000,000 numbers"):
        read_tensors(archive(tmp_path / "a.pth", view_of(2 * 10**9, 0, (1,), (1,)), {"x": np.zeros(10, np.float32)}))
    with pytest.raises(BadStateDict, match="lacks archive/data/0"):
        read_tensors(archive(tmp_path / "b.pth", view_of(10, 0, (1,), (1,)), {}))


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x80", b"\x80\x02N.", b"PK\x03\x04", b"\x80\x02" + 100 * b"(", b"\xff" * 99]
)
def test_what_is_none_is_refused(content, tmp_path):
    for name in WRITERS:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadStateDict):
            read_tensors(tmp_path / name)


@pytest.mark.parametrize("name", WRITERS)
def test_damage_anywhere_is_told_or_changes_only_numbers(name, tmp_path):
    whole = WRITERS[name](tmp_path / name, TENSORS).read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        raw = bytearray(whole)
        for place in generator.integers(len(raw), size=3):
            raw[place] = generator.integers(256)
        (tmp_path / name).write_bytes(raw[: generator.integers(len(raw) // 2, len(raw) + 1)])
        try:
            read_tensors(tmp_path / name)
        except BadStateDict:
            refused += 1
    assert refused > 20
