"""One array of grey levels through every container: the same grey means the same, whatever holds it."""

import bz2
import gzip
import io
import zlib

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from spine.annotations import tf_example
from spine.annotations.tfrecords import shards
from spine.images.pictures import encode_png
from spine.intake.reading import read_images
from tests.spine.decoder_files import metaimage, nifti, nrrd, plain_tiff, png, png_chunk, tiff
from tests.spine.images.dicom.dicom_samples import sample, save

GREY = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (24, 34)).astype(np.uint8), (0, 0), 2)
GREY = cv2.normalize(GREY, None, 0, 255, cv2.NORM_MINMAX)
WIDE = GREY.astype(np.uint16) * 257
FEW = GREY >> 4  # 4 bits: 0..15
RGB = np.dstack([GREY] * 3)


def saved(picture, **options):
    stream = io.BytesIO()
    picture.save(stream, **options)
    return stream.getvalue()


def pillow(array, mode=None, **options):
    return saved(Image.fromarray(array, mode) if mode else Image.fromarray(array), **options)


def packed_bits(array, bits):
    """Rows of `bits` bits a value, the greatest bit first, each row filled up to a byte."""
    spread = (array[..., None].astype(int) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(len(array), -1).astype(np.uint8), axis=1).tobytes()


def few_bits_tiff(array, bits, **tags):
    size = {256: array.shape[1], 257: array.shape[0], 278: array.shape[0], 258: bits}
    return tiff((packed_bits(array, bits), size | {int(tag[1:]): value for tag, value in tags.items()}))


def few_bits_png(array, bits):
    rows = np.frombuffer(packed_bits(array, bits), np.uint8).reshape(len(array), -1)
    return png(*array.shape, bits, 0, zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes()))


def palette(entries, mode="PNG"):
    """A picture whose index i has the grey entries[i]; each pixel's index is that of its grey level."""
    image = Image.fromarray(np.argsort(entries).astype(np.uint8)[GREY], "P")
    image.putpalette(np.repeat(entries, 3).astype(np.uint8).tolist())
    return saved(image, format=mode)


def palette_tiff(white_first=False):
    colours = (255 - np.arange(256) if white_first else np.arange(256)) * 257
    return plain_tiff(255 - GREY if white_first else GREY, _262=3, _320=np.tile(colours, 3).tolist())


def planar(array):
    strip = array[..., 0].size * array.itemsize
    size = {256: array.shape[1], 257: array.shape[0], 278: array.shape[0], 258: 8 * array.itemsize, 277: 3, 262: 2}
    packed = np.moveaxis(array, 2, 0).tobytes()
    return tiff((packed, size | {284: 2, 273: [8, 8 + strip, 8 + 2 * strip], 279: [strip] * 3}))


