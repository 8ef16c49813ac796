"""What belongs to one study: of trees of DICOM and pictures, and of tables."""

import csv
import os
import shutil
from collections import Counter

import pytest
from pydicom import dcmread
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from pipeline.bulk.paths import as_path, as_text
from pipeline.bulk.reading import mapped_ahead, pictures_on_disk
from pipeline.bulk.studies import in_folder, in_sheet, write_sheet_of
from pipeline.client import pictures_of
from spine.core.problems import Problem, SpineError
from spine.images.dicom.headers import study_uid
from spine.images.pictures import write_png16
from spine.phantom import PhantomSettings, generate
from tests.pipeline.bulk.bulk_model import drawn


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Two patients of one study each, whose series have a folder each."""
    settings = PhantomSettings(patients=2, size=(128, 128), slices=(3,), distractors=1, t2star=0)
    return generate(settings, tmp_path_factory.mktemp("phantom") / "phantom") / "studies"


def uids(folder):
    return Counter(str(dcmread(path, stop_before_pixels=True).StudyInstanceUID) for path in folder.rglob("*.dcm"))


def test_dicom_is_grouped_by_study_across_folders_and_within_one(phantom, tmp_path):
    expected = uids(phantom)
    assert len(expected) == 2
    assert {study.source: len(study.files().files) for study in in_folder(phantom)} == expected
    (tmp_path / "flat").mkdir()
    for number, path in enumerate(phantom.rglob("*.dcm")):
        shutil.copyfile(path, tmp_path / "flat" / f"{number}.dcm")
    assert {study.source: len(study.files().files) for study in in_folder(tmp_path / "flat")} == expected


def test_a_list_names_folders_and_not_each_file(phantom):
    places = [place for study in in_folder(phantom) for place in study.places]
    assert len(places) == len({path.parent for path in phantom.rglob("*.dcm")})
    assert all(place.endswith("/*") for place in places)


def test_the_picture_that_is_chosen_is_the_client_s(phantom):
    (chosen,) = [one for one in pictures_of(phantom / "ph001") if not isinstance(one, Problem)]
    study = next(one for one in in_folder(phantom) if "ph001" in one.places[0])
    (found,) = [one for one in pictures_on_disk(study, 1, False) if not isinstance(one, Problem)]
    assert found.path == str(phantom / "ph001" / chosen.name)
    assert (found.picture.pixels == chosen.pixels).all()
    assert found.picture.series == str(dcmread(found.path).SeriesInstanceUID)


def test_other_files_are_studies_of_their_own_and_hidden_ones_none(phantom, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(phantom / "ph001", tree / "ph001")
    write_png16(drawn(), tree / "ph001" / "t2" / "scout.png")
    write_png16(drawn(), tree / ".hidden.png")
    shutil.make_archive(str(tree / "packed"), "zip", phantom / "ph002")
    (tree / "notes.txt").write_text("nothing")
    for name in ("labels.xlsx", "features.npz"):  # archives inside, and no studies
        shutil.copy(tree / "packed.zip", tree / name)
    (tree / "again").symlink_to(tree)
    (uid,) = uids(phantom / "ph001")
    studies = {study.source: study for study in in_folder(tree)}
    assert studies.keys() == {uid, "ph001/t2/scout.png", "packed.zip"}
    assert all(path.suffix == ".dcm" for path in studies[uid].files().files)
    (packed,) = [one for one in pictures_on_disk(studies["packed.zip"], 1, False) if not isinstance(one, Problem)]
    assert packed.picture.pixels.shape == (128, 112)


def test_a_damaged_file_belongs_to_the_study_beside_it_and_is_told(phantom, tmp_path):
    shutil.copytree(phantom / "ph001", tmp_path / "ph001")
    (tmp_path / "ph001/t2/IM9999.dcm").write_bytes((phantom / "ph001/t2/IM0001.dcm").read_bytes()[:5000])
    (study,) = in_folder(tmp_path)
    problems = [one for one in pictures_on_disk(study, 1, False) if isinstance(one, Problem)]
    assert any("IM9999" in problem.path and problem.severity == "error" for problem in problems)


def errors_of(study):
    problems = [one for one in pictures_on_disk(study, 1, False) if isinstance(one, Problem)]
    return [problem.path for problem in problems if problem.severity == "error"]


@pytest.mark.parametrize("kept", [132, 200, 400, 5000])  # 400 is within its class
def test_a_slice_whose_header_is_cut_is_an_error_of_its_study(phantom, tmp_path, kept):
    shutil.copytree(phantom / "ph001", tmp_path / "ph001")
    cut = tmp_path / "ph001/t2/IM0001.dcm"
    cut.write_bytes(cut.read_bytes()[:kept])
    (study,) = in_folder(tmp_path)
    assert errors_of(study) == [str(cut)]


def test_an_object_without_an_image_is_no_error(phantom, tmp_path):
    shutil.copytree(phantom / "ph001", tmp_path / "ph001")
    report = dcmread(tmp_path / "ph001/t2/IM0001.dcm", stop_before_pixels=True)
    for keyword in ("Rows", "Columns"):
        delattr(report, keyword)
    report.SOPClassUID, report.Modality = GrayscaleSoftcopyPresentationStateStorage, "PR"
    report.save_as(tmp_path / "ph001/t2/state.dcm")
    (study,) = in_folder(tmp_path)
    told = {one.path: one.severity for one in pictures_on_disk(study, 1, False) if isinstance(one, Problem)}
    assert told[str(tmp_path / "ph001/t2/state.dcm")] == "warning"
    assert "error" not in told.values()


def test_junk_beside_no_study_is_one_of_its_own_by_its_path(phantom, tmp_path):
    shutil.copytree(phantom / "ph001", tmp_path / "tree/ph001")
    junk = tmp_path / "tree/lost.dcm"
    junk.write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 4)
    studies = {study.source: study for study in in_folder(tmp_path / "tree")}
    assert studies.keys() == {"lost.dcm", *uids(phantom / "ph001")}
    assert errors_of(studies["lost.dcm"]) == [str(junk)]
    shutil.move(junk, tmp_path / "tree/ph001/t2")
    (tmp_path / "list.csv").write_text("path,study\ntree/ph001,one\n")
    (row,) = in_sheet(tmp_path / "list.csv")
    assert errors_of(row) == [str(tmp_path / "tree/ph001/t2/lost.dcm")]


def test_slices_without_a_uid_are_the_study_of_their_folder(phantom, tmp_path):
    for number, path in enumerate(sorted((phantom / "ph001/t2").glob("*.dcm"))):
        dataset = dcmread(path)
        del dataset.StudyInstanceUID
        dataset.save_as(tmp_path / f"{number}.dcm")
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "0.dcm").read_bytes()[:200])
    (study,) = in_folder(tmp_path)
    assert study.source == "."
    assert errors_of(study) == [str(tmp_path / "cut.dcm")]


def test_a_table_names_files_and_folders(phantom, tmp_path):
    write_png16(drawn(), tmp_path / "a.png")
    rows = [("a.png", "one"), (str(phantom / "ph001"), "two"), (str(phantom / "ph002"), ""), ("b.png", "one")]
    with (tmp_path / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "study"), *rows])
    studies = {study.source: study for study in in_sheet(tmp_path / "list.csv")}
    assert studies["one"].places == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert len(studies["two"].files().files) == len(list((phantom / "ph001").rglob("*.dcm")))
    assert studies.keys() == {"one", "two", str(phantom / "ph002")}


def test_a_file_that_a_table_names_twice_is_read_once(tmp_path):
    (tmp_path / "s").mkdir()
    for name in ("a", "b"):
        write_png16(drawn(), tmp_path / "s" / f"{name}.png")
    (tmp_path / "list.csv").write_text("path,study\ns,x\ns/a.png,x\ns/../s/b.png,x\n")
    (study,) = in_sheet(tmp_path / "list.csv")
    assert sorted(file.name for file in study.files().files) == ["a.png", "b.png"]


@pytest.mark.parametrize("row", [",two", " ,", ",,"])
def test_a_row_without_a_path_is_named(tmp_path, row):
    (tmp_path / "list.csv").write_text(f"path,study\na.png,one\n{row}\nb.png,\n")
    with pytest.raises(SpineError, match=r"list\.csv: the row of line 3 has no path"):
        in_sheet(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("ward/\udce9 %.png", "file:ward/%E9%20%25.png"),
        ("ward/é %E9.png", "ward/é %E9.png"),
        ("file:a", "file:file%3Aa"),
        (" a\n", "file:%20a%0A"),
        ('a\n,"b', 'a\n,"b'),
    ],
)
def test_any_path_is_text_and_back(path, text):
    assert as_text(path) == text
    assert as_path(text) == path


def test_a_list_has_names_that_are_no_utf_8(phantom, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(phantom / "ph001", tree / os.fsdecode(b"m\xfcller"))
    write_png16(drawn(), tree / os.fsdecode(b"\xe9.png"))
    studies = in_folder(tree)
    sheet = write_sheet_of(studies, tmp_path / "studies.csv")
    assert in_sheet(sheet) == studies
    assert {len(study.files().files) for study in in_sheet(sheet)} == {1, sum(uids(phantom / "ph001").values())}
    (tmp_path / "own.csv").write_text(f"path\nfile://{tree}/%E9.png\n")
    assert in_sheet(tmp_path / "own.csv")[0].files().files == (tree / os.fsdecode(b"\xe9.png"),)


def test_a_list_that_is_written_reads_as_the_tree_did(phantom, tmp_path):
    write_png16(drawn(), tmp_path / "tree.png")
    studies = in_folder(phantom)
    read = in_sheet(write_sheet_of(studies, tmp_path / "studies.csv"))
    assert [(study.source, study.files().files) for study in read] == [
        (study.source, study.files().files) for study in studies
    ]


def test_what_holds_no_study_is_told(tmp_path):
    (tmp_path / "empty.csv").write_text("file\na.png\n")
    with pytest.raises(SpineError, match="needs `path`"):
        in_sheet(tmp_path / "empty.csv")
    with pytest.raises(SpineError, match="is no folder"):
        in_folder(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpineError, match="holds no study"):
        in_folder(tmp_path / "folder")


def test_the_study_of_a_file_is_read_or_empty(phantom, tmp_path):
    path = next(phantom.rglob("*.dcm"))
    assert study_uid(path) == str(dcmread(path).StudyInstanceUID)
    (tmp_path / "damaged").write_bytes(path.read_bytes()[:200])
    assert study_uid(tmp_path / "damaged") == study_uid(tmp_path / "nowhere") == ""


def test_few_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    mapped = mapped_ahead(lambda number: number * number, items(), threads=2, ahead=5)
    assert [next(mapped), next(mapped)] == [0, 1]
    assert len(taken) <= 6
    assert list(mapped) == [number * number for number in range(2, 100)]
