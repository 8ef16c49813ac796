import numpy as np
import pytest
from pydicom import Dataset

from spine.core.problems import SpineError
from spine.images.dicom.midsagittal import choose_midsagittal
from spine.images.dicom.pictures import midsagittal_images
from spine.images.dicom.sequence import sequence_of
from spine.images.dicom.series import find_series
from spine.images.dicom.values import Header
from spine.intake.reading import read_images
from tests.spine.images.dicom.dicom_samples import AXIAL, SAGITTAL, real, sample, save, save_stack

GRADIENT, SPIN = "GR", "SE"


def indices(slices):
    """The index along the patient axis that `save_stack` wrote into each file's UID."""
    from pydicom import dcmread

    return [int(dcmread(one.path).SOPInstanceUID.rsplit(".", 1)[1]) for one in slices]


def test_slices_are_sorted_in_space_not_by_name(tmp_path):
    paths = save_stack(tmp_path, [-12.0, -8.0, -4.0, 0.0, 4.0])
    (series,), problems = find_series(paths)
    assert not problems
    assert series.normal == (-1.0, 0.0, 0.0)  # y x -z = -x: the normal leads to the right
    assert series.positions == [-4.0, 0.0, 4.0, 8.0, 12.0]
    assert indices(series.slices) == [4, 3, 2, 1, 0]
    assert series.is_sagittal


def test_an_axial_series_is_not_sagittal(tmp_path):
    (series,), _ = find_series(save_stack(tmp_path, [0.0, 5.0, 10.0], AXIAL, axis=2))
    assert not series.is_sagittal
    with pytest.raises(SpineError, match="no sagittal series"):
        choose_midsagittal([series])


def test_an_oblique_series_is_sagittal_up_to_45_degrees(tmp_path):
    for degrees, expected in ((40, True), (50, False)):
        turn = np.radians(degrees)
        orientation = [-np.sin(turn), np.cos(turn), 0, 0, 0, -1]
        (series,), _ = find_series(save_stack(tmp_path / str(degrees), [0.0, 4.0], orientation))
        assert series.is_sagittal is expected


@pytest.mark.parametrize(
    ("positions", "middle_first"),
    [
        ([0, 4, 8, 12, 16], [2, 3, 1]),
        ([0, 4, 8, 12], [2, 1, 3]),  # the middle is 6: 4 and 8 tie, the lower along the normal (-x) is x = 8
        ([0, 1, 2, 3, 16], [3, 2, 1]),  # by geometry, not by count: the middle is 8
    ],
)
def test_the_slice_nearest_the_middle_is_chosen(tmp_path, positions, middle_first):
    series, _ = find_series(save_stack(tmp_path, positions, SeriesDescription="T2 sag"))
    assert indices(choose_midsagittal(series, 1).slices) == middle_first[:1]
    assert indices(choose_midsagittal(series, 3).slices) == middle_first


def test_repetitions_of_a_position_count_once(tmp_path):
    paths = save_stack(tmp_path, [0, 4, 4.0002, 8])
    (series,), _ = find_series(paths)
    assert len(series.positions) == 3
    assert len(choose_midsagittal([series], 9).slices) == 3


def patient(folder, *descriptions):
    paths = []
    for number, description in enumerate(descriptions):
        stack = save_stack(folder / str(number), [0, 4, 8], series=f"1.2.1.{number}", SeriesDescription=description)
        paths += stack
    return find_series(paths)[0]


@pytest.mark.parametrize(
    ("descriptions", "chosen", "warned"),
    [
        (["T1 TSE sag", "T2* sag", "T2 TSE sag"], "T2W", False),
        (["T1 TSE sag", "T2* sag"], "T2*W", False),
        (["STIR sag", "t2_medic sag"], "T2*W", False),
        (["T1 TSE sag"], "T1W", True),
    ],
)
def test_t2_first_and_t2_star_where_there_is_none(tmp_path, descriptions, chosen, warned):
    choice = choose_midsagittal(patient(tmp_path, *descriptions))
    assert choice.series.sequence == chosen
    assert bool(choice.warnings) is warned
    assert f"of 3 sagittal {chosen} slices" in choice.reason


