import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_windowing

from spine.core.problems import SpineError
from spine.images.dicom.headers import read_dataset
from spine.images.dicom.image import spacing_of
from spine.images.dicom.pixels import iterate_frames
from spine.images.dicom.values import Header
from spine.images.dicom.windows import apply_window
from tests.spine.images.dicom.dicom_samples import real, sample


def pixels(dataset):
    return np.stack([frame.pixels for frame in iterate_frames(dataset)])


def only(dataset):
    return pixels(dataset)[0].tolist()


def note(dataset):
    return next(iterate_frames(dataset)).note


def test_unsigned_values_stay():
    assert only(sample([[0, 1], [4095, 65535]])) == [[0, 1], [4095, 65535]]


def test_rescale_is_applied():
    assert only(sample([[0, 10]], bits=12, RescaleSlope=2, RescaleIntercept=5)) == [[5, 2 * 10 + 5]]


def test_what_can_be_negative_is_shifted_by_a_fixed_number():
    dataset = sample([[0, 1024]], bits=12, RescaleSlope=1, RescaleIntercept=-1024)
    assert only(dataset) == [[32768 - 1024, 32768]]
    assert "shifted by 32768" in note(dataset)
    assert only(sample([[5, 7]], signed=True)) == [[32768 + 5, 32768 + 7]], "also where no value is negative"


def test_a_slope_below_one_would_lose_grey_levels():
    dataset = sample([[0, 1, 2]], bits=12, RescaleSlope=0.25, RescaleIntercept=0)
    assert only(dataset) == [[0, 1, 2]]
    assert "0.25 not applied" in note(dataset)


def test_monochrome1_is_inverted():
    inverted = {"PhotometricInterpretation": "MONOCHROME1"}
    assert only(sample([[0, 1, 4095]], bits=12, **inverted)) == [[4095, 4094, 0]]
    assert only(sample([[-3, 0, 3]], signed=True, **inverted)) == [[32767 + 3, 32767, 32767 - 3]]
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    assert only(sample([[0, 4095]], bits=12, **window, **inverted)) == [[65535, 0]]


def test_a_window_maps_to_the_whole_range():
    dataset = sample([[0, 1, 2, 3, 4, 5]], WindowCenter=3, WindowWidth=4)
    # PS3.3 C.11.2.1.2.1: ((x - (3 - 0.5)) / (4 - 1) + 0.5) * 65535, cut off at 0 and 65535
    middle = [round(((x - 2.5) / 3 + 0.5) * 65535) for x in (1, 2, 3, 4)]
    assert only(dataset) == [[0, *middle, 65535]]
    assert middle[0] == 0
    assert middle[3] == 65535


def test_the_first_of_several_windows_counts():
    assert only(sample([[0, 9]], WindowCenter=[5, 500], WindowWidth=[10, 1000])) == [[0, 65535]]


def test_a_window_acts_on_rescaled_values():
    dataset = sample([[0, 100, 200]], RescaleSlope=0.01, RescaleIntercept=-1, WindowCenter=0, WindowWidth=0.5)
    assert only(dataset) == [[0, round(0.5 * 65535), 65535]]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(function):
    stored = np.arange(0, 4096, 37).reshape(1, -1)
    dataset = sample(stored, bits=12, WindowCenter=1700.5, WindowWidth=900.25, VOILUTFunction=function)
    theirs = apply_windowing(stored.astype(np.uint16), dataset) / 4095 * 65535
    np.testing.assert_allclose(apply_window(stored, 1700.5, 900.25, function), theirs, atol=1e-6)


def test_a_voi_table_gives_its_own_values():
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 16], [10, 200, 3000, 40000]
    dataset = sample([[0, 1], [2, 9]], VOILUTSequence=[table])
    dataset["VOILUTSequence"][0]["LUTDescriptor"].VR = "US"
    dataset["VOILUTSequence"][0]["LUTData"].VR = "US"
    assert only(dataset) == [[10, 200], [3000, 40000]]


def test_each_frame_has_its_own_window_rescale_and_spacing():
    dataset = sample([[[0, 10]], [[0, 10]]])
    groups = []
    for width, spacing in ((10, 0.5), (1000, 2.0)):
        window, measures, group = Dataset(), Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth, window.VOILUTFunction = 0, width, "LINEAR_EXACT"
        measures.PixelSpacing = [spacing, spacing * 2]
        group.FrameVOILUTSequence, group.PixelMeasuresSequence = [window], [measures]
        groups.append(group)
    rescale, shared = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = 2, -10
    shared.PixelValueTransformationSequence = [rescale]
    dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence = groups, [shared]
    first, second = iterate_frames(dataset)
    assert first.pixels.tolist() == [[0, 65535]]
    assert second.pixels.tolist() == [[round((x / 1000 + 0.5) * 65535) for x in (-10, 10)]]
    assert (first.spacing, second.spacing) == ((0.5, 1.0), (2.0, 4.0))


