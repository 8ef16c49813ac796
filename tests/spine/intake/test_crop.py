from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.manifest import IMAGES, Manifest
from spine.images.pictures import read_mask, read_picture
from spine.intake.crop import CropSettings, crop_samples, expand_box, match_boxes
from tests.spine.dataset_on_disk import smooth_noise, write_dataset

DISCS = CropSettings(label="disc", grow=0.1)


def test_ten_percent_is_shared_by_both_sides():
    assert expand_box((20, 30, 40, 50), 0.1, 100, 100) == (20 - 1, 30 - 1, 40 + 1, 50 + 1)
    assert expand_box((20, 30, 60, 50), 0.1, 100, 100) == (20 - 2, 30 - 1, 60 + 2, 50 + 1)


def test_every_pixel_that_the_grown_box_touches_belongs_to_it():
    assert expand_box((20, 30, 30, 40), 0.1, 100, 100) == (19, 29, 31, 41)  # 19.5, 29.5, 30.5, 40.5
    assert expand_box((2.2, 3.0, 4.0, 5.7), 0, 10, 10) == (2, 3, 4, 6)


def test_a_region_ends_at_the_edge_of_its_picture():
    assert expand_box((0, 0, 20, 20), 0.1, 20, 15) == (0, 0, 15, 20)


def test_a_box_outside_its_picture_is_an_error():
    with pytest.raises(SpineError, match="outside"):
        expand_box((30, 0, 40, 10), 0.1, 20, 20)


@pytest.fixture
def whole(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 10:30] = 2
    return write_dataset(
        tmp_path / "whole",
        {"a": smooth_noise(1), "b": smooth_noise(2)},
        masks={"a": mask},
        mask_labels=["vertebra", "disc"],
        boxes=[
            ("a", "0", "disc", 10.0, 10.0, 30.0, 20.0, "1"),
            ("a", "1", "disc", 10.0, 24.0, 30.0, 34.0, "2"),
            ("a", "2", "vertebra", 0.0, 0.0, 40.0, 40.0, ""),
            ("b", "0", "disc", 20.0, 10.0, 40.0, 30.0, "1"),
        ],
        labels=[("a", "0", "grade", "4"), ("b", "0", "grade", "2"), ("a", "", "sex", "f")],
        splits=[("a", "train", ""), ("b", "test", "")],
        patient={"a": "p1", "b": "p2"},
        spacing_y={"a": 0.5},
    )


def test_crops_carry_what_their_parent_and_box_know(whole, tmp_path):
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", DISCS)
    row = crops.images.set_index("sample").loc["a_disc0"]
    assert (row["patient"], row["parent"], row["level"], row["spacing_y"]) == ("p1", "a", "1", 0.5)
    assert (row["x0"], row["y0"], row["x1"], row["y1"]) == (9, 9, 31, 21)
    assert (row["height"], row["width"]) == (12, 22)
    assert crops.values("grade") == {"a_disc0": "4", "b_disc0": "2"}
    assert crops.samples_in("test") == ["b_disc0"]


def test_the_pixels_and_the_mask_are_the_parents(whole, tmp_path):
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", DISCS)
    pixels = read_picture(crops.image_path("a_disc0"), "a_disc0").pixels
    np.testing.assert_array_equal(pixels, smooth_noise(1)[9:21, 9:31])
    mask = read_mask(crops.mask_path("a_disc0"))
    assert mask[0].max() == 0
    assert (mask[1:11, 1:21] == 2).all()
    assert not crops.mask_path("b_disc0").exists()


def test_the_whole_pictures_and_boxes_as_they_were_are_kept(whole, tmp_path):
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", DISCS)
    assert sorted(path.name for path in (tmp_path / "crops" / "parents").iterdir()) == ["a.png", "b.png"]
    kept = read_picture(crops.parent_path("a"), "a").pixels
    np.testing.assert_array_equal(kept, smooth_noise(1))
    row = Manifest.read(tmp_path / "crops").images.set_index("sample").loc["a_disc0"]
    assert row[["box_x0", "box_y0", "box_x1", "box_y1", "grow"]].tolist() == [10, 10, 30, 20, 0.1]
    assert row[["parent_height", "parent_width"]].tolist() == [48, 64]


def test_whole_pictures_and_boxes_are_part_of_the_data(whole, tmp_path):
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", DISCS)
    for change in ({"parent_sha256": "0"}, {"box_x0": 9.5}):
        other = crops.images.assign(**change)
        assert replace(crops, images=other).data_hash != crops.data_hash
    columns = [name for name in crops.images if name.startswith(("box_", "parent_", "grow"))]
    crops.images.drop(columns=columns).to_csv(crops.root / "images.csv", index=False)
    assert set(Manifest.read(crops.root).images["parent_sha256"]) == {""}


