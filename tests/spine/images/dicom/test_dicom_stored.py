"""How words hold values: bits, signs, padding; sizes that are checked before anything is decoded."""

import re
import zlib

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from spine.core.problems import SpineError
from spine.images.dicom import headers
from spine.images.dicom.codestream import frame_header
from spine.images.dicom.headers import read_dataset
from spine.images.dicom.levels import Levels, luma
from spine.images.dicom.pixels import iterate_frames
from tests.spine.images.dicom.dicom_samples import real, sample, save


def only(dataset, window="file"):
    return [frame.pixels.tolist() for frame in iterate_frames(dataset, window=window)][0]  # noqa: RUF015


def words(values, stored, high, allocated, rubbish):
    """Values as words with their highest bit at `high`, and `rubbish` in all other bits."""
    mask = ((1 << stored) - 1) << (high + 1 - stored)
    whole = (1 << allocated) - 1
    return [((value % (1 << stored)) << (high + 1 - stored)) | (rubbish & ~mask & whole) for value in values]


@pytest.mark.parametrize("order", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("rubbish", [0, 0xFFFF, 0xA5A5])
@pytest.mark.parametrize(
    ("allocated", "stored", "high"),
    [(16, 12, 11), (16, 12, 15), (16, 12, 13), (16, 10, 15), (16, 16, 15), (8, 8, 7), (8, 5, 4), (8, 5, 7)],
)
@pytest.mark.parametrize("signed", [False, True])
def test_bits_beside_the_value_are_cut_off_and_signs_extended(
    tmp_path, order, rubbish, allocated, stored, high, signed
):
    least = -(2 ** (stored - 1)) if signed else 0
    values = [least, least + 1, least + 2**stored - 1, least + 2 ** (stored - 1), 3, 0]
    dataset = sample([words(values, stored, high, allocated, rubbish)], bits=allocated)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = stored, high, int(signed)
    dataset.file_meta.TransferSyntaxUID = UID(order)
    if order.endswith(".2.2"):  # words, also where they hold two pixels
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    path = save(dataset, tmp_path / "a.dcm")
    assert only(read_dataset(path)) == [[value + 32768 * signed for value in values]]


@pytest.mark.parametrize(("allocated", "stored", "high"), [(16, 12, 11), (16, 12, 15), (8, 8, 7)])
def test_the_same_in_run_lengths(allocated, stored, high):
    values = [0, 1, 200, 7]
    dataset = sample([words(values, stored, high, allocated, 0)], bits=allocated)
    dataset.BitsStored, dataset.HighBit = stored, high
    dataset.compress(RLELossless)
    assert only(dataset) == [values]


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_monochrome1_is_inverted_alike_at_every_depth(bits, signed):
    least = -(2 ** (bits - 1)) if signed else 0
    values = [least, least + 1, least + 2**bits - 1, least + 5]
    shift = 32768 if signed else 0
    one = only(sample([values], bits=bits, signed=signed, PhotometricInterpretation="MONOCHROME1"))
    assert one == [[2 * least + 2**bits - 1 - value + shift for value in values]]


INVERTED = {"PhotometricInterpretation": "MONOCHROME1"}
WINDOW = {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}


@pytest.mark.parametrize(
    ("stored", "elements", "pixels"),
    [
        ([0, 10, 99], {"PixelPaddingValue": 0}, [0, 10, 99]),
        ([255, 10, 99], {"PixelPaddingValue": 255}, [0, 10, 99]),
        ([0, 10, 99], {"PixelPaddingValue": 0, **INVERTED}, [0, 245, 156]),
        ([255, 10, 99], {"PixelPaddingValue": 255, **INVERTED}, [0, 245, 156]),
        ([0, 5, 99], {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 9, **INVERTED}, [0, 0, 156]),
        ([0, 5, 99], {"PixelPaddingValue": 9, "PixelPaddingRangeLimit": 0, **INVERTED}, [0, 0, 156]),
        ([9, 10, 99], {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 9, **INVERTED}, [0, 245, 156]),
        ([255, 25, 100], {"PixelPaddingValue": 255, **WINDOW}, [0, round(0.25 * 65535), 65535]),
        ([0, 25, 100], {"PixelPaddingValue": 0, **WINDOW, **INVERTED}, [0, round(0.75 * 65535), 0]),
        ([0, 0, 0], {"PixelPaddingValue": 0, **INVERTED}, [0, 0, 0]),
        ([7, 10, 99], {"PixelPaddingValue": 300}, [7, 10, 99]),
        ([0, 10, 99], {"PixelPaddingValue": None, **INVERTED}, [255, 245, 156]),
    ],
)
def test_what_lies_outside_the_image_is_its_background(stored, elements, pixels):
    assert only(sample([stored], bits=8, **elements)) == [pixels]


@pytest.mark.parametrize("vr", ["US", "SS"])
@pytest.mark.parametrize("inverted", [{}, INVERTED])
def test_padding_below_all_that_was_measured_is_the_least_measured_value(vr, inverted):
    dataset = sample([[-2000, -1000, 0, 400]], signed=True, RescaleSlope=1, RescaleIntercept=0, **inverted)
    dataset.add_new(0x00280120, vr, 65536 - 2000 if vr == "US" else -2000)
    sign = -1 if inverted else 1
    measured = [sign * value + 32768 - bool(inverted) for value in (-1000, 0, 400)]
    assert only(dataset) == [[min(measured), *measured]]
    assert only(dataset, (0.0, 1000.0))[0][0] == 0


def test_padding_that_would_be_the_whole_picture_is_passed_over():
    (shown,) = iterate_frames(sample([[1, 2]], bits=8, PixelPaddingValue=0, PixelPaddingRangeLimit=255))
    assert shown.pixels.tolist() == [[1, 2]]
    assert "would be the whole picture" in shown.remarks[0]


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_levels_are_the_different_values_and_paint_them(dtype):
    info = np.iinfo(dtype)
    frame = np.array([[info.min, 3, 5], [3, info.max, 3]], dtype)
    levels = Levels.of(frame)
    assert levels.values.tolist() == sorted({int(info.min), 3, 5, int(info.max)})
    assert dict(zip(levels.values.tolist(), levels.counts.tolist(), strict=True))[3] == 3
    greys = np.arange(len(levels.values)) + 0.6
    order = {value: number + 1 for number, value in enumerate(levels.values.tolist())}
    assert levels.paint(frame, greys).tolist() == [[order[int(value)] for value in row] for row in frame]


def test_blocks_are_put_together(monkeypatch):
    monkeypatch.setattr("spine.images.dicom.levels._BLOCK", 4)
    frame = np.arange(15, dtype=np.uint16).reshape(3, 5) % 7
    levels = Levels.of(frame)
    assert levels.counts.tolist() == [3, 2, 2, 2, 2, 2, 2]
    assert levels.paint(frame, levels.values * 2.0).tolist() == (frame * 2).tolist()
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert luma(colour).tolist() == np.rint(colour @ [0.299, 0.587, 0.114]).astype(int).tolist()


@pytest.mark.parametrize(
    "elements",
    [
        {"Rows": 60000, "Columns": 60000},
        {"Rows": 16384, "Columns": 16385},
        {"Rows": 512, "Columns": 512, "NumberOfFrames": 60000},
    ],
)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", RLELossless, JPEG2000Lossless])
def test_a_size_beyond_the_budget_is_told_before_decoding(elements, syntax):
    dataset = sample([[1, 2]], **elements)
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    with pytest.raises(SpineError, match=r"pixels would take .* bytes, and 1,073,741,824 can be read"):
        next(iterate_frames(dataset))


def test_frames_that_are_not_wanted_take_nothing():
    dataset = sample(np.zeros((3, 2, 2)))
    dataset.NumberOfFrames = 3
    assert len(list(iterate_frames(dataset, [1]))) == 1


def packed(name, change=lambda stream: stream, **elements):
    """A compressed real file of one frame whose stream is changed."""
    dataset = dcmread(real(name))
    stream = change(get_frame(dataset.PixelData, 0, number_of_frames=1))
    dataset.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2)])
    dataset["PixelData"].is_undefined_length = True
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


