"""Damaged and odd values of headers, one by one: what each is read as, or the reason it is refused for."""

import struct

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from spine.core.problems import SpineError
from spine.images.dicom.image import spacing_of
from spine.images.dicom.pixels import iterate_frames
from spine.images.dicom.values import Header
from spine.intake.reading import read_images
from tests.spine.images.dicom.dicom_samples import sample, save

STORED = [[0, 1, 100], [2000, 4095, 7]]


def with_bytes(dataset, keyword, data, vr=None):
    """The dataset with an element as a file would hold it, whatever its bytes are."""
    tag = Tag(tag_for_keyword(keyword))
    dataset[tag] = RawDataElement(tag, vr or dictionary_VR(tag), len(data), data, 0, False, True)
    return dataset


def damaged(keyword, data, vr=None, **elements):
    return with_bytes(sample(STORED, bits=12, **elements), keyword, data, vr)


def frame(dataset):
    return next(iterate_frames(dataset))


def words(*values):
    return struct.pack(f"<{len(values)}H", *values)


def windowed(centre, width):
    """LINEAR of PS3.3 C.11.2.1.2.1."""
    return [[round(min(max((x - (centre - 0.5)) / (width - 1) + 0.5, 0), 1) * 65535) for x in row] for row in STORED]


def scaled(slope):
    return [[round(value * slope) for value in row] for row in STORED]


READ = [
    # keyword, bytes, VR (None: its own), other elements, pixels, part of a remark ("": nothing to tell)
    ("WindowCenter", b"40,51 ", None, {"WindowWidth": 400}, windowed(40.51, 400), "'40,51', with a decimal comma"),
    ("WindowCenter", b"40.51 ", None, {"WindowWidth": 400}, windowed(40.51, 400), ""),
    ("WindowWidth", b"4,0e2 ", None, {"WindowCenter": 40}, windowed(40, 400), "read as 400"),
    ("WindowCenter", b"40", "LO", {"WindowWidth": 400}, windowed(40, 400), ""),
    ("WindowCenter", b"40", "UN", {"WindowWidth": 400}, windowed(40, 400), ""),
    ("WindowCenter", b"40", "ZZ", {"WindowWidth": 400}, windowed(40, 400), ""),
    ("WindowCenter", words(40), "US", {"WindowWidth": 400}, windowed(40, 400), ""),
    ("WindowCenter", struct.pack("<d", 40.5), "FD", {"WindowWidth": 400}, windowed(40.5, 400), ""),
    ("WindowCenter", b"40\\", None, {"WindowWidth": 400}, windowed(40, 400), ""),
    ("WindowCenter", b"40\\80 ", None, {"WindowWidth": 400}, windowed(40, 400), "2 WindowCenter and 1 WindowWidth"),
    ("WindowCenter", b"40\0\0", None, {"WindowWidth": 400}, windowed(40, 400), ""),
    ("WindowCenter", b"forty ", None, {"WindowWidth": 400}, STORED, "'forty', which is not a finite number"),
    ("WindowCenter", b"nan ", None, {"WindowWidth": 400}, STORED, "'nan', which is not"),
    ("WindowCenter", b"1e999 ", None, {"WindowWidth": 400}, STORED, "which is not a finite number"),
    ("WindowCenter", b"1_0 ", None, {"WindowWidth": 400}, STORED, "'1_0', which is not"),
    ("WindowCenter", b"1.234,5 ", None, {"WindowWidth": 400}, STORED, "'1.234,5', which is not"),
    ("WindowCenter", b"", None, {"WindowWidth": 400}, STORED, "0 WindowCenter and 1 WindowWidth"),
    ("WindowCenter", b"1234567", "FD", {"WindowWidth": 400}, STORED, "WindowCenter cannot be read"),
    ("WindowWidth", b"0 ", None, {"WindowCenter": 40}, STORED, "WindowWidth is 0"),
    ("WindowWidth", b"-400", None, {"WindowCenter": 40}, STORED, "WindowWidth is -400"),
    ("WindowWidth", b"1e300 ", None, {"WindowCenter": 0}, [[32768] * 3] * 2, ""),
    ("VOILUTFunction", b"LINEER", None, {"WindowCenter": 40, "WindowWidth": 400}, windowed(40, 400), "'LINEER', which"),
    ("VOILUTFunction", b"linear", None, {"WindowCenter": 40, "WindowWidth": 400}, windowed(40, 400), ""),
    ("VOILUTSequence", b"\1\2", "OB", {}, STORED, "VOILUTSequence is no sequence"),
    ("RescaleSlope", b"1,234 ", None, {"RescaleIntercept": 0}, scaled(1.234), "read as 1.234"),
    ("RescaleSlope", b"2\\2 ", None, {"RescaleIntercept": 0}, scaled(2), "read as 2"),
    ("RescaleSlope", b"", None, {"RescaleIntercept": 0}, STORED, ""),
    ("RescaleSlope", b"0 ", None, {"RescaleIntercept": 0}, STORED, "RescaleSlope is 0"),
    ("RescaleSlope", b"+2.0e0", None, {"RescaleIntercept": 0}, scaled(2), ""),
    ("RescaleIntercept", b"0,0 ", None, {"RescaleSlope": 1}, STORED, "decimal comma"),
    ("Rows", words(2, 2), None, {}, STORED, "Rows is [2, 2], read as 2"),
    ("Rows", b"2 ", "DS", {}, STORED, ""),
    ("Rows", words(2), "OB", {}, STORED, ""),
    ("SamplesPerPixel", b"", None, {}, STORED, ""),
    ("HighBit", words(40), None, {}, STORED, "HighBit is 40"),
    ("HighBit", words(3), None, {}, STORED, "HighBit is 3"),
    ("HighBit", b"", None, {}, STORED, ""),
    ("NumberOfFrames", b"", None, {}, STORED, ""),
    ("NumberOfFrames", b"0 ", None, {}, STORED, ""),
    ("PhotometricInterpretation", b"MONOCHROME2 \0", "LO", {}, STORED, ""),
    ("PixelPaddingValue", b"none", "LO", {}, STORED, "no pixel was taken for padding"),
    ("PixelPaddingRangeLimit", words(5), "US", {}, STORED, "without a PixelPaddingValue"),
]


