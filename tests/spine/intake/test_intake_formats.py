"""What annotation files of unusual spelling become: the boxes that are meant, or no picture and a problem."""

import json

import numpy as np
import pytest

from spine.dataset.manifest import Manifest
from spine.images.pictures import write_png16
from spine.intake import DataConfig, build

HEIGHT, WIDTH = 100, 60
BOX = ["disc", 10, 20, 30, 30]


def built(root, annotations, pictures=("x", "y"), **source):
    annotations = [annotations] if isinstance(annotations, dict) else annotations
    for number, name in enumerate(pictures):
        pixels = np.random.default_rng(number).integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
        write_png16(pixels, root / "tree" / f"{name}.png")
    given = {"name": "s", "images": root / "tree", "read": "picture", "annotations": annotations, **source}
    config = {"name": "tiny", "output": root / "out", "sources": [given]}
    result = build(DataConfig.model_validate({**config, "splits": {"train": 1, "validation": 0, "test": 0}}))
    return Manifest.read(result.root), [one for one in result.problems if "patient of" not in one.reason]


def boxes(manifest):
    return {
        sample: manifest.boxes.loc[manifest.boxes["sample"] == sample, ["label", "x0", "y0", "x1", "y1"]]
        .to_numpy()
        .tolist()
        for sample in manifest.images["sample"]
    }


def coco(root, image_ids, known=(1, 2, 3)):
    images = [{"id": identity, "file_name": f"{name}.png"} for identity, name in zip(known, "xyz", strict=True)]
    drawn = [{"image_id": identity, "category_id": 1, "bbox": [10, 20, 20, 10]} for identity in image_ids]
    content = {"images": images, "categories": [{"id": 1, "name": "disc"}], "annotations": drawn}
    (root / "a.json").write_text(json.dumps(content))
    return {"format": "coco", "path": root / "a.json"}


@pytest.mark.parametrize("ids", [(1, 2), ("1", "2"), (1.0, "002"), ("1", 2.0)])
def test_boxes_of_ids_as_text_and_numbers_are_read_and_the_third_picture_is_background(tmp_path, ids):
    manifest, problems = built(tmp_path, coco(tmp_path, ids), "xyz")
    assert boxes(manifest) == {"s_x": [BOX], "s_y": [BOX], "s_z": []}
    assert problems == []


@pytest.mark.parametrize("ids", [(1, 7), (1, None), (1, "y"), (1, "x.png")])
def test_no_picture_becomes_background_where_a_box_may_be_its_own(tmp_path, ids):
    manifest, problems = built(tmp_path, coco(tmp_path, ids), "xyz")
    assert boxes(manifest) == {"s_x": [BOX]}
    lost = [one.path.rpartition("/")[2] for one in problems if "was left out" in one.reason]
    assert lost == ["y.png", "z.png"]


def test_two_images_of_one_id_are_both_left_out_where_boxes_name_it(tmp_path):
    manifest, problems = built(tmp_path, coco(tmp_path, (1, 2), known=(1, "1", 2)), "xyz")
    assert boxes(manifest) == {"s_z": [BOX]}
    assert {one.severity for one in problems} == {"error"}


def test_key_points_without_kpt_shape_leave_their_picture_out(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "x.txt").write_text("0 0.5 0.5 0.2 0.1 0.41 0.46 0.59 0.46 0.59 0.54 0.41 0.54\n")
    (tmp_path / "labels" / "y.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    manifest, problems = built(tmp_path, {"format": "yolo", "path": tmp_path / "labels", "names": ["disc"]})
    assert boxes(manifest) == {"s_y": [["disc", 24, 45, 36, 55]]}
    assert "none of the boxes drawn on it counts (has 13 numbers" in problems[-1].reason


def test_the_index_of_pandas_tells_no_patients(tmp_path):
    names = [f"{patient}{picture}" for patient in "pqr" for picture in "ab"]
    rows = [f"{number},{name}.png,10,20,30,30,4" for number, name in enumerate(names)]
    (tmp_path / "a.csv").write_text("\n".join([",image,xmin,ymin,xmax,ymax,grade", *rows]))
    corners = ["xmin", "ymin", "xmax", "ymax"]
    table = {"format": "table", "path": tmp_path / "a.csv", "label": "disc", "box": corners, "targets": ["grade"]}
    manifest, problems = built(tmp_path, {**table, "patient": ""}, names, patient=r"(\w)\w\.png")
    assert boxes(manifest) == {f"s_{name}": [BOX] for name in names}
    assert manifest.images["patient"].nunique() == 3
    assert manifest.images["sequence"].unique().tolist() == [""]
    assert problems == []


@pytest.mark.parametrize("grade", ["nan", "inf", "1_0"])
def test_a_grade_that_is_no_value_is_no_label(tmp_path, grade):
    (tmp_path / "a.csv").write_text(f"image,grade\nx.png,{grade}\ny.png,3\n")
    table = {"format": "table", "path": tmp_path / "a.csv", "targets": ["grade"]}
    manifest, problems = built(tmp_path, table)
    assert manifest.labels[["sample", "value"]].to_numpy().tolist() == [["s_y", "3"]]
    assert [one.path.partition(": ")[2] for one in problems] == [{"nan": "line 2"}.get(grade, "line 2: grade")]


def test_names_of_thousands_of_letters_end_no_build(tmp_path):
    given = coco(tmp_path, (1, 2, 3))
    content = json.loads(given["path"].read_text())
    content["images"][2]["file_name"] = "z" * 5000
    content["annotations"][2] |= {"bbox": [0, 0, 0, 0], "attributes": {"g" * 5000: "inf"}}
    given["path"].write_text(json.dumps(content))
    manifest, problems = built(tmp_path, given)
    assert boxes(manifest) == {"s_x": [BOX], "s_y": [BOX]}
    assert {one.severity for one in problems} == {"error"}


def test_a_picture_may_have_its_boxes_in_yolo_or_in_voc(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "x.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    corners = "<xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>30</ymax>"
    drawn = f"<object><name>disc</name><bndbox>{corners}</bndbox></object>"
    (tmp_path / "labels" / "y.xml").write_text(f"<annotation><filename>y.png</filename>{drawn}</annotation>")
    yolo = {"format": "yolo", "path": tmp_path / "labels", "names": ["disc"]}
    manifest, problems = built(tmp_path, yolo)
    assert boxes(manifest) == {"s_x": [["disc", 24, 45, 36, 55]]}
    assert [one.path for one in problems if one.severity == "error"] == [str(tmp_path / "labels" / "y.xml")]
    both = [yolo, {"format": "voc", "path": tmp_path / "labels"}]
    manifest, problems = built(tmp_path / "again", both)
    assert boxes(manifest) == {"s_x": [["disc", 24, 45, 36, 55]], "s_y": [BOX]}
    assert [one for one in problems if one.severity == "error"] == []
