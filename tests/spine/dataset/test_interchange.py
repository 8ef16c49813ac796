"""Datasets in formats of other tools."""

import pytest

from spine.annotations import FORMATS, read_annotations
from spine.core.problems import SpineError
from spine.dataset.interchange import PLACES, export_dataset
from tests.spine.dataset_on_disk import smooth_noise, write_dataset


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(
        tmp_path / "dataset",
        {"a": smooth_noise(1), "b": smooth_noise(2)},
        masks={"a": (smooth_noise(1) > 8000).astype("uint8")},
        mask_labels=["disc"],
        boxes=[
            ("a", "0", "disc", 10.0, 10.0, 30.0, 20.0, "1"),
            ("a", "1", "vertebra", 0.0, 0.0, 40.0, 40.0, ""),
            ("b", "0", "disc", 20.0, 10.0, 40.0, 30.0, "1"),
        ],
        labels=[("a", "0", "grade", "4"), ("a", "", "sex", "f"), ("b", "", "sex", "m")],
        splits=[("a", "train", ""), ("b", "test", "")],
    )


def test_every_format_has_its_place():
    assert set(PLACES) == set(FORMATS)


@pytest.mark.parametrize("format", ["coco", "tfrecord"])
def test_what_a_format_holds_comes_back(format, dataset, tmp_path):
    output = export_dataset(dataset, format, tmp_path / "out")
    a, b = read_annotations(format, output / PLACES[format]).annotations
    a, b = sorted((a, b), key=lambda found: found.image)
    assert (a.image, a.patient, a.split, a.labels, a.size) == ("a.png", "a", "train", {"sex": "f"}, (48, 64))
    assert [(box.label, box.x0, box.y1, box.level, box.values) for box in a.boxes] == [
        ("disc", 10, 20, "1", {"grade": "4"}),
        ("vertebra", 0, 40, "", {}),
    ]
    assert (b.split, len(b.boxes)) == ("test", 1)


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"folders"}))
def test_every_format_is_written_with_its_pictures(format, dataset, tmp_path):
    output = export_dataset(dataset, format, tmp_path / "out")
    assert (output / PLACES[format]).exists()
    assert len(list(output.rglob("*.png"))) >= 2 or format == "tfrecord"


def test_a_folder_a_class_needs_a_target_that_there_is(dataset, tmp_path):
    with pytest.raises(SpineError, match=r"no target 'class'; give --target; the targets are: sex$"):
        export_dataset(dataset, "folders", tmp_path / "out")
    with pytest.raises(SpineError, match=r"no target 'sexe'; .*are: sex\. Did you mean 'sex'\?"):
        export_dataset(dataset, "folders", tmp_path / "out", target="sexe")
    output = export_dataset(dataset, "folders", tmp_path / "out", target="sex")
    assert {file.relative_to(output).as_posix() for file in output.rglob("*.png")} == {"train/f/a.png", "test/m/b.png"}


def test_only_the_labels_asked_for_are_written_in_their_order(dataset, tmp_path):
    output = export_dataset(dataset, "tfrecord", tmp_path / "out", ["vertebra"], shards=1)
    assert (output / "label_map.pbtxt").read_text().split() == ["item", "{", "name:", '"vertebra"', "id:", "1", "}"]
    with pytest.raises(SpineError, match="labelled 'disk'; the labels are disc, vertebra"):
        export_dataset(dataset, "tfrecord", tmp_path / "other", ["disk"])


def test_files_that_are_there_stay(dataset, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("")
    with pytest.raises(SpineError, match="holds files already"):
        export_dataset(dataset, "coco", tmp_path / "out")


def test_an_option_of_another_format_is_an_error(dataset, tmp_path):
    with pytest.raises(SpineError, match="'coco' has no option 'shards'"):
        export_dataset(dataset, "coco", tmp_path / "out", shards=2)
    assert not (tmp_path / "out").exists()
