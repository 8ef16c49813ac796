from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.manifest import IMAGES, SPLITS, Manifest
from tests.spine.dataset_on_disk import smooth_noise, write_dataset


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(
        tmp_path,
        {"a": smooth_noise(1), "b": smooth_noise(2), "c": smooth_noise(3)},
        boxes=[("a", "0", "disc", 1.5, 2.0, 10.25, 9.0, "1")],
        labels=[("a", "", "grade", "4"), ("b", "", "grade", "2"), ("a", "0", "herniation", "0")],
        splits=[("a", "train", ""), ("c", "train", ""), ("b", "test", "")],
        patient={"a": "007", "b": "008", "c": "007"},
        spacing_y={"a": 0.1 + 0.2},
    )


def test_what_was_written_is_read(dataset):
    again = Manifest.read(dataset.root)
    assert again.images["patient"].tolist() == ["007", "008", "007"]  # text, though it looks like a number
    assert again.boxes.loc[0, ["x0", "y0", "x1", "y1"]].tolist() == [1.5, 2.0, 10.25, 9.0]
    assert again.images["spacing_y"].isna().tolist() == [False, True, True]
    assert again.labels["box"].tolist() == ["", "", "0"]


def test_hashes_survive_a_round_trip_and_an_edit_of_the_splits(dataset, tmp_path):
    again = Manifest.read(dataset.root)
    assert (again.data_hash, again.splits_hash) == (dataset.data_hash, dataset.splits_hash)
    moved = dataset.splits.assign(split="validation")
    other = Manifest(dataset.root, dataset.images, dataset.boxes, dataset.labels, moved)
    assert other.data_hash == dataset.data_hash
    assert other.splits_hash != dataset.splits_hash


def test_a_changed_label_changes_the_data_and_the_order_of_rows_does_not(dataset):
    shuffled = Manifest(dataset.root, dataset.images, dataset.boxes, dataset.labels[::-1], dataset.splits)
    assert shuffled.data_hash == dataset.data_hash
    regraded = dataset.labels.assign(value="9")
    assert Manifest(dataset.root, dataset.images, dataset.boxes, regraded).data_hash != dataset.data_hash


def test_samples_of_a_split_are_in_the_order_of_images(dataset):
    assert dataset.samples_in("train") == ["a", "c"]
    with pytest.raises(SpineError, match="'validation'"):
        dataset.samples_in("validation")
    with pytest.raises(SpineError, match="train, validation, test"):
        dataset.samples_in("val")


def test_values_are_those_of_whole_samples(dataset):
    assert dataset.values("grade") == {"a": "4", "b": "2"}
    with pytest.raises(SpineError, match="its targets: grade"):
        dataset.values("herniation")


def test_patients_of_samples(dataset):
    assert dataset.patient_of() == {"a": "007", "b": "008", "c": "007"}


@pytest.mark.parametrize("sample", ["../x", "a/b", "", ".hidden", "a b"])
def test_a_sample_that_cannot_be_a_file_is_refused(tmp_path, sample):
    images = pd.DataFrame([{**dict.fromkeys(IMAGES, ""), "sample": sample}])
    with pytest.raises(SpineError, match="file's name"):
        Manifest(tmp_path, images)


def test_a_sample_named_twice_is_refused(dataset):
    with pytest.raises(SpineError, match="'a' twice"):
        Manifest(dataset.root, pd.concat([dataset.images, dataset.images[:1]]))


def test_a_row_of_no_sample_is_refused(dataset):
    splits = pd.DataFrame([("z", "train", "")], columns=list(SPLITS))
    with pytest.raises(SpineError, match="'z'"):
        Manifest(dataset.root, dataset.images, splits=splits)


def test_an_image_without_a_patient_is_named(dataset):
    table = pd.read_csv(dataset.root / "images.csv", dtype=str, keep_default_na=False)
    table.loc[0, "patient"] = ""
    table.to_csv(dataset.root / "images.csv", index=False)
    with pytest.raises(SpineError, match=f"{table['sample'][0]} has no patient"):
        Manifest.read(dataset.root)


def test_a_lacking_column_is_named(dataset):
    with pytest.raises(SpineError, match="patient"):
        Manifest(dataset.root, dataset.images.drop(columns="patient"))


def test_a_folder_that_is_no_dataset_says_how_to_build_one(tmp_path):
    with pytest.raises(SpineError, match="spine data build"):
        Manifest.read(tmp_path / "none")


