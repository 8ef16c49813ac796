"""Nothing is silent: annotations of which nothing is found, linked folders, values that two files tell differently."""

import json

import pandas as pd
import pytest

from spine.annotations import Annotation, Box, write_annotations
from spine.annotations.tfrecords import record_files
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from tests.spine.source_on_disk import HEIGHT, WIDTH, built, errors, region, warnings, write_image, write_picture

BOX = Box("disc", 1, 1, 5, 4)


def samples(result):
    return Manifest.read(result.root).images["sample"].tolist()


def coco(path, images=(), categories=("disc",)):
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"id": n, "file_name": name, "height": HEIGHT, "width": WIDTH} for n, name in enumerate(images)]
    kinds = [{"id": n, "name": name} for n, name in enumerate(categories)]
    path.write_text(json.dumps({"images": records, "annotations": [], "categories": kinds}))
    return {"format": "coco", "path": path}


def test_an_annotation_file_that_tells_of_no_picture_is_an_error(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    (tmp_path / "t.csv").write_text("image,grade\n")
    table = {"format": "table", "path": tmp_path / "t.csv", "targets": ["grade"]}
    result = built(tmp_path, coco(tmp_path / "a.json"), table, coco(tmp_path / "b.json", ["x.png"]))
    assert [problem.path for problem in errors(result)] == [str(tmp_path / "a.json"), str(tmp_path / "t.csv")]
    assert "tells of no picture, though it was read as coco" in errors(result)[0].reason
    assert samples(result) == ["s_x"]


def test_annotations_of_another_format_are_told_where_no_file_tells_of_the_picture(tmp_path):
    for name in "xyz":
        write_picture(tmp_path / "images" / f"{name}.png", ord(name))
    write_annotations("voc", [Annotation(f"{name}.png", (BOX,)) for name in "xy"], tmp_path / "images")
    write_annotations("labelme", [Annotation(f"{n}.png", (BOX,), size=(6, 8)) for n in "yz"], tmp_path / "images")
    (tmp_path / "images" / "readme.txt").write_text("of no picture")
    voc, labelme = ({"format": name, "path": tmp_path / "images"} for name in ("voc", "labelme"))
    (problem,) = errors(built(tmp_path, voc))
    assert problem.path == str(tmp_path / "images" / "z.json")
    assert problem.reason.startswith("was passed over: it is no .xml file")
    result = built(tmp_path, voc, labelme)  # who takes the file tells of it
    assert errors(result) == []
    assert len(Manifest.read(result.root).boxes) == 3


def test_a_suffix_in_capitals_is_no_other_format(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    write_annotations("voc", [Annotation("x.png", (BOX,))], tmp_path / "images")
    (tmp_path / "images" / "x.xml").rename(tmp_path / "images" / "x.XML")
    result = built(tmp_path, {"format": "voc", "path": tmp_path / "images"})
    assert errors(result) == []
    assert len(Manifest.read(result.root).boxes) == 1


def test_class_folders_without_pictures_are_told(tmp_path):
    write_picture(tmp_path / "images" / "normal" / "x.png")
    (tmp_path / "images" / "odd").mkdir()
    (tmp_path / "images" / "odd" / "a.docx").write_text("no picture")
    (problem,) = errors(built(tmp_path, {"format": "folders", "path": tmp_path / "images"}))
    assert (problem.path, problem.reason) == (str(tmp_path / "images" / "odd"), "holds 1 files and no picture: a.docx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpineError, match="empty holds no folder of a class"):
        built(tmp_path, {"format": "folders", "path": tmp_path / "empty"})


def test_linked_folders_are_read_of_pictures_and_annotations_alike(tmp_path):
    write_picture(tmp_path / "images" / "p1" / "x.png")
    write_picture(tmp_path / "store" / "pictures" / "y.png", 1)
    for name in ("p1/x", "p2/y"):
        write_image(tmp_path / "store" / "masks" / f"{name}.png", region((0, 2), (0, 2)))
    write_annotations("voc", [Annotation("y.png", (BOX,))], tmp_path / "store" / "pictures")
    write_annotations("voc", [Annotation("x.png", (BOX,))], tmp_path / "images" / "p1")
    (tmp_path / "images" / "p2").symlink_to(tmp_path / "store" / "pictures")
    (tmp_path / "images" / "round").symlink_to(tmp_path / "images")
    (tmp_path / "masks").mkdir()
    for patient in ("p1", "p2"):
        (tmp_path / "masks" / patient).symlink_to(tmp_path / "store" / "masks" / patient)
    masks = {"format": "mask", "path": tmp_path / "masks", "labels": ["disc"]}
    voc = [{"format": "voc", "path": tmp_path / "images" / name} for name in ("p1", "p2")]
    result = built(tmp_path, masks, *voc)
    assert errors(result) == []
    manifest = Manifest.read(result.root)
    assert manifest.images["sample"].tolist() == ["s_p1_x", "s_p2_y"]
    assert (manifest.images["mask_sha256"] != "").all()
    assert manifest.boxes["sample"].tolist() == ["s_p1_x", "s_p2_y"]


def test_yolo_labels_and_tfrecords_are_found_in_linked_folders(tmp_path):
    write_picture(tmp_path / "store" / "images" / "x.png")
    (tmp_path / "store" / "labels").mkdir()
    (tmp_path / "store" / "labels" / "x.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "train").symlink_to(tmp_path / "store")
    result = built(tmp_path, {"format": "yolo", "path": tmp_path / "images", "names": ["disc"]})
    assert errors(result) == []
    boxes = Manifest.read(result.root).boxes
    assert boxes[["x0", "y0", "x1", "y1"]].values.tolist() == [[2, 1.5, 6, 4.5]]  # of 6 x 8 pixels
    (tmp_path / "store" / "a.tfrecord").touch()
    assert record_files(tmp_path / "images")[0][0] == tmp_path / "images" / "train" / "a.tfrecord"


def test_links_that_lead_nowhere_are_told(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    for name in ("gone.png", "P2"):
        (tmp_path / "images" / name).symlink_to(tmp_path / "nowhere" / name)
    result = built(tmp_path)
    told = [(problem.path, problem.reason) for problem in errors(result)]
    assert told == [(str(tmp_path / "images" / name), "is a link that leads nowhere") for name in ("P2", "gone.png")]
    assert samples(result) == ["s_x"]


def _table(path, header, *lines):
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_what_two_files_tell_differently_is_told_once_a_key_and_the_later_holds(tmp_path):
    for name in "xy":
        write_picture(tmp_path / "images" / f"{name}.png", ord(name))
    one = _table(tmp_path / "one.csv", "image,who,grade", "x.png,P1,4", "y.png,P2,3")
    two = _table(tmp_path / "two.csv", "image,who,grade", "x.png,P9,5", "y.png,P2,3")
    tables = [{"format": "table", "path": path, "patient": "who", "targets": ["grade"]} for path in (one, two)]
    result = built(tmp_path, *tables)
    assert [problem.reason for problem in warnings(result)] == [
        "patient is told in two ways of 1 pictures: x.png: 'P9' and 'P1'",
        "grade is told in two ways of 1 pictures: x.png: '5' and '4'",
    ]
    manifest = Manifest.read(result.root)
    assert manifest.values("grade") == {"s_x": "5", "s_y": "3"}
    assert manifest.images["patient"].tolist() == ["P9", "P2"]


def test_grades_of_one_box_that_two_files_tell_differently_are_told(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    tables = []
    for name, row in (("one", "x.png,1,1,5,4,2,4"), ("two", "x.png,1,1,5,4,3,5")):
        path = _table(tmp_path / f"{name}.csv", "image,x0,y0,x1,y1,level,grade", row)
        box = {"box": ["x0", "y0", "x1", "y1"], "label": "disc", "level": "level", "targets": ["grade"]}
        tables.append({"format": "table", "path": path, **box})
    result = built(tmp_path, *tables)
    assert [problem.reason for problem in warnings(result)] == [
        "level is told in two ways of 1 pictures: x.png: '3' and '2'",
        "grade is told in two ways of 1 pictures: x.png: '5' and '4'",
    ]
    assert pd.read_csv(result.root / "boxes.csv")["level"].tolist() == [3]
