"""What is sent of files, folders and archives: the intake's choice, upright, and no word of the patient."""

import io
import os
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.client import SentPicture, ZipLimits, pictures_of
from spine.core.problems import Problem
from spine.images.dicom.write import MRSeries, write_mr_series

GREY = np.arange(24 * 20, dtype=np.uint16).reshape(24, 20) * 100


def write_png(path, pixels=GREY):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def write_zip(path, **entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def only_problem(path, **options):
    (problem,) = pictures_of(path, **options)
    assert isinstance(problem, Problem)
    return problem


@pytest.fixture
def series(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 1000, (5, 24, 20)).astype(np.uint16)
    series = MRSeries("Doe^Jane", "1", 3, "T2 sag", (-40.0, 12.5, 80.25), spacing=(0.5, 0.75))
    return write_mr_series(pixels, series, tmp_path / "series")


def test_a_png_is_sent_as_measured(tmp_path):
    (picture,) = pictures_of(write_png(tmp_path / "scan.png"))
    assert picture.name == "scan.png"
    assert (picture.height, picture.width, picture.spacing, picture.source) == (24, 20, None, None)
    sent = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(sent, GREY)


def test_a_jpeg_is_sent_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(np.zeros((10, 30), np.uint8)).save(tmp_path / "photo.jpg", exif=exif)
    (picture,) = pictures_of(tmp_path / "photo.jpg")
    assert (picture.height, picture.width) == (30, 10)


def test_of_a_series_the_middle_slice_is_sent_without_the_patient(series, tmp_path):
    (picture,) = pictures_of(tmp_path / "series")
    assert picture.source.path == series[2]
    assert picture.spacing == (0.5, 0.75)
    assert not picture.burned_in
    chunks = {picture.png[at + 4 : at + 8] for at in _chunks(picture.png)}
    assert chunks == {b"IHDR", b"IDAT", b"IEND"}


def test_the_slices_next_to_the_middle_one_come_with_it_where_they_are_asked_for(series, tmp_path):
    (picture,) = pictures_of(tmp_path / "series", neighbours=True)
    before, after = picture.neighbours
    assert {before, picture.png, after} == {one.png for one in pictures_of(tmp_path / "series", slices=3)}
    assert before != after
    (alone,) = pictures_of(series[2], neighbours=True)
    assert alone.neighbours is None


def _chunks(png):
    at = 8
    while at < len(png):
        yield at
        at += 12 + int.from_bytes(png[at : at + 4], "big")


def test_more_slices_where_they_are_asked_for(series, tmp_path):
    assert len(list(pictures_of(tmp_path / "series", slices=3))) == 3
    assert len(list(pictures_of(tmp_path / "series", slices=None))) == 5
    (picture,) = pictures_of(series[0])
    assert picture.source.path == series[0]


def test_burned_in_annotation_is_told(series):
    from pydicom import dcmread

    dataset = dcmread(series[0])
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(series[0])
    (picture,) = pictures_of(series[0])
    assert picture.burned_in


def test_a_zipped_series_is_read_as_the_folder_is(series, tmp_path):
    packed = write_zip(tmp_path / "study.zip", **{f"a__{path.name}": path.read_bytes() for path in series})
    (scratch := tmp_path / "scratch").mkdir()
    (picture,) = pictures_of(packed, scratch=scratch)
    (of_folder,) = pictures_of(tmp_path / "series")
    assert picture.png == of_folder.png
    assert picture.name == f"a/{of_folder.name}"
    assert picture.source.read().shape == (24, 20)  # its file is still there
    (passing,) = pictures_of(packed)
    assert passing.png == picture.png


def test_bad_files_are_told_by_the_names_they_were_given(tmp_path):
    write_png(tmp_path / "folder" / "good.png")
    (tmp_path / "folder" / "bad.png").write_bytes((tmp_path / "folder" / "good.png").read_bytes()[:50])
    (tmp_path / "folder" / "text.dcm").write_text("this is no DICOM")
    found = list(pictures_of(tmp_path / "folder"))
    assert [one.name for one in found if isinstance(one, SentPicture)] == ["good.png"]
    bad = sorted(one.path for one in found if isinstance(one, Problem))
    assert bad == [str(tmp_path / "folder" / name) for name in ("bad.png", "text.dcm")]
    packed = write_zip(tmp_path / "x.zip", **{"a__text.dcm": b"this is no DICOM"})
    assert only_problem(packed).path == f"{packed}/a/text.dcm"


def test_what_is_no_picture_is_a_problem(tmp_path):
    assert "does not exist" in only_problem(tmp_path / "nowhere.png").reason
    (tmp_path / "notes.txt").write_text("nothing")
    assert only_problem(tmp_path / "notes.txt").reason == "is no picture"
    (tmp_path / "empty").mkdir()
    assert only_problem(tmp_path / "empty").reason == "holds no picture"
    os.mkfifo(tmp_path / "pipe")
    assert only_problem(tmp_path / "pipe").reason == "is no picture"
    assert only_problem(write_zip(tmp_path / "empty.zip")).path == str(tmp_path / "empty.zip")


@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/tmp/out.png", "..\\out.png", "C:\\out.png"])
def test_an_archive_does_not_climb_out(name, tmp_path):
    content = write_png(tmp_path / "good.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(name, content)
    (scratch := tmp_path / "scratch").mkdir()
    assert "leads out of its folder" in only_problem(tmp_path / "x.zip", scratch=scratch).reason
    assert not list(tmp_path.rglob("out.png"))


def test_an_archive_becomes_no_more_than_it_may(tmp_path):
    packed = write_zip(tmp_path / "x.zip", a=bytes(5000), b=bytes(6000))
    assert "11,000 bytes, and 10,000 are taken" in only_problem(packed, limits=ZipLimits(bytes=10_000)).reason
    assert "2 files, and 1" in only_problem(packed, limits=ZipLimits(files=1)).reason


def test_what_an_archive_states_of_its_size_is_not_believed(tmp_path):
    data = bytearray(write_zip(tmp_path / "x.zip", a=bytes(5000)).read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")  # its uncompressed size
    (tmp_path / "x.zip").write_bytes(data)
    problem = only_problem(tmp_path / "x.zip", limits=ZipLimits(bytes=1000))
    assert "bytes" in problem.reason or "cannot be unpacked" in problem.reason


def test_links_and_broken_entries_of_an_archive_are_passed_over(tmp_path):
    content = write_png(tmp_path / "good.png").read_bytes()
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.png", content)
        archive.writestr("bad.png", content)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[data.index(content, data.index(b"bad.png")) + 60] ^= 255
    (tmp_path / "x.zip").write_bytes(data)
    link, bad, good = pictures_of(tmp_path / "x.zip")
    assert "is a link" in link.reason
    assert "CRC" in bad.reason
    assert good.name == "good.png"


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x05\x06" + bytes(3), b"PK\x03\x04" + bytes(200)])
def test_no_whole_archive_is_a_sentence(content, tmp_path):
    (tmp_path / "x.zip").write_bytes(content)
    assert "is no whole .zip" in only_problem(tmp_path / "x.zip").reason


def test_an_archive_in_an_archive_or_a_folder_is_told(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("good.png", write_png(tmp_path / "good.png").read_bytes())
    packed = write_zip(tmp_path / "x.zip", **{"inner.zip": inner.getvalue()})
    problem = only_problem(packed)
    assert (problem.path, problem.severity) == (f"{packed}/inner.zip", "error")
    assert problem.reason == "is an archive within what was given, and was not read"
    picture, problem = pictures_of(tmp_path)  # the folder of both
    assert (picture.name, problem.path) == ("good.png", str(packed))