def test_spacing_at_the_detector_where_there_is_no_other():
    header = Header.of(sample(ImagerPixelSpacing=[0.1, 0.2]))
    assert spacing_of(header) == (0.1, 0.2)
    assert header.remarks == [
        "its spacing is that at the detector: lengths in the patient are smaller, by an unknown factor"
    ]
    magnified = Header.of(sample(ImagerPixelSpacing=[0.15, 0.3], EstimatedRadiographicMagnificationFactor=1.25))
    assert spacing_of(magnified) == pytest.approx((0.12, 0.24))
    assert magnified.remarks == []
    shrunk = Header.of(sample(ImagerPixelSpacing=[0.1, 0.2], EstimatedRadiographicMagnificationFactor=0.5))
    assert spacing_of(shrunk) == (0.1, 0.2)
    assert "which is below 1" in shrunk.remarks[0]
    assert spacing_of(Header.of(sample(ImagerPixelSpacing=[0.1, 0.2], PixelSpacing=[0.3, 0.4]))) == (0.3, 0.4)
    assert spacing_of(Header.of(sample())) is None


def test_frames_can_be_picked():
    dataset = sample(np.arange(6).reshape(3, 1, 2))
    assert [frame.pixels.tolist() for frame in iterate_frames(dataset, [2, 0])] == [[[4, 5]], [[0, 1]]]


def by_hand(path):
    """The same pipeline in plain pydicom and arithmetic, for grey files with a linear window or none."""
    dataset = pydicom.dcmread(path)
    values = dataset.pixel_array * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
    centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if centre is None:
        return values + (32768 if dataset.PixelRepresentation else 0)
    centre, width = (float(value if isinstance(value, float) else value[0]) for value in (centre, width))
    y = ((values - (centre - 0.5)) / (width - 1) + 0.5) * 65535
    y[values <= centre - 0.5 - (width - 1) / 2] = 0
    y[values > centre - 0.5 + (width - 1) / 2] = 65535
    return 65535 - y if dataset.PhotometricInterpretation == "MONOCHROME1" else y


@pytest.mark.parametrize(
    "name",
    [
        *("MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "CT_small.dcm", "6154", "2062"),
        *("693_UNCI.dcm", "MR2_UNCI.dcm", "RG3_UNCI.dcm", "emri_small.dcm", "examples_overlay.dcm"),
        *("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "JPEG-LL.dcm"),
        *("693_J2KI.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "RG3_J2KR.dcm"),
    ],
)
def test_real_files_agree_with_hand_arithmetic(name):
    path = real(name)
    frames = pixels(read_dataset(path))
    np.testing.assert_allclose(frames, np.reshape(by_hand(path), frames.shape), atol=0.5001)


@pytest.mark.parametrize("name", ["RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "implicit"])
def test_lossless_syntaxes_agree_with_the_uncompressed_file(name):
    plain = pixels(read_dataset(real("MR_small.dcm")))
    np.testing.assert_array_equal(pixels(read_dataset(real(f"MR_small_{name}.dcm"))), plain)


@pytest.mark.parametrize("name", ["RLE", "jpeg_2k_lossless", "jpeg_ls_lossless", "big_endian"])
def test_lossless_multiframe_agrees_with_the_uncompressed_file(name):
    plain = pixels(read_dataset(real("emri_small.dcm")))
    assert plain.shape == (10, 64, 64)
    np.testing.assert_array_equal(pixels(read_dataset(real(f"emri_small_{name}.dcm"))), plain)


@pytest.mark.parametrize(
    ("name", "decompressed"),
    [
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_ebcynp_dcmd.dcm"),  # JPEG baseline, YBR_FULL_422
        ("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_ebcr_dcmd.dcm"),  # JPEG baseline, RGB
        ("SC_ybr_full_uncompressed.dcm", "SC_rgb.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb.dcm"),  # JPEG lossless
        ("US1_J2KR.dcm", "US1_UNCR.dcm"),  # JPEG 2000, YBR_RCT
    ],
)
def test_colour_becomes_the_same_grey_in_every_syntax(name, decompressed):
    grey = pixels(read_dataset(real(name)))[0].astype(float)
    luma = pydicom.dcmread(real(decompressed)).pixel_array @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey, luma, atol=3)  # YBR is stored in whole numbers, JPEG decoders differ by as much


@pytest.mark.parametrize(
    ("name", "reason"),
    [("MR_truncated.dcm", "8130 vs 8192"), ("JPEG-lossy.dcm", "JPEG of 12 bits"), ("SC_rgb_32bit.dcm", "32 bits")],
)
def test_what_cannot_be_decoded_says_why(name, reason):
    with pytest.raises(SpineError, match=reason):
        pixels(read_dataset(real(name)))


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_an_error_wherever_it_ends(tmp_path, name, kept):
    data = real(name).read_bytes()
    path = tmp_path / "a.dcm"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SpineError):
        pixels(read_dataset(path))


def test_no_dicom_at_all(tmp_path):
    for content, reason in ((b"", "0 bytes"), (b"GIF89a" * 50, "no DICOM")):
        (tmp_path / "a.dcm").write_bytes(content)
        with pytest.raises(SpineError, match=reason):
            read_dataset(tmp_path / "a.dcm")


def test_a_file_without_preamble_is_read(tmp_path):
    dataset = sample([[1, 2]])
    dataset.save_as(tmp_path / "a.dcm", implicit_vr=False, little_endian=True, enforce_file_format=False)
    bare = (tmp_path / "a.dcm").read_bytes()
    start = bare.index(b"\x08\x00\x16\x00")
    (tmp_path / "bare").write_bytes(bare[start:])
    assert only(read_dataset(tmp_path / "bare")) == [[1, 2]]
