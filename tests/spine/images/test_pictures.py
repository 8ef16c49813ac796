import contextlib
import struct
import zlib
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image

from spine.annotations.sources import image_size
from spine.core.problems import SpineError
from spine.images.integrity import check_bytes
from spine.images.pictures import Picture, count_pages, read_greys, read_mask, read_picture, write_mask, write_png16
from spine.images.scaling import Scaling

GREY16 = np.array([[0, 1, 255], [256, 4095, 65535]], np.uint16)
GREY8 = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("pixels", [GREY8, GREY16], ids=["8 bit", "16 bit"])
def test_values_are_kept(tmp_path, suffix, pixels):
    cv2.imwrite(str(tmp_path / f"a{suffix}"), pixels)
    picture = read_picture(tmp_path / f"a{suffix}", f"a{suffix}")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, pixels)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_equal_channels_keep_their_value(tmp_path, kind):
    grey = np.arange(256 * 4, dtype=np.uint16).reshape(32, 32).astype(kind)
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([grey] * 3))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", "a").pixels, grey)


def test_colour_becomes_luma(tmp_path):
    red, green, blue = 200, 100, 50
    Image.new("RGB", (2, 2), (red, green, blue)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", "a").pixels[0, 0] == round(0.299 * red + 0.587 * green + 0.114 * blue)


def test_png16_round_trip(tmp_path):
    write_png16(GREY16, tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), GREY16)
    with pytest.raises(ValueError, match="uint8"):
        write_png16(GREY8, tmp_path / "b.png")


def test_pages_of_a_tiff(tmp_path):
    pages = [GREY8, GREY8 // 2, GREY8 * 0]
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    assert count_pages(tmp_path / "a.tif") == 3
    np.testing.assert_array_equal(read_greys(tmp_path / "a.tif").pixels, np.stack(pages))
    with pytest.raises(SpineError, match="3 pages"):
        read_picture(tmp_path / "a.tif", "a")


def test_a_palette_mask_holds_indices_not_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 1], [2, 1]]


def test_a_one_bit_mask_is_0_and_1(tmp_path):
    Image.fromarray(np.eye(3, dtype=bool)).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_mask_is_no_colour_image(tmp_path):
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "m.png")
    with pytest.raises(SpineError, match="colour"):
        read_mask(tmp_path / "m.png")


def test_mask_round_trip_and_range(tmp_path):
    mask = np.array([[0, 225], [100, 1]])
    write_mask(mask, tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), mask)
    with pytest.raises(SpineError, match="256"):
        write_mask(mask * 0 + 256, tmp_path / "m.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    data = cv2.imencode(suffix, pixels)[1].tobytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SpineError, match=f"a{suffix} .*truncated"):
        read_picture(tmp_path / f"a{suffix}", "a")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_file_cut_anywhere_is_refused(tmp_path, suffix):
    pages = [Image.fromarray(GREY8)] * 3
    pages[0].save(
        tmp_path / f"a{suffix}", **({"save_all": True, "append_images": pages[1:]} if suffix == ".tif" else {})
    )
    data = (tmp_path / f"a{suffix}").read_bytes()
    for length in range(len(data) - 1):
        (tmp_path / f"a{suffix}").write_bytes(data[:length])
        for read in (read_greys, read_mask, count_pages, image_size):
            with contextlib.suppress(SpineError):
                read(tmp_path / f"a{suffix}")
        with pytest.raises(SpineError):
            read_picture(tmp_path / f"a{suffix}", "a")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "0 bytes"), (b"no picture at all", "not a PNG"), (None, "cannot be opened")]
)
def test_what_is_no_picture_is_named(tmp_path, content, reason):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpineError, match=reason) as error:
        read_picture(path, "a.png")
    assert str(path) in str(error.value)


def test_real_values_are_scaled_by_their_range_and_hold_no_indices(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.array([[0.5, 1.0, 2.5]], np.float32))
    picture = read_picture(tmp_path / "a.tif", "a")
    assert picture.pixels.tolist() == [[0, 16384, 65535]], "0, a quarter and all of 65535"
    assert picture.scaling == Scaling(2.0 / 65535, 0.5)
    with pytest.raises(SpineError, match="whole"):
        read_mask(tmp_path / "a.tif")


def test_a_picture_is_valid():
    with pytest.raises(ValueError, match="uint16"):
        Picture(GREY8, None, "a")


@pytest.mark.parametrize("place", [20, 60, -6], ids=["header", "pixels", "end"])
def test_a_damaged_png_is_refused_before_its_decoder_writes_to_the_terminal(tmp_path, capfd, place):
    data = bytearray(cv2.imencode(".png", GREY16)[1].tobytes())
    data[place] ^= 0xFF
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(SpineError, match=r"a\.png is (damaged|truncated)"):
        read_picture(tmp_path / "a.png", "a")
    assert capfd.readouterr().err == ""


def _black_png(height, width, colour_type=0):
    """A file of some kilobytes that states height x width pixels of 8 bits."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    palette = chunk(b"PLTE", bytes(6)) if colour_type == 3 else b""
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    parts = (chunk(b"IHDR", header), palette, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("read", [lambda path: read_picture(path, "a"), read_mask, count_pages])
@pytest.mark.parametrize("colour_type", [0, 3], ids=["grey", "palette"])
def test_a_decompression_bomb_is_refused(tmp_path, read, colour_type):
    (tmp_path / "a.png").write_bytes(_black_png(30_000, 30_000, colour_type))
    with pytest.raises(SpineError, match=r"a\.png would take [\d,]+ bytes"):
        read(tmp_path / "a.png")


def test_pages_count_together(tmp_path, monkeypatch):
    cv2.imwritemulti(str(tmp_path / "a.tif"), [GREY8] * 3)
    needed = 3 * (1 + 1 + 2) * GREY8.size  # unpacked, as samples, and at 16 bits
    for most in (needed, needed - 1):
        monkeypatch.setattr("spine.images.decoders.tiff.check_bytes", partial(check_bytes, most=most))
        with contextlib.nullcontext() if most == needed else pytest.raises(SpineError, match=f"take {needed} bytes"):
            read_greys(tmp_path / "a.tif")


def test_colours_of_16_bits_are_read(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.dstack([GREY16] * 3))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif", "a").pixels, GREY16)