@pytest.mark.parametrize(("keyword", "data", "vr", "elements", "pixels", "remark"), READ)
def test_what_can_only_be_meant_in_one_way_is_read_and_told(keyword, data, vr, elements, pixels, remark):
    shown = frame(damaged(keyword, data, vr, **elements))
    assert shown.pixels.tolist() == pixels
    assert remark in "; ".join(shown.remarks)
    assert bool(shown.remarks) == bool(remark)


REFUSED = [
    ("RescaleSlope", b"one ", None, "RescaleSlope is 'one', which is not a finite number"),
    ("RescaleSlope", b"nan ", None, "'nan', which is not a finite number"),
    ("RescaleSlope", struct.pack("<d", float("nan")), "FD", "not a finite number"),
    ("RescaleSlope", b"1,234,5 ", None, "'1,234,5', which is not"),
    ("RescaleSlope", b"1\\2 ", None, "where one number must hold"),
    ("RescaleSlope", b"1e308 ", None, "lead beyond all numbers"),
    ("RescaleIntercept", b"inf ", None, "RescaleIntercept is 'inf'"),
    ("Rows", b"", None, "Rows is missing or empty"),
    ("Rows", words(2, 3), None, r"Rows is \[2, 3\]"),
    ("Rows", words(0), None, r"Rows is \[0\]"),
    ("Rows", b"two ", "LO", "Rows is 'two'"),
    ("Columns", b"1.5 ", "DS", "Columns is 1.5, where a whole number"),
    ("Columns", b"-3", "IS", "Columns is '-3', which no picture"),
    ("Columns", words(60000), None, "less than expected"),
    ("BitsAllocated", words(12), None, r"BitsAllocated is \[12\]"),
    ("BitsAllocated", b"", None, "BitsAllocated is missing"),
    ("BitsStored", words(17), None, r"BitsStored is \[17\]"),
    ("BitsStored", words(0), None, r"BitsStored is \[0\]"),
    ("PixelRepresentation", words(7), None, r"PixelRepresentation is \[7\]"),
    ("PixelRepresentation", b"", None, "PixelRepresentation is missing"),
    ("SamplesPerPixel", words(3), None, "do not go together"),
    ("SamplesPerPixel", words(2), None, r"SamplesPerPixel is \[2\]"),
    ("PhotometricInterpretation", b"MONOCHROME9 ", None, "'MONOCHROME9' and SamplesPerPixel 1"),
    ("PhotometricInterpretation", b"", None, "'' and SamplesPerPixel 1"),
    ("NumberOfFrames", b"many", None, "NumberOfFrames is 'many'"),
    ("NumberOfFrames", b"-1", None, "NumberOfFrames is -1"),
    ("NumberOfFrames", b"99999999", None, "bytes, and 1,073,741,824 can be read"),
    ("PerFrameFunctionalGroupsSequence", b"\1\2", "OB", "is no sequence of items"),
    ("SharedFunctionalGroupsSequence", b"Doe^Jane", "PN", "is no sequence of items"),
    ("ModalityLUTSequence", b"\1\2\3", "SQ", "ModalityLUTSequence cannot be read"),
]


@pytest.mark.parametrize(("keyword", "data", "vr", "reason"), REFUSED)
def test_what_could_be_anything_is_refused_by_name(keyword, data, vr, reason):
    with pytest.raises(SpineError, match=reason):
        frame(damaged(keyword, data, vr))


