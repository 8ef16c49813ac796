"""The orientation in which a picture was drawn: applied once, to pixels, sizes, boxes and masks alike."""

import cv2
import numpy as np
import pytest
from PIL import Image

from spine.annotations.sources import image_size
from spine.images.decoders.orientation import upright
from spine.images.pictures import read_greys, read_mask, read_picture
from spine.intake import build
from spine.intake.reading import read_images
from tests.spine.decoder_files import exif, plain_tiff, png_chunk, tiff

UPRIGHT = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
# How a camera that was held so stores the two rows of three pixels (TIFF 6.0, tag 274).
STORED = {
    1: [[10, 20, 30], [40, 50, 60]],
    2: [[30, 20, 10], [60, 50, 40]],
    3: [[60, 50, 40], [30, 20, 10]],
    4: [[40, 50, 60], [10, 20, 30]],
    5: [[10, 40], [20, 50], [30, 60]],
    6: [[30, 60], [20, 50], [10, 40]],
    7: [[60, 30], [50, 20], [40, 10]],
    8: [[40, 10], [50, 20], [60, 30]],
}


def stored(orientation):
    return np.array(STORED[orientation], np.uint8)


def write(path, pixels, orientation, order="<"):
    """A picture of stored pixels that states its orientation as its format does."""
    if path.suffix == ".tif":
        path.write_bytes(plain_tiff(pixels, order, _274=orientation if order == "<" else orientation << 16))
    elif path.suffix == ".png":
        data = cv2.imencode(".png", pixels)[1].tobytes()
        path.write_bytes(data[:33] + png_chunk(b"eXIf", exif(orientation, order)) + data[33:])
    else:
        Image.fromarray(pixels).save(path, quality=100, exif=b"Exif\0\0" + exif(orientation, order))


@pytest.mark.parametrize("orientation", STORED)
def test_it_is_as_the_standard_has_it(orientation):
    assert upright(stored(orientation), orientation).tolist() == UPRIGHT.tolist()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("orientation", STORED)
def test_pixels_sizes_and_masks_are_upright(tmp_path, suffix, orientation):
    path = tmp_path / f"a{suffix}"
    write(path, stored(orientation), orientation)
    lost = 2 if suffix == ".jpg" else 0  # by JPEG
    assert np.abs(read_picture(path, "a").pixels.astype(int) - UPRIGHT).max() <= lost
    assert image_size(path) == UPRIGHT.shape
    if suffix != ".jpg":
        assert read_mask(path).tolist() == UPRIGHT.tolist()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_exif_of_either_byte_order_is_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write(path, stored(6), 6, ">")
    assert image_size(path) == UPRIGHT.shape


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_there_is_not_turns_nothing(tmp_path, suffix, orientation):
    write(tmp_path / f"a{suffix}", UPRIGHT, orientation)
    assert read_picture(tmp_path / f"a{suffix}", "a").pixels.shape == UPRIGHT.shape


@pytest.mark.parametrize("block", [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 40])
def test_broken_exif_turns_nothing(tmp_path, block):
    data = cv2.imencode(".png", UPRIGHT)[1].tobytes()
    (tmp_path / "a.png").write_bytes(data[:33] + png_chunk(b"eXIf", block) + data[33:])
    assert read_picture(tmp_path / "a.png", "a").pixels.tolist() == UPRIGHT.tolist()


def test_each_page_of_a_tiff_has_an_orientation_of_its_own(tmp_path):
    pages = [(stored(k).tobytes(), {256: stored(k).shape[1], 257: stored(k).shape[0], 258: 8, 274: k}) for k in STORED]
    (tmp_path / "a.tif").write_bytes(tiff(*pages))
    assert read_greys(tmp_path / "a.tif").pixels.tolist() == [UPRIGHT.tolist()] * 8


def test_a_palette_mask_is_turned_too(tmp_path):
    image = Image.fromarray(stored(8) // 10, "P")
    image.putpalette([0, 0, 0] * 7)
    image.save(tmp_path / "m.png", exif=exif(8))
    assert read_mask(tmp_path / "m.png").tolist() == (UPRIGHT // 10).tolist()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("orientation", STORED)
def test_boxes_and_masks_lie_on_what_they_were_drawn_on(tmp_path, orientation, suffix):
    """A bright block, its YOLO box drawn on the upright picture, its mask stored in yet another orientation."""
    upright_picture = np.full((64, 48), 40, np.uint8)
    upright_picture[8:16, 24:40] = 220
    turned = {k: _store(upright_picture, k) for k in STORED}
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    write(tmp_path / "images" / f"a{suffix}", turned[orientation], orientation)
    write(tmp_path / "masks" / "a.png", (turned[9 - orientation] > 100).astype(np.uint8), 9 - orientation)
    (tmp_path / "images" / "a.txt").write_text(f"0 {32 / 48} {12 / 64} {16 / 48} {8 / 64}\n")
    (tmp_path / "images" / "data.yaml").write_text("names: [disc]\n")
    config = tmp_path / "config.yaml"
    config.write_text(
        f"name: a\noutput: {tmp_path / 'out'}\nsplits: {{train: 1.0, validation: 0.0, test: 0.0, seed: 1}}\n"
        f"sources:\n- name: s\n  images: {tmp_path / 'images'}\n  annotations:\n"
        f"  - {{format: yolo, path: {tmp_path / 'images'}}}\n"
        f"  - {{format: mask, path: {tmp_path / 'masks'}, labels: [disc]}}\n"
    )
    result = build(config)
    assert [problem for problem in result.problems if problem.severity == "error"] == []
    (pixels,) = (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in (tmp_path / "out" / "images").iterdir())
    (mask,) = (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in (tmp_path / "out" / "masks").iterdir())
    box = (tmp_path / "out" / "boxes.csv").read_text().splitlines()[1].split(",")[3:7]
    assert [float(corner) for corner in box] == pytest.approx([24, 8, 40, 16])
    assert (pixels > 130).astype(int).tolist() == (upright_picture > 100).astype(int).tolist() == mask.tolist()


def test_pictures_without_annotations_are_upright_too(tmp_path):
    write(tmp_path / "a.jpg", stored(6), 6)
    assert [picture.pixels.shape for picture in read_images(tmp_path)] == [UPRIGHT.shape]


def _store(pixels, orientation):
    """The pixels as they are stored in an orientation: found by trying, and so independent of what undoes it."""
    turns = (np.rot90(one, quarters) for one in (pixels, pixels[:, ::-1]) for quarters in range(4))
    small = (np.rot90(one, quarters) for one in (UPRIGHT, UPRIGHT[:, ::-1]) for quarters in range(4))
    return next(
        np.ascontiguousarray(big) for big, own in zip(turns, small, strict=True) if own.tolist() == STORED[orientation]
    )
