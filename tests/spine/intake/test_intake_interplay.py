"""Parts of the intake together: slices with masks, orientation with sizes, crops with exports, and their words."""

import io

import numpy as np
import pytest
from PIL import Image

from spine.annotations import tfrecord
from spine.core.problems import SpineError
from spine.dataset.interchange import export_dataset
from spine.dataset.manifest import Manifest
from spine.images.pictures import read_mask, read_picture
from spine.intake import DataConfig, build
from tests.spine.decoder_files import nifti
from tests.spine.source_on_disk import (
    HEIGHT,
    WIDTH,
    built,
    config,
    errors,
    region,
    warnings,
    write_image,
    write_picture,
)

CORNERS = ["x0", "y0", "x1", "y1"]


def table(path, *rows):
    path.write_text("\n".join([f"image,{','.join(CORNERS)},grade", *rows]) + "\n")
    return {"format": "table", "path": path, "label": "disc", "box": CORNERS, "targets": ["grade"]}


def volume(path, count=3):
    """`count` sagittal slices of 6 x 8, from the left: x counts to the right, y to the front, z up."""
    voxels = np.arange(count * WIDTH * HEIGHT, dtype=np.uint16).reshape(count, WIDTH, HEIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(nifti(voxels))
    return [voxels[k, ::-1, ::-1].T for k in range(count)]


@pytest.mark.parametrize("called", ["p1.v2#{}.png", "p1.v2.nii#{}.png"])
def test_masks_of_slices_are_called_as_the_slices(called, tmp_path):
    slices = volume(tmp_path / "images" / "p1.v2.nii")
    for k in range(3):
        write_image(tmp_path / "masks" / called.format(k), region((k, k + 2), (0, 3), 255))
    masks = {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"], "boxes": True}
    result = built(tmp_path, masks, read="volume", slices=2)
    assert errors(result) == warnings(result) == []
    manifest = Manifest.read(result.root)
    assert manifest.images["sample"].tolist() == ["s_p1.v2_1", "s_p1.v2_0"]
    for k in (0, 1):
        sample = f"s_p1.v2_{k}"
        np.testing.assert_array_equal(read_picture(manifest.image_path(sample), "").pixels, slices[k])
        np.testing.assert_array_equal(read_mask(manifest.mask_path(sample)), region((k, k + 2), (0, 3)))
    assert dict(zip(manifest.boxes["sample"], manifest.boxes["y0"], strict=True)) == {"s_p1.v2_0": 0, "s_p1.v2_1": 1}


def test_a_mask_of_a_slice_that_two_volumes_may_have_is_told(tmp_path):
    for name in ("p1.nii", "p1.nrrd"):
        volume(tmp_path / "images" / name)
    write_image(tmp_path / "masks" / "p1#1.png", region((0, 1), (0, 1)))
    masks = {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"]}
    with pytest.raises(SpineError, match=r"several pictures are called so: p1\.nii#1, p1\.nrrd#1"):
        built(tmp_path, masks, read="volume")


def test_boxes_on_a_picture_as_it_lies_in_its_file_are_told_to_be_of_the_upright_one(tmp_path):
    tag, data = Image.Exif(), io.BytesIO()
    tag[274] = 6  # a quarter to the right
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(data, "PNG", exif=tag)
    write_picture(tmp_path / "images" / "y.png")
    (tmp_path / "images" / "x.png").write_bytes(data.getvalue())
    (tmp_path / "a.json").write_text(
        '{"images": [{"id": 1, "file_name": "x.png", "height": 6, "width": 8}, {"id": 2, "file_name": "y.png"}], '
        '"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}], '
        '"categories": [{"id": 1, "name": "disc"}]}'
    )
    strange, lost = errors(built(tmp_path, {"format": "coco", "path": tmp_path / "a.json"}))
    assert "drawn on a picture of (6, 8) (height, width); this one is (8, 6)" in strange.reason
    assert "EXIF" in strange.advice
    assert lost.path == strange.path == str(tmp_path / "images" / "x.png")


def crops(tmp_path):
    """A dataset of two discs cut out, which has grades and no boxes."""
    for seed, name in enumerate("ab"):
        write_picture(tmp_path / "images" / f"{name}.1.png", seed)
    whole = built(tmp_path, table(tmp_path / "t.csv", "a.1,1,1,5,4,2", "b.1.png,0,0,4,4,5")).root
    crop = {"label": "disc", "grow": 0}
    given = {"name": "crops", "output": tmp_path / "crops", "dataset": whole, "crop": crop}
    return Manifest.read(build(DataConfig.model_validate(given)).root)


def test_crops_without_boxes_come_back_from_tfrecords(tmp_path):
    manifest = crops(tmp_path)
    records = export_dataset(manifest, "tfrecord", tmp_path / "records", depth=16)
    given = config(tmp_path, {"format": "tfrecord", "path": records}, images=records, read="tfrecord")
    again = Manifest.read(build(given.model_copy(update={"output": tmp_path / "again"})).root)
    assert again.values("grade") == {"s_s_a.1_disc0": "2", "s_s_b.1_disc0": "5"}
    for sample in manifest.images["sample"]:
        pixels = [read_picture(m.image_path(s), "").pixels for m, s in ((manifest, sample), (again, f"s_{sample}"))]
        np.testing.assert_array_equal(*pixels)
    assert tfrecord.read(records).problems == ()


def test_yolo_files_of_no_box_are_not_written(tmp_path):
    with pytest.raises(
        SpineError, match="no picture has a box, and YOLO files hold nothing else; write another format"
    ):
        export_dataset(crops(tmp_path), "yolo", tmp_path / "yolo")
    assert not (tmp_path / "yolo").exists()


def test_a_build_of_which_nothing_is_left_names_its_one_problem(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x.png").write_bytes(b"no picture")
    with pytest.raises(SpineError, match=r"\S+/x\.png: is not a PNG.*; 1 problem is listed in \S+/problems\.csv$"):
        built(tmp_path)


def test_what_is_wrong_with_a_mask_names_its_file_once(tmp_path):
    for seed, (name, value) in enumerate((("x", 3), ("y", 1))):
        write_picture(tmp_path / "images" / f"{name}.png", seed)
        write_image(tmp_path / "masks" / f"{name}.png", region((0, 1), (0, 1), value))
    masks = {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"]}
    (error,) = errors(built(tmp_path, masks))
    assert error.path == str(tmp_path / "masks" / "x.png")
    assert error.reason == "holds unknown class indices [3] where 1 is disc"
    assert error.advice == "correct the mask, or the list of labels"
