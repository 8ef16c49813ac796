"""Masks as they are drawn: every depth, palette and channel gives the same class indices, or is refused."""

import cv2
import numpy as np
import pytest
from PIL import Image

from spine.annotations import mask
from spine.annotations.mask import load_mask
from spine.core.problems import SpineError

DRAWN = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)  # of one class
CLASSES = np.array([[0, 1, 2], [2, 0, 1]], np.uint8)  # of two
OPAQUE = np.full_like(DRAWN, 255)


def _palette(array, path):
    image = Image.fromarray(array, "P")
    image.putpalette([0, 0, 0, 10, 200, 30, 90, 90, 255])
    image.save(path)


def _alpha(grey, alpha, path, kind="RGBA"):
    channels = [grey, alpha] if kind == "LA" else [grey, grey, grey, alpha]
    Image.fromarray(np.dstack(channels), kind).save(path)


BINARY = {
    **{f"{value}.png": lambda path, value=value: cv2.imwrite(path, DRAWN * value) for value in (1, 64, 128, 255)},
    **{
        f"16-bit {value}.{suffix}": lambda path, value=value: cv2.imwrite(path, DRAWN.astype(np.uint16) * value)
        for value in (1, 128, 255, 4095, 65535)
        for suffix in ("png", "tif")
    },
    "1-bit.png": lambda path: Image.fromarray(DRAWN.astype(bool)).save(path),
    "1-bit.tif": lambda path: Image.fromarray(DRAWN.astype(bool)).save(path),
    "fax.tif": lambda path: Image.fromarray(DRAWN.astype(bool)).save(path, compression="group4"),
    "float.tif": lambda path: cv2.imwrite(path, DRAWN.astype(np.float32)),
    "palette.png": lambda path: _palette(DRAWN, path),
    "palette.tif": lambda path: _palette(DRAWN, path),
    "rgb.png": lambda path: cv2.imwrite(path, np.dstack([DRAWN * 255] * 3)),
    "opaque rgba.png": lambda path: _alpha(DRAWN * 255, OPAQUE, path),
    "see-through rgba.png": lambda path: _alpha(DRAWN * 255, OPAQUE * 0, path),  # alpha that tells nothing
    "white with alpha.png": lambda path: _alpha(OPAQUE, DRAWN * 255, path),
    "white with alpha.tif": lambda path: _alpha(OPAQUE, DRAWN * 255, path),
    "grey with alpha.png": lambda path: _alpha(OPAQUE, DRAWN * 255, path, "LA"),
    "grey with alpha.tif": lambda path: _alpha(OPAQUE, DRAWN * 255, path, "LA"),
    "black with alpha.png": lambda path: _alpha(OPAQUE * 0, DRAWN * 255, path),
    "black on see-through white.png": lambda path: _alpha((1 - DRAWN) * 255, DRAWN * 255, path),
    "white on see-through.png": lambda path: _alpha(DRAWN * 255, DRAWN * 255, path),
    "index on see-through.png": lambda path: _alpha(DRAWN, DRAWN * 255, path),
}


@pytest.mark.parametrize("name", BINARY)
def test_a_mask_of_one_label_in_whatever_it_is_drawn(name, tmp_path):
    BINARY[name](str(tmp_path / name))
    loaded = load_mask(tmp_path / name, ["disc"])
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, DRAWN)


def _four_bit(array, path):
    image = Image.fromarray(array, "P")
    image.putpalette([0, 0, 0, 9, 9, 9, 7, 7, 7])
    image.save(path, bits=4)


INDICES = {
    "8.png": lambda path: cv2.imwrite(path, CLASSES),
    "16.png": lambda path: cv2.imwrite(path, CLASSES.astype(np.uint16)),
    "32.tif": lambda path: cv2.imwrite(path, CLASSES.astype(np.int32)),
    "palette.png": lambda path: _palette(CLASSES, path),
    "palette.tif": lambda path: _palette(CLASSES, path),
    "4-bit palette.png": lambda path: _four_bit(CLASSES, path),
    "rgb.png": lambda path: cv2.imwrite(path, np.dstack([CLASSES] * 3)),
    "rgba.png": lambda path: _alpha(CLASSES, OPAQUE, path),
    "background is see-through.png": lambda path: _alpha(CLASSES, (CLASSES > 0).astype(np.uint8) * 255, path),
    "pages.tif": lambda path: cv2.imwritemulti(path, [(index == CLASSES).astype(np.uint8) * 255 for index in (1, 2)]),
    "1-bit pages.tif": lambda path: Image.fromarray(CLASSES == 1).save(
        path, save_all=True, append_images=[Image.fromarray(CLASSES == 2)]
    ),
}