SPACINGS = [
    ("PixelSpacing", b"0,512\\0,512 ", None, (0.512, 0.512), "decimal comma"),
    ("PixelSpacing", b"0.5\\0.25", "LO", (0.5, 0.25), ""),
    ("PixelSpacing", struct.pack("<2d", 0.5, 0.25), "FD", (0.5, 0.25), ""),
    ("PixelSpacing", b"0.5 ", None, None, "'0.5', which is no spacing"),
    ("PixelSpacing", b"0.5\\0.5\\3", None, None, "which is no spacing"),
    ("PixelSpacing", b"0\\0 ", None, None, "which is no spacing"),
    ("PixelSpacing", b"-1\\-1 ", None, None, "which is no spacing"),
    ("PixelSpacing", b"1e9\\1e9 ", None, None, "which is no spacing"),
    ("PixelSpacing", b"nan\\nan ", None, None, "'nan', which is not"),
    ("PixelSpacing", b"0.5mm\\0.5mm ", None, None, "'0.5mm', which is not"),
    ("PixelSpacing", b"", None, None, ""),
]


@pytest.mark.parametrize(("keyword", "data", "vr", "spacing", "remark"), SPACINGS)
def test_a_spacing_is_two_numbers_above_zero_or_unknown(keyword, data, vr, spacing, remark):
    shown = frame(damaged(keyword, data, vr))
    assert shown.spacing == spacing == spacing_of(Header.of(damaged(keyword, data, vr)))
    assert remark in "; ".join(shown.remarks)
    assert bool(shown.remarks) == bool(remark)


def test_another_spacing_is_taken_where_the_first_does_not_hold():
    assert spacing_of(Header.of(damaged("PixelSpacing", b"0\\0 ", ImagerPixelSpacing=[0.1, 0.2]))) == (0.1, 0.2)


def test_a_remark_is_made_once():
    header = Header.of(damaged("WindowCenter", b"40,5"))
    assert [header.number("WindowCenter") for _ in range(3)] == [40.5] * 3
    assert header.remarks == ["WindowCenter is '40,5', with a decimal comma: read as 40.5"]


@pytest.mark.parametrize("syntax", ["1.2.3", "", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.4.999"])
def test_a_transfer_syntax_that_is_none(syntax):
    dataset = sample(STORED)
    dataset.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(SpineError, match="TransferSyntaxUID"):
        frame(dataset)


def test_a_frame_without_functional_groups_of_its_own():
    from pydicom import Dataset

    dataset = sample([STORED, STORED], bits=12)
    dataset.PerFrameFunctionalGroupsSequence = [Dataset()]
    with pytest.raises(SpineError, match="1 items, and none for frame 1"):
        list(iterate_frames(dataset))


def spliced(path, keyword, data, vr):
    """Put an element into a file of explicit little endian without sequences, in the place of its tag."""
    group, element = divmod(tag_for_keyword(keyword), 0x10000)
    vr = (vr or dictionary_VR(tag_for_keyword(keyword))).encode()
    is_long = vr in (b"OB", b"OW", b"SQ", b"UN")
    length = struct.pack("<2xI" if is_long else "<H", len(data))
    file, position = path.read_bytes(), 132
    while (at := struct.unpack_from("<HH", file, position)) < (group, element):
        long = file[position + 4 : position + 6] in (b"OB", b"OW", b"SQ", b"UN")
        size = struct.unpack_from("<I" if long else "<H", file, position + (8 if long else 6))[0]
        position += (12 if long else 8) + size
    assert at != (group, element)
    path.write_bytes(file[:position] + struct.pack("<HH", group, element) + vr + length + data + file[position:])


def written(folder, name, keyword, data, vr, series, elements=()):
    dataset = sample(STORED, bits=12, **dict(elements))
    dataset.SeriesInstanceUID = dataset.SOPInstanceUID = series
    if keyword in dataset:
        del dataset[keyword]
    spliced(save(dataset, folder / f"{name}_{keyword}.dcm"), keyword, data, vr)


def test_one_bad_file_is_one_problem_and_the_others_go_on(tmp_path):
    save(sample(STORED, bits=12), tmp_path / "good.dcm")
    for number, (keyword, data, vr, _) in enumerate(REFUSED):
        written(tmp_path, f"refused{number}", keyword, data, vr, f"1.3.{number}")
    for number, (keyword, data, vr, elements, _, remark) in enumerate(READ):
        if remark:
            written(tmp_path, f"read{number}", keyword, data, vr, f"1.4.{number}", elements)
    images = read_images(tmp_path)
    names = {picture.name for picture in images}
    assert names >= {"good.dcm"}
    told = {problem.path.rsplit("/", 1)[1]: problem.severity for problem in images.problems}
    files = {path.name for path in tmp_path.iterdir()}
    assert told == {name: "warning" if name.startswith("read") else "error" for name in files - {"good.dcm"}}
    assert names == {name for name in files if not name.startswith("refused")}
