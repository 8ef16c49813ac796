import numpy as np
import pandas as pd
import pytest

from spine.manifest import IMAGES, SPLITS, Manifest
from spine.problems import SpineError
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