def tiled(array, side=16):
    """Tiles of 16 x 16, the outer ones filled up with white."""
    down, across = (-(-length // side) for length in array.shape)
    padding = [(0, down * side - array.shape[0]), (0, across * side - array.shape[1])]
    full = np.pad(array, padding, constant_values=255)
    tiles = full.reshape(down, side, across, side).swapaxes(1, 2).reshape(-1, side * side)
    places = [8 + side * side * k for k in range(len(tiles))]
    size = {256: array.shape[1], 257: array.shape[0], 258: 8, 322: side, 323: side}
    return tiff((tiles.tobytes(), size | {324: places, 325: [side * side] * len(tiles)}))


def differences(array):
    return plain_tiff(np.diff(array, axis=1, prepend=array.dtype.type(0)), _317=2)


def big_tiff(array):
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, bigtiff=True, byteorder=">")
    return stream.getvalue()


def adobe_cmyk(array):
    """Black ink alone, stored inverted as Adobe's programs and Pillow store it."""
    empty = Image.fromarray(np.zeros_like(array))
    return saved(Image.merge("CMYK", [empty, empty, empty, Image.fromarray(255 - array)]), format="JPEG", quality=100)


PICTURES = {
    "grey.png": (lambda: pillow(GREY, format="PNG"), GREY),
    "grey16.png": (lambda: encode_png(WIDE), WIDE),
    "grey4.png": (lambda: few_bits_png(FEW, 4), FEW * 17),
    "grey2.png": (lambda: few_bits_png(FEW >> 2, 2), (FEW >> 2) * 85),
    "grey1.png": (lambda: few_bits_png(FEW >> 3, 1), (FEW >> 3) * 255),
    "rgb.png": (lambda: pillow(RGB, format="PNG"), GREY),
    "rgb16.png": (lambda: cv2.imencode(".png", np.dstack([WIDE] * 3))[1].tobytes(), WIDE),
    "rgba.png": (lambda: pillow(np.dstack([RGB, 255 - GREY]), format="PNG"), GREY),
    "grey_alpha.png": (lambda: pillow(np.dstack([GREY, 255 - GREY]), "LA", format="PNG"), GREY),
    "palette.png": (lambda: palette(np.arange(256)), GREY),
    "inverted_palette.png": (lambda: palette(255 - np.arange(256)), GREY),
    "palette.tif": (palette_tiff, GREY),
    "inverted_palette.tif": (lambda: palette_tiff(white_first=True), GREY),
    "grey.tif": (lambda: plain_tiff(GREY), GREY),
    "grey16.tif": (lambda: plain_tiff(WIDE), WIDE),
    "big_endian.tif": (lambda: plain_tiff(WIDE, order=">"), WIDE),
    "big.tif": (lambda: big_tiff(WIDE), WIDE),
    "white_is_zero.tif": (lambda: plain_tiff(255 - GREY, _262=0), GREY),
    "white_is_zero16.tif": (lambda: plain_tiff(65535 - WIDE, _262=0), WIDE),
    "white_is_zero4.tif": (lambda: few_bits_tiff(15 - FEW, 4, _262=0), FEW * 17),
    "white_is_zero1.tif": (lambda: few_bits_tiff(1 - (FEW >> 3), 1, _262=0), (FEW >> 3) * 255),
    "grey2.tif": (lambda: few_bits_tiff(FEW >> 2, 2), (FEW >> 2) * 85),
    "grey12.tif": (lambda: few_bits_tiff(GREY.astype(np.uint16) * 16, 12), GREY.astype(np.uint16) * 16),
    "grey32.tif": (lambda: plain_tiff(WIDE.astype(np.uint32)), WIDE),
    "whole_floats.tif": (lambda: plain_tiff(WIDE.astype(np.float32)), WIDE),
    "whole_doubles.tif": (lambda: plain_tiff(WIDE.astype(np.float64), order=">"), WIDE),
    "signed.tif": (lambda: plain_tiff(GREY.astype(np.int16)), GREY),
    "negative.tif": (lambda: plain_tiff(GREY.astype(np.int16) - 100), GREY.astype(int) - 100 + 32768),
    "rgb.tif": (lambda: plain_tiff(RGB), GREY),
    "rgb16.tif": (lambda: plain_tiff(np.dstack([WIDE] * 3)), WIDE),
    "planar.tif": (lambda: planar(RGB), GREY),
    "planar16.tif": (lambda: planar(np.dstack([WIDE] * 3)), WIDE),
    "cmyk.tif": (lambda: plain_tiff(np.dstack([RGB * 0, 255 - GREY]), _262=5), GREY),
    "tiles.tif": (lambda: tiled(GREY), GREY),
    "lzw.tif": (lambda: pillow(GREY, format="TIFF", compression="tiff_lzw"), GREY),
    "lzw16.tif": (lambda: pillow(WIDE, format="TIFF", compression="tiff_lzw"), WIDE),
    "deflate.tif": (lambda: pillow(GREY, format="TIFF", compression="tiff_adobe_deflate"), GREY),
    "packbits.tif": (lambda: pillow(RGB, format="TIFF", compression="packbits"), GREY),
    "fax.tif": (lambda: pillow(GREY > 127, format="TIFF", compression="group4"), (GREY > 127) * 255),
    "differences.tif": (lambda: differences(GREY), GREY),
    "differences16.tif": (lambda: differences(WIDE), WIDE),
}
LOSSY = {
    "grey.jpg": lambda: pillow(GREY, format="JPEG", quality=100),
    "progressive.jpg": lambda: pillow(GREY, format="JPEG", quality=100, progressive=True),
    "rgb.jpg": lambda: pillow(RGB, format="JPEG", quality=100),
    "cmyk.jpg": lambda: adobe_cmyk(GREY),
    "jpeg.tif": lambda: pillow(GREY, format="TIFF", compression="jpeg", quality=100),
    "jpeg_rgb.tif": lambda: pillow(RGB, format="TIFF", compression="jpeg", quality=100),
}


def pixels_of(path, **options):
    images = read_images(path, **options)
    (picture,) = images
    assert images.problems == []
    return picture


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_the_same_grey_levels(tmp_path, name):
    make, expected = PICTURES[name]
    (tmp_path / name).write_bytes(make())
    np.testing.assert_array_equal(pixels_of(tmp_path / name).pixels, expected)


@pytest.mark.parametrize("name", LOSSY)
def test_every_jpeg_has_them_within_what_jpeg_loses(tmp_path, name):
    (tmp_path / name).write_bytes(LOSSY[name]())
    assert np.abs(pixels_of(tmp_path / name).pixels.astype(int) - GREY).max() <= 3


# (x, y, z) of one sagittal slice whose rows run down and columns back, as the picture is seen.
SEEN = WIDE.T[None, ::-1, ::-1]
# (z, y, x) with the axes left, posterior and superior.
STACK = np.ascontiguousarray(WIDE[::-1, :, None])
VOLUMES = {
    "a.nii": lambda: nifti(SEEN),
    "big_endian.nii": lambda: nifti(SEEN, order=">"),
    "a.nii.gz": lambda: gzip.compress(nifti(SEEN)),
    "floats.nii": lambda: nifti(SEEN.astype(np.float32)),
    "doubles.nii": lambda: nifti(SEEN.astype(np.float64)),
    "sloped.nii": lambda: nifti((SEEN // 257).astype(np.uint8), slope=257.0),
    "a.mha": lambda: metaimage(STACK),
    "packed.mha": lambda: metaimage(STACK, packed=zlib.compress(STACK.tobytes())),
    "big_endian.mha": lambda: metaimage(
        STACK, packed=zlib.compress(STACK.byteswap().tobytes()), ElementByteOrderMSB="True"
    ),
    "a.nrrd": lambda: nrrd(STACK),
    "gzip.nrrd": lambda: nrrd(STACK, gzip.compress, "gzip"),
    "bzip2.nrrd": lambda: nrrd(STACK, bz2.compress, "bz2"),
    "ras.nrrd": lambda: nrrd(STACK[:, ::-1]).replace(b"left-posterior", b"right-anterior"),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_every_volume_has_the_same_grey_levels(tmp_path, name):
    (tmp_path / name).write_bytes(VOLUMES[name]())
    np.testing.assert_array_equal(pixels_of(tmp_path / name).pixels, WIDE)


@pytest.mark.parametrize("name", [name for name in VOLUMES if name not in ("sloped.nii", "bzip2.nrrd")])
def test_and_another_reader_of_volumes_sees_the_same(tmp_path, name):
    (tmp_path / name).write_bytes(VOLUMES[name]())
    turned = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / name)), "PIR"))
    np.testing.assert_array_equal(turned, WIDE[None])


