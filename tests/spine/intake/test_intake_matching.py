"""Which picture an annotation means: another's is never taken, and what means none is told."""

import numpy as np
import pytest

from spine.annotations import Annotation, Box, write_annotations
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import write_png16
from spine.intake import DataConfig, build
from spine.intake.matching import Pictures, contradicts, match

BOX = Box("disc", 4, 5, 12, 9)


@pytest.mark.parametrize(
    ("stated", "pictures", "meant"),
    [
        ("x.png", ["x.png", "a/x.png"], "x.png"),  # the very path
        ("x.png", ["x.jpg", "a/x.png"], "a/x.png"),  # the full name before the stem
        ("x.png", ["a/x.png", "a/x.jpg", "a/X.PNG"], "a/x.png"),  # its own case first
        ("x.png", ["a/X.PNG", "a/x.jpg"], "a/X.PNG"),
        ("x.png", ["x.dcm", "a/x.dcm"], "x.dcm"),  # the very folder
        ("a/x.png", ["a/x.jpg", "b/x.png"], "a/x.jpg"),  # a folder that is told before the suffix
        ("images/a/x.png", ["a/x.png", "b/x.png"], "a/x.png"),
        ("a/x.png", ["set/a/x.png", "set/b/x.png"], "set/a/x.png"),
        ("images/x.png", ["x.png"], "x.png"),
        ("x.nii", ["x.nii.gz#0", "x.nii.gz#1"], "x.nii.gz"),  # the whole file
        ("x.png#1", ["x.tif#0", "x.tif#1"], "x.tif#1"),
    ],
)
def test_a_name_means_the_picture_that_it_fits_best(stated, pictures, meant):
    found = match([stated], Pictures(pictures))
    assert found.pictures == {stated: meant}
    assert (found.refused, found.missing) == ({}, [])


@pytest.mark.parametrize(
    ("stated", "picture", "expected"),
    [
        ("p9/t2/x.png", "p3/t2/x.png", True),  # of a patient whose folder is not there
        ("train/x.png", "images/x.png", True),
        ("C:/set/a/x.png", "a/x.jpg", False),
        ("x.png", "a/x.png", False),
        ("a/x.png", "x.png", False),
        ("a/x.png", "set/a/x.png", False),
    ],
)
def test_other_folders_contradict(stated, picture, expected):
    assert contradicts(stated, picture) is expected


def test_a_name_that_fits_several_alike_means_none():
    for pictures in (["a/x.png", "b/x.png"], ["a/x.jpg", "a/x.tif"]):
        found = match(["x.png"], Pictures(pictures))
        assert found.pictures == {}
        assert found.refused == {"x.png": f"'x.png' fits 2 pictures: {', '.join(pictures)}"}
        assert found.doubtful == {picture: ["x.png"] for picture in pictures}


def test_two_names_share_no_picture():
    found = match(["b/x.png", "x.png"], Pictures(["x.png"]))
    assert found.pictures == {"x.png": "x.png"}
    assert found.refused == {"b/x.png": "'b/x.png' fits no picture but x.png, which 'x.png' names"}
    found = match(["train/x.png", "valid/x.png"], Pictures(["all/x.png"]))
    assert found.pictures == {}
    assert set(found.refused) == {"train/x.png", "valid/x.png"}
    assert found.doubtful == {"all/x.png": ["train/x.png", "valid/x.png"]}


def test_a_name_of_no_picture_is_missing():
    assert match(["y.png", "x.png#3"], Pictures(["x.png"])).missing == ["y.png", "x.png#3"]


def pictures_at(images, names):
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 4000, (20, 30)).astype(np.uint16)
        write_png16(pixels, images / "written.png")
        (images / name).parent.mkdir(exist_ok=True)
        (images / "written.png").rename(images / name)


def built(root, *annotations, **settings):
    source = {"name": "mr", "images": root / "images", "patient": "(.+)", "annotations": annotations, **settings}
    given = {"name": "tiny", "output": root / "out", "sources": [source]}
    return build(DataConfig.model_validate({**given, "splits": {"train": 1, "validation": 0, "test": 0}}))


def boxes(result):
    """Sample -> how many boxes, of every sample."""
    manifest = Manifest.read(result.root)
    counts = manifest.boxes["sample"].value_counts()
    return {sample.removeprefix("mr_"): int(counts.get(sample, 0)) for sample in manifest.images["sample"]}


def coco(root, *names):
    write_annotations("coco", [Annotation(name, (BOX,)) for name in names], root / "coco.json")
    return {"format": "coco", "path": root / "coco.json"}


@pytest.mark.parametrize("unnamed", ["leave_out", "background"])
def test_one_annotation_is_not_copied_onto_every_picture_of_its_name(tmp_path, unnamed):
    pictures_at(tmp_path / "images", ["a/x.png", "b/x.png", "y.png"])
    result = built(tmp_path, coco(tmp_path, "x.png", "y.png"), unnamed=unnamed)
    assert boxes(result) == {"y": 1}
    told = {(problem.path, problem.reason) for problem in result.problems if problem.severity == "error"}
    fits = "'x.png' fits 2 pictures: a/x.png, b/x.png"
    lost = f"was left out: none of the boxes drawn on it counts ({fits}), and without them it would pass for background"
    left_out = {(str(tmp_path / "images" / name), lost) for name in ("a/x.png", "b/x.png")}
    assert told == {(str(tmp_path / "coco.json"), fits), *left_out}


