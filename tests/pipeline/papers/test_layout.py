"""The folder of a pack's data: all that is missing there, or not as it should be, is told before anything trains."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.papers.facts import PAPERS
from pipeline.papers.held import Held
from pipeline.papers.layout import Layout
from pipeline.papers.pack import pack_of
from spine.annotations import write_annotations
from spine.annotations.label_map import write_label_map
from spine.annotations.tfrecords import shards
from spine.annotations.types import Annotation, Box
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.images.dicom.write_plain import PlainImage, write_image
from spine.images.pictures import write_mask, write_png16

ROOT = Path(__file__).resolve().parents[3]
BOX = "image,xmin,ymin,xmax,ymax\np1/IM1.dcm,1,2,3,4\n"
DISCS = "image,xmin,ymin,xmax,ymax,level,finding\n"
SLICES = "image,finding\n"


def write_dicom(path):
    told = PlainImage("CR", "p", "study", 1, 1, "spine", "LSPINE", 50, (100.0, 200.0))
    write_image(np.full((8, 6), 7, np.uint16), told, path)


def write_picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png16(np.arange(48, dtype=np.uint16).reshape(8, 6), path)


def write_plid(root):
    for name in ("p1/IM1", "p2/IM1"):
        write_dicom(root / "studies" / f"{name}.dcm")
    (root / "masks/p1").mkdir(parents=True)
    write_mask(np.eye(6, dtype=np.uint8), root / "masks/p1/IM1.png")
    (root / "regions.csv").write_text(BOX)
    (root / "discs.csv").write_text(f"{DISCS}p1/IM1.dcm,1,2,3,4,L4/L5,PLID\np2/IM1.dcm,1,2,3,4,L4/L5,NO_PLID\n")
    (root / "slices.csv").write_text(f"{SLICES}p1/IM1,PLID\np2/IM1.dcm,\n")  # one without suffix, one not known
    return root


def layout_of(paper, root, monkeypatch):
    layout = pack_of(ROOT / "configs" / "papers" / f"{paper}.yaml").data
    monkeypatch.setenv(layout.variable, str(root))
    return layout


def missing(layout):
    """What is told, without the folder."""
    return [one.replace(f"{layout.root}/", "") for one in layout.missing()]


@pytest.fixture
def plid(tmp_path, monkeypatch):
    return layout_of("sayed2025_plid", write_plid(tmp_path), monkeypatch)


def test_a_folder_as_it_is_described_lacks_nothing(plid):
    assert missing(plid) == []
    plid.require()


def test_all_that_is_missing_is_listed_at_once(plid):
    (plid.root / "masks/p1/IM1.png").unlink()
    (plid.root / "regions.csv").unlink()
    (plid.root / "discs.csv").write_text("image;xmin\n")
    (plid.root / "slices.csv").write_text(SLICES)
    told = missing(plid)
    assert [one.split(" ")[0].rstrip(":") for one in told] == ["masks", "regions.csv", "discs.csv", "slices.csv"]
    assert "is empty" in told[0]
    assert "is not there: the lumbar region, one box an image: image, xmin, ymin, xmax, ymax" in told[1]
    assert "lacks the columns image, xmin, ymin, xmax, ymax, level, finding; it has image" in told[2]
    assert "has no row below its header" in told[3]
    with pytest.raises(SpineError, match=r"lacks what this pack reads:(\n  .+){4}$"):
        plid.require()


def test_a_folder_of_dicom_has_one_that_can_be_read(plid):
    for file in (plid.root / "studies").rglob("*.dcm"):
        file.write_bytes(b"\0" * 128 + b"DICM")
    (told,) = missing(plid)
    assert "studies holds no readable file of the kind dicom, and should: lumbar MR" in told
    assert "2 cannot be read, the first:" in told


def test_masks_are_paired_with_images_and_hold_known_classes(plid):
    masks = plid.root / "masks"
    write_mask(np.zeros((4, 4), np.uint8), masks / "p1/IM1#3.png")  # of a slice
    assert missing(plid) == []
    (masks / "p1/IM1#3.png").rename(masks / "p1/IM2.png")
    (told,) = missing(plid)
    assert told == f"masks: 1 of 2 masks are named and placed like no file of {plid.root}/studies: p1/IM2.png".replace(
        f"{plid.root}/", ""
    )
    (masks / "p1/IM2.png").unlink()
    write_mask(np.full((4, 4), 9, np.uint8), masks / "p1/IM1.png")
    (told,) = missing(plid)
    assert "holds unknown class indices [9] where 1 to 3 are spine, vertebra, disc" in told


def test_images_that_a_table_names_exist(plid):
    rows = "".join(f"p{number}/IM1.dcm,1,2,3,4\n" for number in range(1, 8))
    (plid.root / "regions.csv").write_text(BOX + rows)
    (told,) = missing(plid)
    assert told.startswith(
        "regions.csv: 5 of 7 images that it names lead to no picture in studies: "
        "p3/IM1.dcm, p4/IM1.dcm, p5/IM1.dcm and 2 more ('p3/IM1.dcm' fits 2 pictures"
    )
    (plid.root / "regions.csv").write_text(f"{BOX}p1/IM7.dcm,1,2,3,4\n")
    assert missing(plid) == ["regions.csv: 1 of 2 images that it names lead to no picture in studies: p1/IM7.dcm"]


def test_values_of_a_column_are_the_known_ones(plid):
    rows = "p1/IM1.dcm,plid\np2/IM1.dcm,PLID\n"
    (plid.root / "slices.csv").write_text(SLICES + rows)
    assert missing(plid) == ["slices.csv: 1 row has another finding than NO_PLID, PLID: 'plid' (1)"]


def test_rows_that_do_not_hold_are_counted(plid):
    (plid.root / "slices.csv").write_text(f"{SLICES}p1/IM1.dcm\np2/IM1.dcm,PLID\n")
    (told,) = missing(plid)
    assert re.match(r"slices.csv: 1 row does not hold, the first: .*has 1 cells where the header has 2", told)


def test_a_table_that_is_no_text_is_told(plid):
    (plid.root / "slices.csv").write_bytes(b"\xff\xfe\x00")
    (told,) = missing(plid)
    assert told.startswith("slices.csv")


@pytest.mark.parametrize("format", ["voc", "labelme"])
def test_boxes_are_of_pictures_that_are_there_and_have_the_labels(tmp_path, monkeypatch, format):
    layout = layout_of("ma2020_cervical", tmp_path, monkeypatch)
    labels = layout.holds["boxes"].labels
    write_dicom(tmp_path / "images/p1/IM1.dcm")
    boxes = tuple(Box(label, 1, 1, 4, 5) for label in labels)
    (tmp_path / "boxes").mkdir()
    write_annotations(format, [Annotation("p1/IM1.dcm", boxes, size=(8, 6))], tmp_path / "boxes")
    assert missing(layout) == []
    renamed = tuple(Box(label.upper(), 1, 1, 4, 5) for label in labels[:1])
    write_annotations(format, [Annotation("p1/IM1.dcm", renamed, size=(8, 6))], tmp_path / "boxes")
    write_annotations(format, [Annotation("p2/IM9.dcm", boxes[1:], size=(8, 6))], tmp_path / "boxes")
    first, second = missing(layout)
    assert re.fullmatch(r"boxes: 1 of 2 images that it names lead to no picture in images: p2/IM9\.dcm", first)
    assert f"boxes: no box is called {labels[0]!r}; the boxes are" in second
    assert f"{labels[0].upper()!r} (1)" in second


def test_a_folder_a_class_holds_pictures(tmp_path, monkeypatch):
    layout = layout_of("tapkir_fracture", tmp_path, monkeypatch)
    write_picture(tmp_path / "Normal/a.png")
    (tmp_path / "Abnormal").mkdir()
    (tmp_path / "Abnormal/read_me.txt").write_text("words")
    (told,) = missing(layout)
    assert told.startswith("Abnormal holds no readable file of the kind picture")


def write_implant(root):
    for source, write in {"xray": write_dicom, "mri": write_dicom, "scoliosis": write_picture}.items():
        name = "a.png" if source == "scoliosis" else "a.dcm"
        write(root / source / "images" / name)
        header = "image,patient,finding,xmin,ymin,xmax,ymax\n"
        (root / source / "labels.csv").write_text(f"{header}{name},p1,Lum,1,1,4,5\n")
    (root / "records").mkdir()
    for split in ("train", "val", "test"):
        with shards(root / "records" / split, 2) as opened:
            for _ in range(2):
                opened.write(b"a record")
    write_label_map(["Lum", "sco"], root / "records/label_map.pbtxt")
    return root


def test_records_have_all_splits_and_shards(tmp_path, monkeypatch):
    layout = layout_of("levan2020_implant", write_implant(tmp_path), monkeypatch)
    assert missing(layout) == []
    records = tmp_path / "records"
    (records / "val.tfrecord-00001-of-00002").unlink()
    for file in records.glob("test.*"):
        file.unlink()
    (records / "train.tfrecord-00000-of-00002").write_bytes(b"damaged")
    (records / "train.tfrecord-00001-of-00002").write_bytes(b"")
    write_label_map(["sco", "Lum"], records / "label_map.pbtxt")
    lost, absent, damaged, classes = missing(layout)
    assert lost.startswith("records/val.tfrecord-00001-of-00002 is not there")
    assert absent.startswith("records has no TFRecord named test; it holds train.tfrecord-00000-of-00002")
    assert damaged.startswith("records holds no readable file of the kind tfrecord")
    assert classes == "records/label_map.pbtxt has the classes 1 sco, 2 Lum; they should be 1 Lum, 2 sco"


@pytest.mark.parametrize("paper", PAPERS)
def test_every_pack_tells_what_a_program_can_check(paper):
    layout = pack_of(ROOT / "configs" / "papers" / f"{paper}.yaml").data
    assert all(held.format for held in layout.holds.values())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"format": "dicom", "labels": ["disc"]},
            "labels is of the formats mask, boxes, label_map; the format is dicom",
        ),
        ({"splits": ["train"]}, "splits is of the formats tfrecord; the format is None"),
        ({"format": "table"}, "columns is empty; give those of the table"),
        ({"format": "table", "columns": ["a"], "values": {"b": ["x"]}}, "values has 'b'; the columns are a"),
        ({"format": "table", "columns": ["a"], "images": "x"}, "no column is called image: a"),
    ],
)
def test_options_are_those_of_the_format(raw, message):
    with pytest.raises(SpineError, match=message):
        validate(Held, {"what": "something", **raw}, "a pack")


def test_images_are_a_folder_that_is_held():
    held = {"masks": {"what": "masks", "format": "mask", "images": "pictures"}}
    with pytest.raises(SpineError, match="masks has images 'pictures'; what is held is masks"):
        validate(Layout, {"variable": "NOT_SET", "default": "data", "holds": held}, "a pack")