@pytest.mark.parametrize(("photometric", "stored"), [("MONOCHROME2", WIDE), ("MONOCHROME1", 65535 - WIDE)])
def test_dicom_has_them(tmp_path, photometric, stored):
    save(sample(stored, PhotometricInterpretation=photometric, Modality="DX"), tmp_path / "a.dcm")
    np.testing.assert_array_equal(pixels_of(tmp_path / "a.dcm").pixels, WIDE)


def test_tfrecords_have_them(tmp_path):
    record = tf_example.encode(
        {"image/encoded": [encode_png(WIDE)], "image/filename": ["a.png"], "image/format": ["png"]}
    )
    with shards(tmp_path / "a", 1) as written:
        written.write(record)
    (file,) = tmp_path.iterdir()
    np.testing.assert_array_equal(pixels_of(file, kind="tfrecord").pixels, WIDE)


def test_a_profile_a_gamma_and_a_transparent_level_change_no_grey(tmp_path):
    rows = zlib.compress(np.pad(GREY, ((0, 0), (1, 0))).tobytes())
    before = png_chunk(b"gAMA", b"\0\0\xb1\x8f") + png_chunk(b"tRNS", b"\0\x07") + png_chunk(b"bKGD", b"\0\x80")
    (tmp_path / "a.png").write_bytes(png(*GREY.shape, pixels=rows, before=before))
    np.testing.assert_array_equal(pixels_of(tmp_path / "a.png").pixels, GREY)