def test_a_localizer_gives_way(tmp_path):
    paths = save_stack(
        tmp_path / "a", [0, 4, 8, 12], SeriesDescription="T2 loc", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    paths += save_stack(tmp_path / "b", [0, 4], series="1.2.1.2", SeriesDescription="T1 sag")
    assert choose_midsagittal(find_series(paths)[0]).series.description == "T1 sag"


def test_a_localizer_of_two_planes_and_a_dual_echo_are_two_series_each(tmp_path):
    planes = save_stack(tmp_path / "a", [0, 4]) + save_stack(tmp_path / "b", [0, 4, 8], AXIAL, axis=2)
    assert sorted(len(one.slices) for one in find_series(planes)[0]) == [2, 3]
    echoes = save_stack(tmp_path / "c", [0, 4, 8], EchoTime=15, RepetitionTime=3000)
    echoes += save_stack(tmp_path / "d", [0, 4, 8], EchoTime=90, RepetitionTime=3000)
    assert sorted(one.sequence for one in find_series(echoes)[0]) == ["PDW", "T2W"]


def test_frames_of_an_enhanced_object_are_slices(tmp_path):
    dataset = sample(np.arange(3).reshape(3, 1, 1) * np.ones((3, 2, 2)))
    groups = []
    for x in (8.0, 0.0, 4.0):
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = [x, 0, 0]
        group.PlanePositionSequence = [position]
        groups.append(group)
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = SAGITTAL
    shared.PlaneOrientationSequence = [orientation]
    dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence = groups, [shared]
    (series,), _ = find_series([save(dataset, tmp_path / "a.dcm")])
    assert [one.frame for one in series.slices] == [0, 2, 1]  # x = 8, 4, 0 along the normal -x
    assert [one.frame for one in choose_midsagittal([series]).slices] == [2]


def test_radiographs_pass_and_lone_mr_images_give_way_to_a_volume(tmp_path):
    volume = save_stack(tmp_path / "a", [0, 4, 8], SeriesDescription="T2")
    lone = [save(sample(SeriesInstanceUID="1.9", SOPInstanceUID="1.9.1"), tmp_path / "lone.dcm")]
    radiograph = sample(Modality="CR", SeriesInstanceUID="1.8", SOPInstanceUID="1.8.1")
    radiographs = [save(radiograph, tmp_path / "cr.dcm")]
    chosen, problems = midsagittal_images(find_series(volume + lone + radiographs)[0], 1)
    assert not problems
    assert sorted(one.series.modality for one in chosen) == ["CR", "MR"]
    alone, _ = midsagittal_images(find_series(lone)[0], 1)
    assert [one.slice.path for one in alone] == lone


def test_each_patient_has_a_choice(tmp_path):
    paths = save_stack(tmp_path / "a", [0, 4, 8]) + save_stack(tmp_path / "b", [0, 4], AXIAL, 2, "1.3", PatientID="B")
    paths += save_stack(tmp_path / "c", [0, 4, 8], series="1.4", PatientID="C")
    chosen, problems = midsagittal_images(find_series(paths)[0], 1)
    assert {one.series.patient for one in chosen} == {"12345", "C"}
    assert [problem.severity for problem in problems] == ["warning", "error", "warning"]
    assert "no sagittal series" in problems[1].reason


def test_a_series_without_geometry_has_no_middle(tmp_path):
    paths = [save(sample(SOPInstanceUID=f"1.{k}"), tmp_path / f"{k}.dcm") for k in range(2)]
    chosen, (problem,) = midsagittal_images(find_series(paths)[0], 1)
    assert not chosen
    assert "ImagePositionPatient" in problem.reason


def test_patients_without_an_id_are_not_one_patient(tmp_path):
    paths = [
        save(
            sample(PatientID="", PatientName="", StudyInstanceUID=f"1.{k}", SeriesInstanceUID=f"1.{k}.1"),
            tmp_path / f"{k}",
        )
        for k in range(2)
    ]
    assert len({one.patient for one in find_series(paths)[0]}) == 2


@pytest.mark.parametrize(
    ("text", "timing", "expected"),
    [
        ("sT2W_TSE SENSE", {}, "T2W"),
        ("t2_tse_sag_pat2", {}, "T2W"),
        ("t1_tse_sag_pat2", {}, "T1W"),
        ("T1 TSE post Gd", {}, "T1W"),
        ("t2_tirm_sag", {}, "STIR"),
        ("T2* GRE sag", {}, "T2*W"),
        ("t2_star_sag", {}, "T2*W"),
        ("sag T2 FFE", {"ScanningSequence": GRADIENT}, "T2*W"),
        ("PDW_SAG", {}, "PDW"),
        ("spine sag", {"EchoTime": 100, "RepetitionTime": 3500, "ScanningSequence": SPIN}, "T2W"),
        ("spine sag", {"EchoTime": 12, "RepetitionTime": 550, "ScanningSequence": SPIN}, "T1W"),
        ("spine sag", {"EchoTime": 20, "RepetitionTime": 3000, "ScanningSequence": SPIN}, "PDW"),
        ("spine sag", {"EchoTime": 18, "RepetitionTime": 500, "FlipAngle": 25, "ScanningSequence": GRADIENT}, "T2*W"),
        ("spine sag", {"EchoTime": 4, "RepetitionTime": 150, "FlipAngle": 70, "ScanningSequence": GRADIENT}, "T1W"),
        ("T1 T2 overview", {"EchoTime": 100, "RepetitionTime": 3500}, "T2W"),
        ("spine sag", {}, ""),
    ],
)
def test_contrasts_are_recognised(text, timing, expected):
    assert sequence_of(Header.of(sample(SeriesDescription=text, **timing))) == expected


def test_a_radiograph_has_no_contrast():
    assert sequence_of(Header.of(sample(Modality="CR", SeriesDescription="T2"))) == ""


def test_an_enhanced_object_says_its_contrast():
    dataset, frame_type, group = sample(), Dataset(), Dataset()
    frame_type.AcquisitionContrast = "T2_STAR"
    group.MRImageFrameTypeSequence = [frame_type]
    dataset.SharedFunctionalGroupsSequence = [group]
    assert sequence_of(Header.of(dataset)) == "T2*W"


def test_bad_files_and_objects_without_image_are_told_apart(tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(real("MR_small.dcm").read_bytes()[:600])
    series, problems = find_series([broken, real("test-SR.dcm"), real("MR_small.dcm"), real("DICOMDIR")])
    assert len(series) == 1
    assert [(problem.path, problem.severity) for problem in problems] == [
        (str(broken), "error"),
        (str(real("test-SR.dcm")), "warning"),
    ]


def test_a_real_series_is_sorted_by_slice_location():
    folder = real("DICOMDIR").parent / "77654033" / "CT2"
    (series,), _ = find_series(sorted(folder.iterdir()))
    assert series.positions == sorted(series.positions)
    assert len(series.positions) == len(list(folder.iterdir()))


def test_a_header_that_states_absurd_numbers_is_refused(tmp_path):
    save(sample(NumberOfFrames=2_000_000_000), tmp_path / "frames.dcm")
    save(sample(Rows=60_000, Columns=60_000), tmp_path / "pixels.dcm")
    images = read_images(tmp_path)
    assert list(images) == []
    told = [problem.reason for problem in images.problems]
    assert "2,000,000,000 frames" in told[0]
    assert "60000 x 60000 pixels" in told[1]


def test_a_slice_that_was_cut_is_told_though_it_would_not_be_chosen(tmp_path):
    paths = save_stack(tmp_path, [-8.0, -4.0, 0.0, 4.0, 8.0])
    paths[0].write_bytes(paths[0].read_bytes()[:-3])
    (series,), problems = find_series(paths)
    assert len(series.slices) == 4
    (problem,) = problems
    assert problem.path == str(paths[0])
    assert "lacks the last 3 bytes" in problem.reason
