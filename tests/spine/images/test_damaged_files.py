"""Damaged, hostile and merely odd files: refused with their true reason, before memory or another file is touched."""

import bz2
import gzip
import io
import os
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from spine.core.problems import SpineError
from spine.images.integrity import check_bytes, read_exactly, rest_of, unpacking
from spine.images.pictures import read_picture
from spine.images.volumes import read_volume
from spine.intake.reading import read_images
from tests.spine.decoder_files import metaimage, nifti, nrrd, plain_tiff, png, png_chunk, tiff

GREY = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8), (0, 0), 2)
STACK = np.random.default_rng(0).integers(0, 999, (5, 6, 7)).astype(np.int16)
ZEROS = zlib.compress(bytes(2**26), 9)  # 64 MB in 64 KB


def reason_of(path, data=None):
    """What the one problem of a file says; its path is named, and no picture comes of it."""
    if data is not None:
        path.write_bytes(data)
    images = read_images(path)
    assert list(images) == []
    (problem,) = images.problems
    assert problem.path == str(path)
    assert problem.severity == "error"
    return problem.reason


def saved(picture, **options):
    stream = io.BytesIO()
    picture.save(stream, **options)
    return stream.getvalue()


JPEGS = {
    "baseline": cv2.imencode(".jpg", GREY)[1].tobytes(),
    "progressive": cv2.imencode(".jpg", GREY, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "restarts": cv2.imencode(".jpg", GREY, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].tobytes(),
    "colour": cv2.imencode(".jpg", np.dstack([GREY, GREY[::-1], GREY.T]))[1].tobytes(),
}


@pytest.mark.parametrize("kind", ["baseline", "restarts", "colour"])
@pytest.mark.parametrize("kept", [0.5, 0.7, 0.9])
def test_a_jpeg_that_was_cut_and_closed_is_no_picture_that_is_half_grey(tmp_path, capfd, kind, kept):
    data = JPEGS[kind]
    start = data.index(b"\xff\xda") + 20
    cut = data[: start + int((len(data) - start) * kept)].rstrip(b"\xff")
    assert "premature end" in reason_of(tmp_path / "a.jpg", cut + b"\xff\xd9")
    assert capfd.readouterr().err == ""


def test_bytes_behind_the_pixels_of_a_jpeg_show_that_its_codes_are_damaged(tmp_path):
    assert "extraneous bytes" in reason_of(tmp_path / "a.jpg", JPEGS["baseline"][:-2] + b"\x12" * 17 + b"\xff\xd9")


def test_restart_markers_out_of_order_are_heard(tmp_path):
    data = JPEGS["restarts"].replace(b"\xff\xd1", b"\xff\xd5", 1)
    assert "damaged" in reason_of(tmp_path / "a.jpg", data)


def test_a_whole_jpeg_with_a_thumbnail_padding_and_a_tail_is_read(tmp_path):
    data = JPEGS["baseline"]
    extra = b"\xff\xe2" + struct.pack(">H", len(data) + 2) + data  # a picture within an application's segment
    (tmp_path / "a.jpg").write_bytes(data[:2] + extra + b"\xff\xff" + data[2:] + b"tail")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.jpg", "a").pixels, cv2.imdecode(np.frombuffer(data, "u1"), -1)
    )


@pytest.mark.parametrize(
    ("marker", "bits", "told"), [(0xC3, 8, "lossless"), (0xC9, 8, "arithmetic"), (0xC1, 12, "12 bits")]
)
def test_a_jpeg_of_another_kind_is_told_as_such(tmp_path, marker, bits, told):
    data = bytearray(JPEGS["baseline"])
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, bits
    assert told in reason_of(tmp_path / "a.jpg", bytes(data))


def test_a_jpeg_of_endless_scans_is_refused(tmp_path):
    data = JPEGS["progressive"]
    last = data.rindex(b"\xff\xda")
    assert "scans" in reason_of(tmp_path / "a.jpg", data[:-2] + data[last:-2] * 200 + b"\xff\xd9")


PACKED = {
    "a.mha": lambda packed: metaimage(STACK, packed=packed(STACK.tobytes(), "zlib")),
    "a.nrrd": lambda packed: nrrd(STACK, lambda data: packed(data, "gzip"), "gzip"),
    "b.nrrd": lambda packed: nrrd(STACK, lambda data: packed(data, "bzip2"), "bzip2"),
    "a.nii.gz": lambda packed: packed(nifti(STACK.T), "gzip"),
}
PACK = {"zlib": zlib.compress, "gzip": gzip.compress, "bzip2": bz2.compress}


