"""A folder a class."""

import pytest

from spine.annotations import Annotation, folders
from spine.core.problems import SpineError


def files(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_the_folder_is_the_value_of_the_target(tmp_path):
    files(tmp_path, "Normal/a.png", "Abnormal/p1/b.png", "Abnormal/p1/notes.txt", "Abnormal/.hidden.png")
    reading = folders.read(tmp_path, target="finding")
    assert reading.annotations == (
        Annotation("Abnormal/p1/b.png", labels={"finding": "Abnormal"}),
        Annotation("Normal/a.png", labels={"finding": "Normal"}),
    )
    assert reading.problems == ()


def test_split_folders_above_the_classes(tmp_path):
    files(tmp_path, "train/Normal/a.png", "val/Normal/b.png")
    found = folders.read(tmp_path).annotations
    assert [(a.image, a.split, dict(a.labels)) for a in found] == [
        ("train/Normal/a.png", "train", {"class": "Normal"}),
        ("val/Normal/b.png", "validation", {"class": "Normal"}),
    ]


def test_names_are_relative_to_the_images(tmp_path):
    files(tmp_path, "ct/Normal/a.png", "other/b.png")
    (found,) = folders.read(tmp_path / "ct", images=tmp_path).annotations
    assert found == Annotation("ct/Normal/a.png", labels={"class": "Normal"})


def test_round_trip(tmp_path):
    files(tmp_path / "in", "a.png", "sub/b.png")
    annotations = [
        Annotation("a.png", labels={"class": "Normal"}, split="train"),
        Annotation("sub/b.png", labels={"class": "Abnormal"}, split="test"),
    ]
    folders.write(annotations, tmp_path / "out", images=tmp_path / "in")
    reading = folders.read(tmp_path / "out")
    assert reading.annotations == (
        Annotation("test/Abnormal/b.png", labels={"class": "Abnormal"}, split="test"),
        Annotation("train/Normal/a.png", labels={"class": "Normal"}, split="train"),
    )
    assert (tmp_path / "out" / "test" / "Abnormal" / "b.png").read_text() == "sub/b.png"


def test_what_cannot_be_written_is_refused(tmp_path):
    files(tmp_path / "in", "a.png", "sub/a.png")
    same = [Annotation(name, labels={"class": "Normal"}) for name in ("a.png", "sub/a.png")]
    with pytest.raises(SpineError, match=r"a.png and sub/a.png would both become"):
        folders.write(same, tmp_path / "out", images=tmp_path / "in")
    for value in ("", "..", "a/b"):
        with pytest.raises(SpineError, match="cannot be the name of a class folder"):
            folders.write([Annotation("a.png", labels={"class": value})], tmp_path / "out", images=tmp_path / "in")


def test_strays_unknown_and_empty_folders_are_listed(tmp_path):
    files(tmp_path, "Normal/a.png", "Norml/b.png", "stray.png")
    (tmp_path / "Abnormal").mkdir()
    reading = folders.read(tmp_path, labels=["Normal", "Abnormal"])
    assert [found.image for found in reading.annotations] == ["Normal/a.png"]
    assert [(p.path.rpartition("/")[2], p.severity) for p in reading.problems] == [
        ("Abnormal", "warning"),
        ("Norml", "error"),
        ("stray.png", "error"),
    ]
