"""label_map.pbtxt of the TF Object Detection API."""

import pytest

from spine.annotations.label_map import read_label_map, write_label_map
from spine.core.problems import SpineError


def written(tmp_path, text):
    path = tmp_path / "label_map.pbtxt"
    path.write_text(text)
    return path


def test_every_spelling_that_the_api_reads(tmp_path):
    path = written(
        tmp_path,
        """
        # X-rays and MRI
        item {
          id: 1
          name: 'Lum'
        }
        item: { name: "sco", id: 2, keypoints { id: 3 label: "apex" } }
        """,
    )
    assert read_label_map(path).names == {1: "Lum", 2: "sco"}


def test_the_name_for_people_holds_and_both_are_known(tmp_path):
    found = read_label_map(written(tmp_path, 'item { name: "/m/01g317" id: 3 display_name: "person" }'))
    assert found.names == {3: "person"}
    assert found.ids == {"person": 3, "/m/01g317": 3}


@pytest.mark.parametrize(
    ("labels", "label"),
    [(["plate"], "plate"), (["Plate"], "Plate"), (["Plate", "plate"], "plate"), (["disc"], "Plate"), ([], "Plate")],
)
def test_of_its_two_names_the_label_is_the_one_that_is_known(tmp_path, labels, label):
    found = read_label_map(written(tmp_path, "item { id: 2 name: 'plate' display_name: 'Plate' }"), labels)
    assert found.names == {2: label}
    assert found.ids == {"plate": 2, "Plate": 2}


def test_round_trip(tmp_path):
    labels = ["Lum", 'sco "left"', "Wirbelkörper"]
    write_label_map(labels, tmp_path / "label_map.pbtxt")
    assert read_label_map(tmp_path / "label_map.pbtxt").names == {1: labels[0], 2: labels[1], 3: labels[2]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "item 2 has the id 1 of 'a'"),
        ("item { id: 1 name: 'a' } item { id: 2 name: 'a' }", "item 2 has the name 'a' of id 1"),
        ("item { id: 0 name: 'a' }", "has the id 0; ids begin at 1"),
        ("item { name: 'a' }", "has the id 0"),
        ("item { id: 1 name: ' ' }", "has an empty name"),
        ("", "holds no item"),
        ("item {\n  id: 1\n  name: 'a'\n", 'Expected "}"'),
        ("item {\n  id: one\n}", "2:7"),
        ("{'disc': 1}", "1:1"),
    ],
)
def test_what_does_not_hold_is_told(tmp_path, text, reason):
    with pytest.raises(SpineError, match=reason) as error:
        read_label_map(written(tmp_path, text))
    assert str(tmp_path / "label_map.pbtxt") in str(error.value)


def test_a_missing_file_and_one_that_is_no_text_are_told(tmp_path):
    with pytest.raises(SpineError, match=r"nowhere.pbtxt cannot be opened"):
        read_label_map(tmp_path / "nowhere.pbtxt")
    (tmp_path / "label_map.pbtxt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SpineError, match="is no label map"):
        read_label_map(tmp_path / "label_map.pbtxt")
