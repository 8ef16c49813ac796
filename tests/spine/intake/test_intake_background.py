"""Which pictures without boxes are background, and what becomes of boxes that do not fit, in every format of boxes."""

import json

import numpy as np
import pytest
import tifffile

from spine.annotations import Annotation, Box, write_annotations
from spine.annotations.table import COLUMNS
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import write_mask, write_png16
from spine.intake import DataConfig, build

FORMATS = ("coco", "labelme", "labelme-xml", "table", "tfrecord", "voc", "yolo")
HEIGHT, WIDTH = 20, 30
GOOD = Box("disc", 4, 5, 12, 9)
TOLD = {
    "good": (GOOD,),
    "empty": (),
    "hat": (Box("hat", 4, 5, 12, 9), Box("hat", 1, 1, 3, 3)),
    "outside": (Box("disc", 40, 5, 50, 9),),
    "half": (GOOD, Box("hat", 4, 5, 12, 9), Box("disc", 90, 5, 95, 9)),
    "beyond": (Box("disc", 20, 15, 32, 21),),
}


def write_source(format, root, told=TOLD, unnamed=("nothing",)):
    """Pictures with what is told of each, and some that nothing is told of; gives the source of a data config."""
    images = root / "images"
    for number, name in enumerate((*told, *unnamed)):
        pixels = np.random.default_rng(number).integers(0, 4000, (HEIGHT, WIDTH)).astype(np.uint16)
        write_png16(pixels, images / f"{name}.png")
    annotations = [Annotation(f"{name}.png", boxes, size=(HEIGHT, WIDTH)) for name, boxes in told.items()]
    path = root / {"coco": "coco.json", "table": "boxes.csv"}.get(format, "annotations")
    options = {"images": images} if format == "tfrecord" else {}
    write_annotations(format, annotations, path, **options)
    if format == "yolo":
        path = path.rename(root / "labels")
        (path / "labels").rename(path / "rest")
        for file in (path / "rest").iterdir():
            file.rename(path / file.name)
    pictures = {"images": path, "read": "tfrecord"} if format == "tfrecord" else {"images": images}
    columns = COLUMNS if format == "table" else {}
    annotations = [{"format": format, "path": path, "labels": ["disc"], **columns}]
    return {"name": "mr", "patient": r"(\w+)\.", **pictures, "annotations": annotations}


def built(root, source):
    given = {"name": "tiny", "output": root / "out", "sources": [source]}
    return build(DataConfig.model_validate({**given, "splits": {"train": 1, "validation": 0, "test": 0}}))


def names(result):
    return {sample.removeprefix("mr_") for sample in Manifest.read(result.root).images["sample"]}


def told_of(result, name):
    return [(one.severity, one.reason) for one in result.problems if one.path.endswith(f"/{name}.png")]


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_all_of_whose_boxes_were_refused_is_left_out_by_name(format, tmp_path):
    result = built(tmp_path, write_source(format, tmp_path))
    assert {"hat", "outside"}.isdisjoint(names(result))
    ((severity, reason),) = told_of(result, "hat")
    assert severity == "error"
    assert reason.startswith("was left out: none of the boxes drawn on it counts (unknown label 'hat'; known are disc)")
    assert [severity for severity, _ in told_of(result, "outside")].count("error") >= 1
    assert "lies outside" in told_of(result, "outside")[-1][1]


@pytest.mark.parametrize("format", FORMATS)
def test_one_that_is_told_to_have_none_is_background_and_one_good_box_is_enough(format, tmp_path):
    result = built(tmp_path, write_source(format, tmp_path))
    boxes = Manifest.read(result.root).boxes.groupby("sample").size().to_dict()
    assert {"good", "empty", "half", "beyond"} <= names(result)
    assert boxes == {"mr_good": 1, "mr_half": 1, "mr_beyond": 1}
    assert told_of(result, "empty") == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_box_partly_outside_is_cut_off_and_told(format, tmp_path):
    result = built(tmp_path, write_source(format, tmp_path))
    manifest = Manifest.read(result.root)
    box = manifest.boxes.set_index("sample").loc["mr_beyond", ["x0", "y0", "x1", "y1"]]
    assert box.tolist() == pytest.approx([20, 15, WIDTH, HEIGHT])
    ((severity, reason),) = told_of(result, "beyond")
    assert severity == "warning"
    assert "of 'disc' reaches outside the picture of 20 x 30" in reason


@pytest.mark.parametrize("format", [format for format in FORMATS if format not in ("yolo", "tfrecord")])
def test_pictures_that_no_annotation_names_are_left_out_and_counted(format, tmp_path):
    unnamed = [f"n{number}" for number in range(5)]
    result = built(tmp_path, write_source(format, tmp_path, {"good": (GOOD,)}, unnamed))
    assert names(result) == {"good"}
    (problem,) = result.problems
    assert (problem.path, problem.severity) == (str(tmp_path / "images"), "warning")
    told = "5 of 6 pictures were left out, since no annotation names them: n0.png, n1.png, n2.png and 2 more"
    assert problem.reason == told


def test_yolo_takes_a_picture_without_a_label_file_for_background_and_counts_them(tmp_path):
    unnamed = [f"n{number}" for number in range(5)]
    result = built(tmp_path, write_source("yolo", tmp_path, {"good": (GOOD,)}, unnamed))
    assert names(result) == {"good", *unnamed}
    (problem,) = result.problems
    assert problem.severity == "warning"
    assert problem.reason == "5 of 6 pictures have no label file (n0.png, n1.png, n2.png and 2 more)"