CODECS = [
    *("SC_rgb_jpeg_dcmtk.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "JPEG-LL.dcm"),
    *("MR_small_jp2klossless.dcm", "693_J2KI.dcm", "MR_small_jpeg_ls_lossless.dcm"),
]


@pytest.mark.parametrize("name", CODECS)
def test_a_stream_states_its_size(name):
    dataset = dcmread(real(name))
    stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    assert frame_header(stream).shape == (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    assert frame_header(stream[:4]) is None


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("elements", [{"Rows": 2, "Columns": 4}, {"Columns": 999}])
def test_a_stream_of_another_size_than_the_header_is_refused(name, elements):
    with pytest.raises(SpineError, match="rows, columns and samples, its header"):
        next(iterate_frames(packed(name, **elements)))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_stream_that_was_cut_is_refused_also_where_its_end_is_put_back(name, kept, end):
    dataset = packed(name, lambda stream: stream[: int(len(stream) * kept)] + end)
    with pytest.raises(SpineError, match=r"truncated|damaged|cannot be decoded"):
        next(iterate_frames(dataset))


def test_run_lengths_longer_than_the_picture_are_refused():
    dataset = sample([[1, 2]])
    dataset.compress(RLELossless)
    dataset.PixelData = encapsulate([get_frame(dataset.PixelData, 0, number_of_frames=1) + b"\x81\0" * 1000])
    with pytest.raises(SpineError, match="too many for 4 of pixels"):
        next(iterate_frames(dataset))


def test_a_decoders_remark_is_told():
    (shown,) = iterate_frames(read_dataset(real("MR_small_padded.dcm")))
    assert "128 bytes of excess padding" in shown.remarks[0]


def deflated(path, extra):
    dataset = sample([[1, 2]])
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(dataset, path)
    data = path.read_bytes()
    start, _ = headers._end_of_meta(data)
    whole = zlib.decompress(data[start:], -zlib.MAX_WBITS) + extra
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    path.write_bytes(data[:start] + packer.compress(whole) + packer.flush())
    return path


def test_a_deflated_dataset_is_read_up_to_the_budget(tmp_path, monkeypatch):
    assert only(read_dataset(deflated(tmp_path / "a.dcm", b""))) == [[1, 2]]
    monkeypatch.setattr("spine.images.integrity.check_bytes.__defaults__", (10**6,))
    bomb = deflated(tmp_path / "b.dcm", b"\xfc\xff\xfc\xffOB\0\0" + (10**7).to_bytes(4, "little") + bytes(10**7))
    assert bomb.stat().st_size < 20_000
    for read in (read_dataset, headers.read_header):
        with pytest.raises(SpineError, match="and 1,000,000 can be read"):
            read(bomb)


def _with_pixels_first(stream):
    """A JPEG whose scan begins before its frame header: decoders have ended the whole process on such."""
    frame, scan = (re.search(marker, stream).start() for marker in (b"\xff[\xc0\xc3]", b"\xff\xda"))
    return stream[:frame] + stream[scan : scan + 12] + stream[frame:scan] + stream[scan + 12 :]


@pytest.mark.parametrize("name", CODECS[:3])
def test_a_stream_out_of_order_is_refused_before_it_is_decoded(name):
    with pytest.raises(SpineError, match=r"no frame header before its pixels|damaged"):
        next(iterate_frames(packed(name, _with_pixels_first)))


def test_samples_wider_than_their_words_are_refused_before_they_are_decoded():
    with pytest.raises(SpineError, match="16 bits a sample, its header allocates 8"):
        next(iterate_frames(packed("JPEG-LL.dcm", BitsAllocated=8, BitsStored=8, HighBit=7)))