@pytest.mark.parametrize("name", INDICES)
def test_indices_of_several_labels(name, tmp_path):
    INDICES[name](str(tmp_path / name))
    np.testing.assert_array_equal(load_mask(tmp_path / name, ["vertebra", "disc"]), CLASSES)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_counts_as_it_is_stored(bits, tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + int("".join(f"{v:0{bits}b}" for v in row).ljust(16, "0"), 2).to_bytes(2) for row in CLASSES)
    rows = b"".join(row[: 1 + -(-3 * bits // 8)] for row in (rows[:3], rows[3:]))
    header = struct.pack(">2I5B", 3, 2, bits, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    np.testing.assert_array_equal(load_mask(tmp_path / "a.png", ["vertebra", "disc"]), CLASSES)


@pytest.mark.parametrize(
    ("array", "labels", "told"),
    [
        (np.array([[0, 127, 255]]), ["vertebra", "disc"], r"\[127, 255\] where 1 to 2 are vertebra, disc, and greys"),
        (np.array([[0, 255]]), ["vertebra", "disc"], r"\[255\] where 1 to 2 are vertebra, disc, and greys"),
        (np.array([[0, 2]]), ["disc"], r"\[2\] where 1 is disc;"),  # another class, not a grey
        (np.array([[0, 1, 255]]), ["disc"], r"\[255\]"),
        (np.array([[0, 128, 255]]), ["disc"], r"\[128, 255\]"),
        (np.array([[100, 200]]), ["disc"], r"\[100, 200\]"),
        (np.arange(256)[None], ["disc"], r"\[2, 3, 4, 5, 6, 7, 8, 9, ...\]"),
    ],
)
def test_what_is_no_index_is_not_guessed(array, labels, told, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), array.astype(np.uint8))
    with pytest.raises(SpineError, match=told):
        load_mask(tmp_path / "a.png", labels)


def test_colours_soft_edges_and_jpegs_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([DRAWN, DRAWN, DRAWN * 2]))
    _alpha(OPAQUE, np.array([[0, 100, 255], [0, 0, 255]], np.uint8), tmp_path / "soft.png")
    (tmp_path / "jpeg.png").write_bytes(cv2.imencode(".jpg", DRAWN * 255)[1].tobytes())
    cv2.imwrite(str(tmp_path / "half.tif"), DRAWN.astype(np.float32) / 2)
    for name, told in (("colour", "colour"), ("soft", "partly"), ("jpeg", "JPEG"), ("half", "whole")):
        (file,) = tmp_path.glob(f"{name}.*")
        with pytest.raises(SpineError, match=f"{name}.*{told}"):
            load_mask(file, ["disc"])


def test_pixels_in_several_pages_are_counted(tmp_path):
    cv2.imwritemulti(str(tmp_path / "a.tif"), [DRAWN, DRAWN])
    (problem,) = mask.read(tmp_path, labels=["vertebra", "disc"]).problems
    assert problem.severity == "warning"
    assert "3 pixels are in several pages" in problem.reason


def test_greys_that_differ_among_files_of_one_label_are_told(tmp_path):
    for grey in (100, 201, 255, 1):
        cv2.imwrite(str(tmp_path / f"{grey}.png"), DRAWN * grey)
    reading = mask.read(tmp_path, labels=["canal"])
    assert len(reading.annotations) == 4
    (problem,) = reading.problems
    assert "different greys (100 in 100.png, 201 in 201.png), each taken for 'canal'" in problem.reason


def test_white_all_over_is_told(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), OPAQUE)
    (problem,) = mask.read(tmp_path, labels=["disc"]).problems
    assert "no background" in problem.reason