def damaged(data, kind):
    packed = bytearray(PACK[kind](data))
    packed[-3] ^= 0x10  # of its checksum
    return bytes(packed)


def cut(data, kind):
    return PACK[kind](data)[:-9]


def short(data, kind):
    return PACK[kind](data[:-10])


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize(("harm", "told"), [(damaged, "damaged"), (cut, "truncated"), (short, "truncated")])
def test_packed_volumes_are_verified(tmp_path, name, harm, told):
    if (name, harm) == ("b.nrrd", damaged):
        told = "damaged|truncated"  # bzip2's checksum is not byte-aligned
    import re

    assert re.search(told, reason_of(tmp_path / name, PACKED[name](harm)))


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.nii"])
def test_a_raw_volume_that_lacks_a_byte_is_refused_and_one_with_more_is_told(tmp_path, name):
    data = {"a.mha": metaimage(STACK), "a.nrrd": nrrd(STACK), "a.nii": nifti(STACK.T)}[name]
    assert "truncated: it holds 419 of 420 bytes" in reason_of(tmp_path / name, data[:-1])
    (tmp_path / name).write_bytes(data + b"12")
    images = read_images(tmp_path / name)
    assert len(list(images)) == 7
    assert [(problem.severity, problem.reason) for problem in images.problems] == [
        ("warning", "2 bytes lie behind its voxels")
    ]