def test_a_label_file_that_cannot_be_read_makes_no_background(tmp_path):
    source = write_source("yolo", tmp_path)
    (tmp_path / "labels" / "good.txt").write_bytes(b"\xff\xfe\x00")
    result = built(tmp_path, source)
    assert "good" not in names(result)
    assert "is not readable text" in told_of(result, "good")[0][1]


def test_a_picture_whose_annotation_file_cannot_be_read_is_named_by_none(tmp_path):
    source = write_source("voc", tmp_path, unnamed=())
    (tmp_path / "annotations" / "empty.xml").write_text("<annotation>")
    result = built(tmp_path, source)
    assert "empty" not in names(result)
    assert any("no annotation names them: empty.png" in problem.reason for problem in result.problems)


@pytest.mark.parametrize("format", ["coco", "voc"])
def test_pictures_that_nobody_drew_on_are_background_where_the_source_says_so(format, tmp_path):
    source = write_source(format, tmp_path, unnamed=("healthy", "normal"))
    result = built(tmp_path, {**source, "unnamed": "background"})
    assert names(result) == {"good", "empty", "half", "beyond", "healthy", "normal"}
    assert not any("names them" in problem.reason for problem in result.problems)


def test_a_picture_whose_file_may_be_one_that_cannot_be_read_is_never_background(tmp_path):
    source = {**write_source("voc", tmp_path), "unnamed": "background"}
    (tmp_path / "annotations" / "good.xml").write_text("<annotation>")
    assert names(built(tmp_path, source)) == {"empty", "half", "beyond", "nothing"}
    (tmp_path / "annotations" / "good.xml").rename(tmp_path / "annotations" / "of-whom.xml")
    assert names(built(tmp_path, source)) == {"empty", "half", "beyond"}


def without_name(format, path):
    """Damage the source so that boxes are told of an image that is not known."""
    if format == "coco":
        content = json.loads(path.read_text())
        content["annotations"].append({"id": 99, "category_id": 1, "bbox": [1, 1, 2, 2]})
        path.write_text(json.dumps(content))
    elif format == "table":
        path.write_text(path.read_text() + ",,,,,disc,1,1,3,3\n")
    else:
        file = path / "data.tfrecord-00000-of-00001"
        file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("format", ["coco", "table", "tfrecord"])
def test_where_boxes_are_told_of_an_image_that_is_not_known_none_is_background(format, tmp_path):
    source = {**write_source(format, tmp_path), "unnamed": "background"}
    source |= {"images": tmp_path / "images", "read": "picture"}
    assert "nothing" in names(built(tmp_path, source))
    without_name(format, source["annotations"][0]["path"])
    result = built(tmp_path, source)
    assert "good" in names(result)
    assert "nothing" not in names(result)


def advice_on_unnamed(root, source):
    (advice,) = [one.advice for one in built(root, source).problems if "no annotation names them" in one.reason]
    return advice


def test_background_is_advised_only_where_it_would_help(tmp_path):
    source = write_source("voc", tmp_path)
    name_them = "name them in an annotation"
    helps = f"{name_them}; or, where there truly is nothing to find in them, set `unnamed: background`"
    assert advice_on_unnamed(tmp_path, source) == helps
    file = tmp_path / "annotations" / "good.xml"
    file.write_text("<annotation>")
    assert advice_on_unnamed(tmp_path, source) == helps  # not for good.png, but for nothing.png
    file.rename(file.with_name("of-whom.xml"))
    fix = f"{name_them}, and fix the annotations that could not be read: they may name them"
    assert advice_on_unnamed(tmp_path, source) == fix
    assert advice_on_unnamed(tmp_path, {**source, "unnamed": "background"}) == fix


def test_boxes_of_a_whole_file_make_no_background_of_its_pages(tmp_path):
    source = write_source("coco", tmp_path)
    (tmp_path / "images" / "good.png").unlink()
    tifffile.imwrite(
        tmp_path / "images" / "good.tif", np.arange(2 * HEIGHT * WIDTH, dtype=np.uint16).reshape(2, HEIGHT, WIDTH)
    )
    result = built(tmp_path, {**source, "slices": None})
    assert not {"good_0", "good_1", "good"} & names(result)
    (problem,) = (problem for problem in result.problems if "boxes of the whole file" in problem.reason)
    assert problem.path == str(tmp_path / "images" / "good.tif")
    assert problem.reason.startswith("gives 2 pictures, which were left out: none of the boxes drawn on it counts")


def test_a_picture_with_a_mask_that_the_boxes_do_not_name_is_kept_and_told(tmp_path):
    source = write_source("coco", tmp_path, {"good": (GOOD,)}, ["masked"])
    write_mask(np.ones((HEIGHT, WIDTH), np.uint8), tmp_path / "masks" / "masked.png")
    source["annotations"].append({"format": "mask", "path": tmp_path / "masks", "labels": ["disc"]})
    result = built(tmp_path, source)
    assert names(result) == {"good", "masked"}
    (problem,) = result.problems
    assert problem.reason.startswith("1 pictures have labels or a mask, and no file with boxes names them: masked.png")


def test_a_source_without_annotations_keeps_its_pictures(tmp_path):
    source = write_source("coco", tmp_path)
    result = built(tmp_path, {**source, "annotations": []})
    assert names(result) == {*TOLD, "nothing"}


def test_a_dataset_of_nothing_but_unnamed_pictures_says_why(tmp_path):
    source = write_source("coco", tmp_path, {"elsewhere": (GOOD,)}, ["n0", "n1"])
    (tmp_path / "images" / "elsewhere.png").unlink()
    with pytest.raises(SpineError, match="2 of 2 pictures were left out"):
        built(tmp_path, source)
