"""A weights file of Keras that does not fit, or is damaged, is told of in our own words."""

import warnings
import zipfile

import h5py
import keras
import pytest
import tf_keras

from spine.core.problems import SpineError
from spine.training.pretrained.base_weights import load_file
from spine.training.pretrained.keras_file import require_whole

KERAS = [pytest.param(keras, id="keras3"), pytest.param(tf_keras, id="keras2")]
FITS = 3 * 3 * 3 * 4 + 4 + 4 * 4 + 3 * 3 * 4 * 5 + 5 + 4 * 5  # of two convolutions, each with a batch norm


def small(of, *filters: int):
    x = inputs = of.Input((8, 8, 3))
    for number, count in enumerate(filters):
        x = of.layers.Conv2D(count, 3, padding="same", name=f"own_conv{number}")(x)
        x = of.layers.BatchNormalization(name=f"own_bn{number}")(x)
    return of.Model(inputs, x)


def saved(of, file, *filters: int):
    """The file of such a network, by the format of its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras 2 warns of its own formats
        model = small(of, *filters)
        model.save(file) if file.suffix == ".keras" else model.save_weights(file)
    return file


def refusal(into, file) -> str:
    with pytest.raises(SpineError) as error:
        load_file(small(into, 4, 5), str(file), "small")
    return str(error.value)


@pytest.mark.parametrize("into", KERAS)
@pytest.mark.parametrize(
    ("of", "name"), [(keras, "a.weights.h5"), (keras, "a.keras"), (tf_keras, "a.h5"), (tf_keras, "a.weights.h5")]
)
def test_what_does_not_fit_is_told_with_both_sides_and_the_layer(into, of, name, tmp_path):
    file = saved(of, tmp_path / name, 4, 9)
    holds = FITS + (3 * 3 * 4 + 1 + 4) * (9 - 5)
    assert refusal(into, file) == (
        f"weights {str(file)!r} do not fit small without its top ({FITS} parameters): the file holds {holds}, "
        "of which the shapes [(3, 3, 4, 9), (9,)] for the layer own_conv1, that takes [(3, 3, 4, 5), (5,)]. "
        "Take the file of the same network, width (alpha) and Keras layout, saved with include_top=False"
    )


@pytest.mark.parametrize("into", KERAS)
def test_a_file_without_layers_is_told_so(into, tmp_path):
    for name in ("a.h5", "a.weights.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = [1.0, 2.0]
        assert "the file holds 0, of which nothing for the layer own_conv0" in refusal(into, tmp_path / name)


@pytest.mark.parametrize("into", KERAS)
def test_a_file_of_another_tool_is_told_so(into, tmp_path):
    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["layers/conv2d"] = [1.0, 2.0]
    assert "its layers do not lie as Keras saves them" in refusal(into, tmp_path / "a.weights.h5")


@pytest.mark.parametrize("into", KERAS)
@pytest.mark.parametrize("name", ["a.h5", "a.weights.h5", "a.keras"])
def test_a_damaged_file_is_to_be_fetched_again(into, name, tmp_path):
    whole = saved(tf_keras if name == "a.h5" else keras, tmp_path / name, 4, 5).read_bytes()
    half = len(whole) // 2
    kind = "a zip archive, as .keras says" if name.endswith("keras") else "HDF5, as .h5 says"
    for content, told in (
        (b"", "it is empty"),
        (b"<html>not found</html>", f"it is not {kind}"),
        (whole[:half], f"it is cut off after {half:,} bytes"),
    ):
        (tmp_path / name).write_bytes(content)
        assert refusal(into, tmp_path / name) == (
            f"weights {str(tmp_path / name)!r} cannot be read: {told}. Fetch it again, and compare its size with the "
            "published one's"
        )


@pytest.mark.parametrize("into", KERAS)
def test_damage_within_a_file_is_found(into, tmp_path):
    file = saved(keras, tmp_path / "a.keras", 4, 5)
    raw = bytearray(file.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 500] = bytes(byte ^ 0xFF for byte in raw[middle : middle + 500])
    file.write_bytes(raw)
    assert "a part of it cannot be read (the checksum of its model.weights.h5 is wrong). Fetch" in refusal(into, file)
    old = saved(tf_keras, tmp_path / "a.h5", 4, 5)
    raw = bytearray(old.read_bytes())
    raw[2000:4000] = b"\xff" * 2000
    old.write_bytes(raw)
    assert "a part of it cannot be read (" in refusal(into, old)


def test_an_archive_of_something_else_is_no_weights_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(zipfile.BadZipFile, match=r"it holds no model\.weights\.h5"):
        require_whole(tmp_path / "a.keras")