def test_the_hash_of_an_older_dataset_stays(tmp_path):
    told = {"sample": "a_disc0", "patient": "p", "height": 12, "width": 22, "sha256": "1f", "parent": "a"}
    row = {**dict.fromkeys(IMAGES, ""), **told, "level": "1", "x0": 9, "y0": 9, "x1": 31, "y1": 21}
    known = "c3c690b8f4e3c5cf66432a272b1ce7a0a3cbfae640cc43fd6b23a2004e53382a"  # before parents were kept
    assert Manifest(tmp_path, pd.DataFrame([row])).data_hash == known


def test_a_parent_is_no_way_out_of_the_dataset(whole, tmp_path):
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", DISCS)
    with pytest.raises(SpineError, match=r"\.\./a"):
        Manifest(crops.root, crops.images.assign(parent="../a"))


def test_a_written_crop_dataset_reads_as_it_is(whole, tmp_path):
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", DISCS)
    assert Manifest.read(tmp_path / "crops").data_hash == crops.data_hash


def test_boxes_without_the_required_target_are_left_out(whole, tmp_path):
    settings = CropSettings(label="disc", require="grade")
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", settings)
    assert crops.images["sample"].tolist() == ["a_disc0", "b_disc0"]


def test_what_chooses_among_detected_boxes_needs_a_detector(tmp_path):
    with pytest.raises(ValueError, match=r"has confidence 0.9 and count 1, .* give a detector, or remove them"):
        CropSettings(label="disc", confidence=0.9, count=1)
    assert CropSettings(label="disc", confidence=0.9, count=1, detector=tmp_path).count == 1
    assert CropSettings(**CropSettings(label="disc").model_dump()) == CropSettings(label="disc")


def test_a_region_keeps_the_boxes_within_it_and_their_labels(whole, tmp_path):
    region = pd.DataFrame([("a", "", "region", 8.0, 2.0, 28.0, 30.0, "")], columns=whole.boxes.columns)
    crops = crop_samples(whole, region, tmp_path / "crops", CropSettings(label="region", grow=0))
    boxes = crops.boxes.set_index("box")
    # Disc 0 reaches 2 pixels over the right edge, disc 1 also 4 below; the vertebra lies by less than half within.
    assert boxes.loc["0", ["x0", "y0", "x1", "y1"]].tolist() == [10 - 8, 10 - 2, 28 - 8, 20 - 2]
    assert boxes.loc["1", ["x0", "y0", "x1", "y1"]].tolist() == [10 - 8, 24 - 2, 28 - 8, 30 - 2]
    assert set(boxes.index) == {"0", "1"}
    assert crops.labels[["sample", "box", "value"]].to_numpy().tolist() == [["a_regionn0", "0", "4"]]


def _detected(*boxes):
    return pd.DataFrame(
        [("a", "", "disc", *corners, "") for corners in boxes],
        columns=["sample", "box", "label", "x0", "y0", "x1", "y1", "level"],
    )


def test_detected_boxes_have_labels_where_they_match_a_true_one(whole, tmp_path):
    detected = match_boxes(_detected((11.0, 10.0, 30.0, 21.0), (40.0, 30.0, 60.0, 40.0)), whole.boxes)
    assert detected["level"].tolist() == ["1", ""]
    crops = crop_samples(whole, detected, tmp_path / "crops", DISCS)
    assert crops.images["sample"].tolist() == ["a_disc0", "a_discn1"]
    assert crops.values("grade") == {"a_disc0": "4"}


def test_a_true_box_matches_once_and_the_nearest():
    true = _detected((0.0, 0.0, 10.0, 10.0)).assign(box="7", level="3")
    detected = _detected((0.0, 0.0, 10.0, 8.0), (0.0, 0.0, 10.0, 9.0), (0.0, 0.0, 4.0, 10.0))
    assert match_boxes(detected, true)["box"].tolist() == ["", "7", ""]
    assert match_boxes(detected[2:], true, least=0.4)["box"].tolist() == ["7"]


def test_no_box_to_crop_is_an_error_that_names_the_labels(whole, tmp_path):
    with pytest.raises(SpineError, match="disc, vertebra"):
        crop_samples(whole, whole.boxes, tmp_path / "crops", CropSettings(label="disk"))