def test_a_picture_of_another_folder_is_taken_with_a_warning(tmp_path):
    """The one that was meant may not be there, and this one another patient's."""
    pictures_at(tmp_path / "images", ["p3/x.png", "p4/y.png"])
    result = built(tmp_path, coco(tmp_path, "p9/x.png", "p4/y.png"))
    assert boxes(result) == {"p3_x": 1, "p4_y": 1}
    (problem,) = result.problems
    assert problem.severity == "warning"
    assert problem.reason == "1 name leads to a picture of another folder: 'p9/x.png' to p3/x.png"


def test_a_box_in_shares_of_its_picture_is_refused_and_levels_are_of_one_spelling(tmp_path):
    pictures_at(tmp_path / "images", ["x.png", "y.png"])
    rows = ["x.png,L5-S1,4,5,12,9", "x.png,l4/5,4,15,12,19", "y.png,1,0.53,0.75,0.69,0.84", "y.png,2,4,5,12,9"]
    (tmp_path / "discs.csv").write_text("image,level,x0,y0,x1,y1\n" + "\n".join(rows) + "\n")
    table = {"format": "table", "path": tmp_path / "discs.csv", "box": ["x0", "y0", "x1", "y1"]}
    result = built(tmp_path, {**table, "label": "disc", "level": "level"})
    assert boxes(result) == {"x": 2, "y": 1}
    assert Manifest.read(result.root).boxes["level"].tolist() == ["1", "2", "2"]
    (problem,) = result.problems
    assert "box (0.53, 0.75, 0.69, 0.84) of 'disc' lies within one pixel" in problem.reason
    assert "these look like shares of the picture" in problem.advice


def test_a_box_finds_its_picture_by_the_full_name_where_others_have_its_stem(tmp_path):
    pictures_at(tmp_path / "images", ["a/x.png", "a/x.jpg", "a/X.PNG"])
    result = built(tmp_path, coco(tmp_path, "x.png", "a/x.jpg", "a/X.PNG"))
    # Each picture is a patient here, and two are called alike but for capital letters.
    assert [problem.reason for problem in result.problems] == [
        "the patient a/X.PNG is told from a/x.png by capital letters or leading zeros alone"
    ]
    assert sorted(boxes(result).values()) == [1, 1, 1]


def test_two_files_may_name_one_picture_each_in_its_way(tmp_path):
    pictures_at(tmp_path / "images", ["a/x.png"])
    (tmp_path / "views.csv").write_text("image,view\nx,lateral\n")
    result = built(
        tmp_path, coco(tmp_path, "a/x.png"), {"format": "table", "path": tmp_path / "views.csv", "targets": ["view"]}
    )
    assert Manifest.read(result.root).labels["value"].tolist() == ["lateral"]


@pytest.mark.parametrize("format", ["voc", "labelme", "labelme-xml"])
@pytest.mark.parametrize("place", ["images", "boxes"])
def test_the_file_in_the_folder_of_a_picture_is_its_own(tmp_path, format, place):
    pictures_at(tmp_path / "images", ["a/x.png", "b/x.png", "b/y.png"])
    annotations = [Annotation(name, (BOX,), size=(20, 30)) for name in ("a/x.png", "b/y.png")]
    write_annotations(format, annotations, tmp_path / place)
    result = built(tmp_path, {"format": format, "path": tmp_path / place})
    assert boxes(result) == {"a_x": 1, "b_y": 1}
    (problem,) = result.problems
    assert "1 of 3 pictures were left out, since no annotation names them: b/x.png" in problem.reason


@pytest.mark.parametrize("path", ["images/b", "images/b/x.json"])
def test_a_file_beside_its_picture_speaks_of_it_wherever_the_source_begins(tmp_path, path):
    pictures_at(tmp_path / "images", ["a/x.png", "b/x.png"])
    write_annotations("labelme", [Annotation("b/x.png", (BOX,), size=(20, 30))], tmp_path / "images")
    assert boxes(built(tmp_path, {"format": "labelme", "path": tmp_path / path})) == {"b_x": 1}


def test_a_label_file_of_two_pictures_is_of_neither(tmp_path):
    pictures_at(tmp_path / "images", ["a/x.png", "a/x.jpg", "b/x.png"])
    write_annotations("yolo", [Annotation("x.png", (BOX,), size=(20, 30))], tmp_path / "written")
    (tmp_path / "labels").mkdir()
    (tmp_path / "written" / "labels").rename(tmp_path / "labels" / "a")
    result = built(tmp_path, {"format": "yolo", "path": tmp_path, "images": tmp_path / "images", "names": ["disc"]})
    assert boxes(result) == {"b_x": 0}
    told = [problem.reason for problem in result.problems if problem.path.endswith("labels/a/x.txt")]
    assert told == ["fits 2 pictures: a/x.jpg, a/x.png"]


def test_an_annotation_of_no_picture_is_an_error(tmp_path):
    pictures_at(tmp_path / "images", ["a/x.png"])
    with pytest.raises(SpineError, match="an annotation names this image, and it is not there"):
        built(tmp_path, coco(tmp_path, "y.png"))
