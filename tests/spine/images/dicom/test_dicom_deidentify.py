import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from typer.testing import CliRunner

import spine.images.dicom.deidentify
from pipeline.cli.data import app
from spine.core import privacy
from spine.core.problems import SpineError, print_problems
from spine.images.dicom.deidentify import deidentify
from spine.images.dicom.series import find_series
from tests.spine.images.dicom.dicom_samples import real, sample, save, save_stack

SECRET = "Doe^Jane"


def copies(target):
    return [pydicom.dcmread(path) for path in sorted(target.rglob("*.dcm"))]


def test_identity_is_removed_wherever_it_stands(tmp_path):
    inner = Dataset()
    inner.PatientName, inner.OperatorsName, inner.ReferencedSOPInstanceUID = SECRET, SECRET, "1.2.1.1.1"
    dataset = sample(
        PatientName=SECRET, PatientBirthDate="19700101", InstitutionName="General", ReferringPhysicianName=SECRET,
        AccessionNumber="A1", SeriesDescription="T2 " + SECRET, ReferencedImageSequence=[inner],
        PatientComments=SECRET, DeviceSerialNumber="77", StudyDate="20240101",
    )  # fmt: skip
    dataset.private_block(0x0011, "MAKER", create=True).add_new(0x01, "LO", SECRET)
    dataset.preamble = SECRET.encode().ljust(128, b"\0")
    save(dataset, tmp_path / "in" / "Doe_Jane.dcm")
    assert deidentify(tmp_path / "in", tmp_path / "out") == []
    (path,) = (tmp_path / "out").rglob("*.dcm")
    for secret in (b"Doe", b"Jane", b"12345", b"19700101", b"20240101", b"General", b"MAKER", b"1.2.1.1"):
        assert secret not in path.read_bytes(), secret
    assert "Doe" not in str(path.relative_to(tmp_path))
    (copy,) = copies(tmp_path / "out")
    assert copy.PatientID == privacy.pseudonym("12345")
    assert copy.PatientIdentityRemoved == "YES"
    assert copy.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert copy.ReferencedImageSequence[0].ReferencedSOPInstanceUID == privacy.uid("1.2.1.1.1") == copy.SOPInstanceUID
    assert copy.file_meta.MediaStorageSOPInstanceUID == copy.SOPInstanceUID
    assert copy.SeriesDescription == "T2W"


def test_no_name_of_a_person_stays_even_where_the_profile_lists_no_such_element(tmp_path):
    inner = Dataset()
    inner.EvaluatorName = SECRET
    save(sample(EvaluatorName=SECRET, AnatomicRegionSequence=[inner]), tmp_path / "in" / "a.dcm")
    deidentify(tmp_path / "in", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert b"Doe" not in path.read_bytes()
    assert pydicom.dcmread(path).PatientName == privacy.pseudonym("12345")


def test_series_patients_and_geometry_survive(tmp_path):
    paths = save_stack(tmp_path / "in/a", [0, 4, 8], SeriesDescription="T2 sag")
    paths += save_stack(tmp_path / "in/b", [0, 4], series="1.5", PatientID="B", EchoTime=10, RepetitionTime=500)
    deidentify(tmp_path / "in", tmp_path / "out")
    before, _ = find_series(paths)
    after, problems = find_series(sorted((tmp_path / "out").rglob("*.dcm")))
    assert not problems
    remapped = {(privacy.pseudonym(s.patient), privacy.uid(s.uid), s.sequence, *s.positions) for s in before}
    assert {(s.patient, s.uid, s.sequence, *s.positions) for s in after} == remapped


def test_pixels_and_syntax_survive(tmp_path):
    for name in ("MR_small_jpeg_ls_lossless.dcm", "CT_small.dcm"):
        deidentify(real(name), tmp_path / name)
        (copy,) = copies(tmp_path / name)
        original = pydicom.dcmread(real(name))
        assert copy.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        np.testing.assert_array_equal(copy.pixel_array, original.pixel_array)


def test_two_runs_agree_and_another_salt_does_not(tmp_path, monkeypatch):
    for run in ("a", "b"):
        deidentify(real("MR_small.dcm"), tmp_path / run)
    monkeypatch.setenv("SPINE_SALT", "another")
    deidentify(real("MR_small.dcm"), tmp_path / "c")
    a, b, c = (copies(tmp_path / run)[0] for run in "abc")
    assert (a.PatientID, a.SeriesInstanceUID) == (b.PatientID, b.SeriesInstanceUID)
    assert a.PatientID != c.PatientID
    assert a.SeriesInstanceUID != c.SeriesInstanceUID


@pytest.mark.parametrize(
    ("elements", "flagged"),
    [
        ({"BurnedInAnnotation": "YES"}, True),
        ({"Modality": "US"}, True),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, False),
        ({}, False),
    ],
)
def test_burned_in_annotation_is_flagged(tmp_path, elements, flagged):
    problems = deidentify(save(sample(**elements), tmp_path / "in.dcm"), tmp_path / "out")
    assert [problem.severity for problem in problems] == ["warning"] * flagged
    assert len(copies(tmp_path / "out")) == 1