BOMBS = {
    "pixels.png": lambda: png(8, 8, pixels=ZEROS),
    "rows.png": lambda: png(60_000, 60_000, 16, 2, ZEROS),
    "strip.tif": lambda: tiff((ZEROS, {256: 8, 257: 8, 258: 8, 259: 8, 278: 8})),
    "pages.tif": lambda: tiff(*[(b"\0", {256: 16384, 257: 4096, 258: 8, 259: 8, 278: 4096})] * 20),
    "channels.tif": lambda: plain_tiff(GREY, _277=65535),
    "tile.tif": lambda: plain_tiff(GREY, _322=2**20, _323=2**20, _324=8, _325=8),
    "doubles.tif": lambda: tiff((ZEROS, {256: 16384, 257: 8192, 258: 64, 259: 8, 278: 8192, 339: 3})),
    "a.mha": lambda: metaimage(np.broadcast_to(np.uint8(0), (2048, 2048, 2048)), packed=ZEROS),
    "doubles.mha": lambda: metaimage(np.broadcast_to(np.float64(0), (600, 600, 600)), packed=ZEROS),
    "skip.nrrd": lambda: nrrd(STACK, gzip.compress, "gzip", byte_skip=10**13),
    "wide.jpg": lambda: JPEGS["baseline"].replace(b"\x08\0\x40\0\x40", b"\x08\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_of_a_large_content_is_refused_before_it_is_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(BOMBS[name]())
    tracemalloc.start()
    reason_of(tmp_path / name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


BEHIND = {
    "a.mha": lambda: metaimage(STACK, packed=zlib.compress(STACK.tobytes() + bytes(2**26))),
    "a.nrrd": lambda: nrrd(STACK, lambda data: gzip.compress(data + bytes(2**26)), "gzip"),
    "a.nii.gz": lambda: gzip.compress(nifti(STACK.T)) + gzip.compress(bytes(2**26)) * 20,
    "texts.png": lambda: png(
        *GREY.shape,
        pixels=zlib.compress(np.pad(GREY, ((0, 0), (1, 0))).tobytes()),
        before=png_chunk(b"zTXt", b"a\0\0" + ZEROS) + png_chunk(b"iCCP", b"a\0\0" + ZEROS),
    ),
}


@pytest.mark.parametrize("name", BEHIND)
def test_what_lies_behind_the_pixels_is_not_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(BEHIND[name]())
    tracemalloc.start()
    images = read_images(tmp_path / name)
    assert list(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24
    assert [problem.severity for problem in images.problems] == (["warning"] if name != "texts.png" else [])


def test_the_budget_is_of_what_a_file_becomes(tmp_path):
    check_bytes(2**30, tmp_path)
    with pytest.raises(SpineError, match="would take 1,073,741,825 bytes, and 1,073,741,824 can be read"):
        check_bytes(2**30 + 1, tmp_path)


def test_members_of_a_gzip_are_one_stream_and_padding_ends_it(tmp_path):
    packed = io.BytesIO(gzip.compress(b"abc") + gzip.compress(b"de") + bytes(100))
    stream = unpacking(packed, "gzip")
    assert read_exactly(stream, 5, tmp_path).tobytes() == b"abcde"
    assert rest_of(stream, tmp_path) == 0


ELSEWHERE = [
    "/etc/hostname",
    "../secret.raw",
    "sub/secret.raw",
    "sub\\secret.raw",
    "..",
    ".",
    "C:secret.raw",
    "LIST",
    "v%03d.raw 1 5 1",
]


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("suffix", [".mhd", ".mha", ".nhdr", ".nrrd"])
def test_a_header_chooses_no_file_but_one_beside_it(tmp_path, name, suffix):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, folder / "sub"):
        (place / "secret.raw").write_bytes(STACK.tobytes())
    for number in range(1, 6):
        (folder / f"v{number:03}.raw").write_bytes(STACK.tobytes())
    header = metaimage(STACK, data=name) if suffix in (".mhd", ".mha") else nrrd(STACK, data_file=name)
    reason = reason_of(folder / f"a{suffix}", header)
    assert "only a file beside it" in reason or "several files" in reason


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr", ".hdr"])
def test_a_link_that_leads_out_is_not_followed_and_a_plain_file_is_read(tmp_path, suffix):
    folder = tmp_path / "in"
    folder.mkdir()
    pair = nifti(STACK.T, offset=0).replace(b"n+1\0", b"ni1\0")
    names = {".mhd": "v.raw", ".nhdr": "v.raw", ".hdr": "v.img"}
    headers = {".mhd": metaimage(STACK, data="v.raw"), ".nhdr": nrrd(STACK, data_file="v.raw"), ".hdr": pair[:352]}
    voxels, header = folder / names[suffix], folder / f"v{suffix}"
    (tmp_path / "secret").write_bytes(STACK.tobytes())
    header.write_bytes(headers[suffix])
    assert f"lacks '{names[suffix]}'" in reason_of(header)
    voxels.symlink_to(tmp_path / "secret")
    assert "link to another folder" in reason_of(header)
    voxels.unlink()
    voxels.write_bytes(STACK.tobytes())
    images = read_images(folder)
    assert sorted(int(pixel) for one in images for pixel in one.pixels.ravel()) == sorted(STACK.ravel().tolist())
    assert images.problems == []


def test_a_header_that_is_itself_a_link_reads_what_lies_beside_its_own_file(tmp_path):
    store, folder = tmp_path / "store", tmp_path / "in"
    store.mkdir()
    folder.mkdir()
    (store / "v.mhd").write_bytes(metaimage(STACK, data="v.raw"))
    (store / "v.raw").write_bytes(STACK.tobytes())
    for name in ("v.mhd", "v.raw"):
        (folder / name).symlink_to(store / name)
    assert len(list(read_images(folder))) == 7


SHEARED = np.diag([1.0, 1, 3, 1])
SHEARED[0, 2], SHEARED[1, 2] = 0.2, 0.4
REASONS = {
    "sheared.nii": (
        lambda: nifti(STACK.T, SHEARED),
        "sheared, as by a tilted gantry: two of its axes meet at 82.4 degrees",
    ),
    "sheared.nrrd": (lambda: nrrd(STACK, directions="(1,0,0) (0,1,0) (0.2,0.4,3)"), "sheared"),
    "sheared.mha": (lambda: metaimage(STACK, TransformMatrix="1 0 0 0 1 0 0.2 0.4 3"), "sheared"),
    "flat.mha": (lambda: metaimage(STACK[0]), "has 2 axes"),
    "flat.nrrd": (lambda: nrrd(STACK[0]), "has 2 axes"),
    "flat.nii": (lambda: nifti(STACK[0]), "has 2 axes"),
    "times.mha": (lambda: metaimage(STACK[None]), "has 4 axes"),
    "times.nrrd": (lambda: nrrd(STACK[None]), "has 4 axes"),
    "times.nii": (lambda: nifti(np.stack([STACK, STACK], axis=3)), "has 4 axes"),
    "vector.mha": (lambda: metaimage(STACK, ElementNumberOfChannels=3), "3 values a voxel"),
    "offset.nii": (lambda: nifti(STACK.T, offset=np.nan), "begin at byte nan"),
    "far.nii": (lambda: nifti(STACK.T, offset=1e30), "truncated|begin at byte"),
    "axes.nii": (lambda: nifti(STACK.T, np.full((4, 4), np.nan)), "axes of no length or of no number"),
    "zero.mha": (lambda: metaimage(STACK, ElementSpacing="1 0 1"), "axes of no length"),
    "words.mha": (lambda: metaimage(STACK, ElementSpacing="1 nan 1"), "'nan' is not a number"),
    "twice.mha": (lambda: metaimage(STACK, ElementDataFile="a.raw"), "names 'LOCAL'|lacks|twice"),
    "hex.nrrd": (lambda: nrrd(STACK, encoding="hex"), "encoding 'hex'"),
    "text.nrrd": (lambda: b"plain words", "no NIfTI, MetaImage or NRRD volume, whatever its name says"),
    "text.nii.gz": (lambda: gzip.compress(b"plain words"), "no NIfTI"),
    "colour.nii": (lambda: _with_datatype(128), "RGB voxels"),
    "complex.nii": (lambda: _with_datatype(32), "complex voxels"),
    "analyze.nii": (lambda: nifti(STACK.T).replace(b"n+1\0", b"\0\0\0\0"), "Analyze 7.5"),
    "old_jpeg.tif": (lambda: plain_tiff(GREY, _259=6), "packed by method 6"),
    "zstd.tif": (lambda: plain_tiff(GREY, _259=50000), "packed by method 50000"),
    "webp.tif": (lambda: plain_tiff(GREY, _259=50001), "packed by method 50001"),
    "lab.tif": (lambda: plain_tiff(np.dstack([GREY] * 3), _262=8), "photometric kind 8"),
    "complex.tif": (lambda: plain_tiff(GREY.astype(np.uint32), _339=6), "complex samples"),
    "far.tif": (lambda: plain_tiff(GREY, _273=10**6), "truncated: its pixels from row 0 are missing"),
    "strips.tif": (lambda: plain_tiff(GREY, _278=16), "lists 1 pieces"),
    "lzw.tif": (lambda: _harmed_lzw(), "LZW pixels cannot be unpacked"),
    "fax.tif": (lambda: _harmed_fax(), "fax G4 pixels cannot be unpacked"),
    "deflate.tif": (
        lambda: tiff((zlib.compress(GREY.tobytes())[:-2] + b"xx", _SIZE | {259: 8})),
        "packed bytes do not hold",
    ),
    "bits.png": (lambda: png(4, 4, bits=3), "3 bits"),
    "no_colours.png": (lambda: png(4, 4, colour_type=3, pixels=zlib.compress(bytes(20))), "palette has 0 bytes"),
    "far_intercept.nii": (lambda: nifti(STACK.T, intercept=1e30), "intercept 1e\\+30, by which all voxels have one"),
    "short.png": (lambda: png(4, 4, pixels=zlib.compress(bytes(19))), "truncated: it holds 19 of 20 bytes"),
    "long.png": (lambda: png(4, 4, pixels=zlib.compress(bytes(21))), "more pixels than its header states"),
}
_SIZE = {256: 64, 257: 64, 258: 8, 278: 64}


def _with_datatype(code):
    data = bytearray(nifti(STACK.T))
    struct.pack_into("<h", data, 70, code)
    return bytes(data)


def _harmed_lzw():
    data = saved(Image.fromarray(GREY), format="TIFF", compression="tiff_lzw")
    with Image.open(io.BytesIO(data)) as image:
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]
    return data[:start] + data[start : start + length // 2] + b"\xff" * (length - length // 2) + data[start + length :]


def _harmed_fax():
    data = saved(Image.fromarray(GREY > 127), format="TIFF", compression="group4")
    with Image.open(io.BytesIO(data)) as image:
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]
    return data[: start + 8] + b"\0" * (length - 8) + data[start + length :]


@pytest.mark.parametrize("name", REASONS)
def test_a_problem_states_the_true_reason(tmp_path, name, capfd):
    import re

    make, told = REASONS[name]
    reason = reason_of(tmp_path / name, make())
    assert re.search(told, reason), reason
    assert capfd.readouterr().err == ""


def test_a_raw_file_that_is_mostly_hole_is_not_read_beyond_its_voxels(tmp_path):
    (tmp_path / "v.mhd").write_bytes(metaimage(STACK, data="v.raw"))
    (tmp_path / "v.raw").write_bytes(STACK.tobytes())
    os.truncate(tmp_path / "v.raw", 2**40)
    volume = read_volume(tmp_path / "v.mhd")
    assert volume.surplus == 2**16
    assert sorted(volume.array.ravel().tolist()) == sorted(STACK.ravel().tolist())


def test_a_damaged_neighbour_is_no_matter(tmp_path):
    """An ITK reader opens `v.nii` where it was asked for `v.nii.gz`."""
    (tmp_path / "v.nii").write_bytes(nifti(STACK.T * 0))
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(nifti(STACK.T)))
    assert read_volume(tmp_path / "v.nii.gz").array.any()