def test_a_lost_table_is_named(dataset):
    (dataset.root / "labels.csv").unlink()
    with pytest.raises(SpineError, match=r"labels\.csv is missing"):
        Manifest.read(dataset.root)


def test_paths_of_pictures_and_masks(dataset):
    assert dataset.image_path("a").is_file()
    assert dataset.mask_path("a") == dataset.root / "masks" / "a.png"
    assert np.issubdtype(dataset.images["height"].dtype, np.number)


TEXTS = [
    "a\nb",
    "a\rb",
    "a\r\nb",
    'say "a", b',
    " a ",
    "=1+1",
    "NA",
    "nan",
    "1_0",
    "007",
    "\0",
    "脊椎",
    "\ufeffa",
    "'",
    "\\",
]


def test_any_text_is_read_back_equal(tmp_path):
    pictures = {f"s{number}": smooth_noise(number) for number in range(len(TEXTS))}
    told = dict(zip(pictures, TEXTS, strict=True))
    labels = [(sample, "", text, text) for sample, text in told.items()]
    boxes = [(sample, "0", text, 1.0, 2.0, 3.0, 4.0, text) for sample, text in told.items()]
    written = write_dataset(tmp_path, pictures, boxes=boxes, labels=labels, patient=told, sequence=told)
    again = Manifest.read(tmp_path)
    assert again.images["patient"].tolist() == again.images["sequence"].tolist() == TEXTS
    assert again.labels[["target", "value"]].values.tolist() == [[text, text] for text in TEXTS]
    assert again.boxes[["label", "level"]].values.tolist() == [[text, text] for text in TEXTS]
    assert again.data_hash == written.data_hash


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("dataset.json", "{", "", "JSONDecodeError"),
        ("dataset.json", "mask_labels", "masks", "mask_labels"),
        ("dataset.json", "[]", "3", "mask_labels is 3"),
        ("images.csv", "a,007,,,,48,64", "a,007,,,,nan,64", "'nan' is not a number"),
        ("images.csv", "a,007,,,,48,64", "a,007,,,,,64", "whole numbers from 1 up"),
        ("images.csv", "a,007,,,,48,64", "a,007,,,,-48,64", "whole numbers from 1 up"),
        ("images.csv", "a,007,,,,48,64", "a,007,,,,48.5,64", "whole numbers from 1 up"),
        ("images.csv", "a,007,,,,48,64", "a,007,,,,inf,64", "'inf' is not a number"),
        ("images.csv", "0.30000000000000004", "1_0", "'1_0' is not a number"),
        ("images.csv", "sample,", "sample,extra,", "has 37 cells, the header 38"),
        ("images.csv", "a,007", "a,b,c,007", "has 39 cells, the header 37"),
        ("boxes.csv", "1.5,2.0,10.25,9.0", "nan,2.0,10.25,9.0", "'nan' is not a number"),
        ("boxes.csv", "1.5,2.0,10.25,9.0", "10.25,2.0,1.5,9.0", "x0 < x1"),
        ("boxes.csv", "1.5,2.0,10.25,9.0", ",2.0,10.25,9.0", "x0 < x1"),
        ("labels.csv", "a,,grade,4", "a,,grade", "the row of 'a' has 3 cells, the header 4"),
        ("labels.csv", "a,,grade,4", 'a,,grade,"4', "unexpected end of data"),
        ("labels.csv", "target,value", "value,value", "a column twice"),
        ("splits.csv", "b,test", "b,tset", "the split 'tset' is not one of train, validation, test"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(dataset, file, old, new, why):
    path = dataset.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SpineError, match=rf"{file} cannot be read \(.*({why}).*\); build the dataset again"):
        Manifest.read(dataset.root)


@pytest.mark.parametrize("file", ["dataset.json", "images.csv", "boxes.csv", "labels.csv", "splits.csv"])
@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"[1, 2]", b'"a'])
def test_a_file_of_anything_is_an_error_of_ours(dataset, file, data):
    (dataset.root / file).write_bytes(data)
    with pytest.raises(SpineError, match=file):
        Manifest.read(dataset.root)


@pytest.mark.parametrize("table", ["boxes", "labels", "splits"])
def test_nothing_is_told_twice(dataset, table):
    rows = getattr(dataset, table)
    with pytest.raises(SpineError, match=rf"{table}.csv names 'a'.* twice"):
        replace(dataset, **{table: pd.concat([rows, rows[rows["sample"] == "a"][:1]])})