def test_bad_files_are_listed_and_the_good_go_on(tmp_path):
    source = tmp_path / "in"
    save(sample(), source / "good.dcm")
    (source / "empty.dcm").write_bytes(b"")
    (source / "notes.txt").write_text("no DICOM")
    for name in ("MR_small.dcm", "MR_small_RLE.dcm"):
        data = real(name).read_bytes()
        (source / name).write_bytes(data[: len(data) * 3 // 4])
    problems = {problem.path.rsplit("/", 1)[1]: problem.severity for problem in deidentify(source, tmp_path / "out")}
    assert problems == {
        **{"MR_small.dcm": "error", "MR_small_RLE.dcm": "error", "empty.dcm": "error"},
        "notes.txt": "warning",
    }
    assert len(copies(tmp_path / "out")) == 1


def test_a_file_that_is_asked_for_and_is_no_dicom_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("no DICOM")
    (problem,) = deidentify(tmp_path / "notes.txt", tmp_path / "out")
    assert (problem.path, problem.severity) == (str(tmp_path / "notes.txt"), "error")
    assert copies(tmp_path / "out") == []


def test_copies_never_land_among_their_originals(tmp_path):
    with pytest.raises(SpineError, match="lies within"):
        deidentify(tmp_path, tmp_path / "out")
    with pytest.raises(SpineError, match="does not exist"):
        deidentify(tmp_path / "missing", tmp_path / "out")


def test_what_a_file_raises_costs_that_file_alone(tmp_path, monkeypatch):
    save_stack(tmp_path / "in", [0, 4, 8])
    read = spine.images.dicom.deidentify.read_dataset

    def hostile(path):
        return read(path) if path.name != "001.dcm" else {}["no such key"]

    monkeypatch.setattr(spine.images.dicom.deidentify, "read_dataset", hostile)
    (problem,) = deidentify(tmp_path / "in", tmp_path / "out")
    assert (problem.path, problem.severity) == (str(tmp_path / "in" / "001.dcm"), "error")
    assert "KeyError" in problem.reason
    assert len(copies(tmp_path / "out")) == 2


def test_images_of_one_uid_overwrite_none_and_copies_are_written_once(tmp_path):
    for k in range(3):
        save(sample([[k, k]], InstanceNumber=k), tmp_path / "in" / f"{k}.dcm")  # all of SOPInstanceUID 1.2.1.1.1
    (tmp_path / "in" / "z.dcm").write_bytes((tmp_path / "in" / "0.dcm").read_bytes())
    problems = deidentify(tmp_path / "in", tmp_path / "out")
    assert sorted(int(copy.pixel_array[0, 0]) for copy in copies(tmp_path / "out")) == [0, 1, 2]
    assert [(problem.path.rsplit("/", 1)[1], problem.severity) for problem in problems] == [
        ("1.dcm", "warning"),
        ("2.dcm", "warning"),
        ("z.dcm", "warning"),
    ]


def test_patients_without_any_id_are_told_apart_by_their_folders(tmp_path):
    for name in "ab":
        tags = {"PatientID": "", "PatientName": "", "StudyInstanceUID": "", "SOPInstanceUID": f"1.2.{ord(name)}"}
        save(sample(**tags), tmp_path / "in" / name / "1.dcm")
    assert deidentify(tmp_path / "in", tmp_path / "out") == []
    assert len({copy.PatientID for copy in copies(tmp_path / "out")}) == 2


def test_a_name_with_an_escape_code_is_listed_and_acts_on_no_terminal(tmp_path, capfd):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "red\x1b[31m.dcm").write_bytes(b"DICM")
    assert CliRunner().invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]).exit_code == 1
    problems = deidentify(tmp_path / "in", tmp_path / "out")
    print_problems(problems)
    assert "\x1b" not in capfd.readouterr().out


def test_a_target_that_is_no_folder_is_refused_at_once(tmp_path):
    save(sample(), tmp_path / "in" / "1.dcm")
    (tmp_path / "file").write_text("")
    with pytest.raises(SpineError, match="cannot be made a folder"):
        deidentify(tmp_path / "in", tmp_path / "file")


def test_a_target_within_the_source_by_a_link_is_refused(tmp_path):
    save(sample(), tmp_path / "in" / "1.dcm")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(SpineError, match="lies within"):
        deidentify(tmp_path / "in", tmp_path / "link" / "out")
