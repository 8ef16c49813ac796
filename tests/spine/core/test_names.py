"""What names of files tell, and names that every file system takes."""

import unicodedata
from pathlib import PurePath

import pytest

from spine.core.names import SUFFIXES, composed, encodable, file_name, frame_of, slice_of, stem_of


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("x.png", "x"),
        ("X.PNG", "X"),
        ("a.b.png", "a.b"),
        ("x.y.nii.gz", "x.y"),
        ("CT.1.3.dcm", "CT.1.3"),
        ("CT.1.3.7", "CT.1.3.7"),
        ("1.2.840.113619.2.5", "1.2.840.113619.2.5"),
        ("case.left", "case.left"),  # no suffix that anyone knows
        ("x.dcm.png", "x.dcm"),  # one suffix is removed
        ("x.xml", "x"),
        ("x.gz", "x.gz"),
        (".png", ".png"),
        ("README", "README"),
    ],
)
def test_only_a_known_suffix_is_removed(name, stem):
    assert stem_of(PurePath("folder.png") / name) == stem


def test_every_image_suffix_is_known():
    assert {stem_of(PurePath(f"1.2{suffix}")) for family in SUFFIXES.values() for suffix in family} == {"1.2"}


def test_a_slice_is_a_number_at_the_end():
    assert slice_of("a/x.nii.gz#7") == ("a/x.nii.gz", "7")
    assert slice_of("a#1/x#2.png") == ("a#1/x#2.png", "")
    assert slice_of("x#1#2") == ("x#1", "2")


def test_a_frame_is_of_a_file_that_has_another_name():
    assert frame_of("a/x.dcm#7", "x.dcm") == 7
    assert frame_of("a/scan #12", "scan #12") is None
    assert frame_of("a/scan #12#3", "scan #12") == 3
    assert frame_of("a/x.dcm", "x.dcm") is None


def test_letters_with_accents_are_one_letter():
    apart = unicodedata.normalize("NFD", "Müller.png")
    assert apart != "Müller.png"
    assert composed(apart) == composed("Müller.png") == "Müller.png"


def test_bytes_that_are_no_utf8_can_be_written():
    name = b"M\xfcller".decode("utf-8", "surrogateescape")
    assert encodable(name) == "M\\udcfcller"
    assert encodable("Müller") == "Müller"


def test_a_long_name_is_cut_and_stays_its_own():
    names = [f"{'x' * 300}{number}" for number in range(50)]
    short = [file_name(name) for name in names]
    assert len(set(short)) == 50
    assert max(len(name.encode()) for name in short) <= 160
    assert short == [file_name(name) for name in names]
    assert file_name("ä" * 300, most=50) == file_name("ä" * 300, most=50)
    assert len(file_name("ä" * 300, most=50).encode()) <= 50
    assert file_name("ordinary_name") == "ordinary_name"


@pytest.mark.parametrize("name", ["con", "CON.1", "lpt1", "aux.x"])
def test_names_that_windows_keeps_for_itself_are_changed(name):
    assert file_name(name) == f"_{name}"
    assert file_name(f"a_{name}") == f"a_{name}"
