"""TFRecords under the TF Object Detection API's keys."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spine.annotations import Annotation, Box, tfrecord
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import read_picture, write_png16
from spine.intake import DataConfig, build

LABEL = "image/object/class/label"
FRAME = 8 + 4 + 4  # bytes around a record's payload: length, its checksum, the payload's


def feature(values):
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def example(name=b"a.jpg", without=(), **changes):
    """A record as dataset_tools of the Object Detection API write it: a 20 x 40 JPEG with one box of class Lum."""
    _, jpeg = cv2.imencode(".jpg", np.full((20, 40, 3), 90, np.uint8))
    told = {
        "image/height": [20],
        "image/width": [40],
        "image/filename": [name],
        "image/source_id": [name],
        "image/encoded": [jpeg.tobytes()],
        "image/format": [b"jpeg"],
        "image/object/bbox/xmin": [4 / 40],
        "image/object/bbox/xmax": [12 / 40],
        "image/object/bbox/ymin": [5 / 20],
        "image/object/bbox/ymax": [9 / 20],
        "image/object/class/text": [b"Lum"],
        "image/object/class/label": [1],
        "image/object/difficult": [0],
        **{f"image/{key.replace('__', '/')}": values for key, values in changes.items()},
    }
    kept = {key: feature(values) for key, values in told.items() if key not in without}
    return tf.train.Example(features=tf.train.Features(feature=kept)).SerializeToString()


def written(tmp_path, *records, name="data.record", label_map="item { id: 1 name: 'Lum' } item { id: 2 name: 'sco' }"):
    if label_map:
        (tmp_path / "label_map.pbtxt").write_text(label_map)
    with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
        for record in records:
            writer.write(record)
    return tmp_path / name


def reasons(reading):
    return {problem.path.rsplit("/", 1)[-1]: problem.reason for problem in reading.problems}


def test_a_record_of_the_object_detection_api(tmp_path):
    reading = tfrecord.read(written(tmp_path, example()))
    assert reading.annotations == (Annotation("a.jpg", (Box("Lum", 4, 5, 12, 9),), size=(20, 40)),)
    assert reading.problems == ()


def test_a_class_told_by_number_alone_has_its_name_from_the_label_map(tmp_path):
    record = example(without=["image/object/class/text"], object__class__label=[2])
    assert tfrecord.read(written(tmp_path, record)).annotations[0].boxes[0].label == "sco"
    elsewhere = tmp_path / "other.pbtxt"
    elsewhere.write_text("item { id: 2 name: 'scoliosis' }")
    assert tfrecord.read(tmp_path, label_map=elsewhere).annotations[0].boxes[0].label == "scoliosis"


@pytest.mark.parametrize("label", ["plate", "Plate"])
def test_a_class_may_go_by_either_of_its_names(tmp_path, label):
    told = [{"object__class__text": [name], "object__class__label": [2]} for name in (b"plate", b"Plate", b"")]
    records = [example(b"%d.jpg" % number, **changes) for number, changes in enumerate(told)]
    path = written(tmp_path, *records, label_map="item { id: 2 name: 'plate' display_name: 'Plate' }")
    reading = tfrecord.read(path, labels=[label])
    assert [[box.label for box in found.boxes] for found in reading.annotations] == [[label]] * 3
    assert reading.problems == ()


def test_a_picture_without_boxes_is_background(tmp_path):
    boxes = [f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax")]
    record = example(without=[*boxes, "image/object/class/text", "image/object/class/label"])
    assert tfrecord.read(written(tmp_path, record)).annotations == (Annotation("a.jpg", (), size=(20, 40)),)


def test_names_of_files_and_folders_tell_the_split(tmp_path):
    written(tmp_path, example(b"a.jpg"), name="coco_val.record-00000-of-00001")
    (tmp_path / "test").mkdir()
    written(tmp_path / "test", example(b"b.jpg"), name="shots.tfrecord", label_map="")
    splits = {found.image: found.split for found in tfrecord.read(tmp_path).annotations}
    assert splits == {"a.jpg": "validation", "test/b.jpg": "test"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object__bbox__xmax": [480.0]}, "lies outside the image"),
        ({"object__bbox__xmax": [float("nan")]}, "finite"),
        ({"object__bbox__xmax": [4 / 40]}, "has no area"),
        ({"object__class__text": [b"ribs"]}, "unknown class 'ribs'; the label map has 1 'Lum', 2 'sco'"),
        ({"object__class__text": [b""], "object__class__label": [7]}, "unknown class 7"),
        ({"object__class__label": [2]}, "class 'Lum', which is 1 in the label map, and the number 2"),
    ],
)
def test_a_box_that_does_not_hold_is_left_out_and_told(tmp_path, changes, reason):
    reading = tfrecord.read(written(tmp_path, example(), example(b"b.jpg", **changes)))
    assert [len(found.boxes) for found in reading.annotations] == [1, 0]
    (place, told), *others = reasons(reading).items()
    assert place == "data.record: record 1: box 0"
    assert reason in told
    assert not others


def test_an_empty_class_is_told(tmp_path):
    record = example(without=["image/object/class/label"], object__class__text=[b" "])
    assert reasons(tfrecord.read(written(tmp_path, record))) == {"data.record: record 0: box 0": "has an empty class"}


def test_a_number_without_a_label_map_is_told(tmp_path):
    record = example(without=["image/object/class/text"])
    (reason,) = reasons(tfrecord.read(written(tmp_path, record, label_map=""))).values()
    assert reason == "has the unknown class 1; there is no label_map.pbtxt to name it: give `label_map`"


def test_a_box_that_reaches_over_the_edge_is_read_as_it_is(tmp_path):
    reading = tfrecord.read(written(tmp_path, example(object__bbox__xmax=[41 / 40])))
    assert reading.annotations[0].boxes == (Box("Lum", 4, 5, 41, 9),)  # the intake cuts off the boxes of every format
    assert reading.problems == ()


def test_crowds_are_left_out_and_counted_a_file(tmp_path):
    crowd = {"object__is_crowd": [1]}
    reading = tfrecord.read(written(tmp_path, example(**crowd), example(b"b.jpg"), example(b"c.jpg", **crowd)))
    assert [len(found.boxes) for found in reading.annotations] == [0, 1, 0]
    assert [found.refused for found in reading.annotations] == [("a crowd region",), (), ("a crowd region",)]
    assert reasons(reading) == {"data.record": "2 crowd regions were left out"}


def test_an_unknown_class_is_told_once_with_the_count_of_its_boxes(tmp_path):
    ribs, number = {"object__class__text": [b"ribs"]}, {"object__class__text": [b""], "object__class__label": [7]}
    records = [example(b"%d.jpg" % index, **(number if index == 3 else ribs)) for index in range(5)]
    label_map = "the label map has 1 'Lum', 2 'sco'"
    assert reasons(tfrecord.read(written(tmp_path, *records))) == {
        "data.record: record 0: box 0": f"has the unknown class 'ribs'; {label_map} (and 3 more boxes)",
        "data.record: record 3: box 0": f"has the unknown class 7; {label_map}",
    }


def test_lists_of_different_lengths_are_told(tmp_path):
    reading = tfrecord.read(written(tmp_path, example(object__bbox__xmin=[0.1, 0.2])))
    (problem,) = reading.problems
    assert "xmin 2, ymin 1" in problem.reason
    assert reading.annotations == (Annotation("a.jpg", refused=(problem.reason,)),)


def dataset_of(records):
    source = {"name": "od", "images": records, "read": "tfrecord", "patient": r"(\w+)\.jpg", "unnamed": "background"}
    source["annotations"] = [{"format": "tfrecord", "path": records}]
    given = {"name": "od", "output": records.with_name("out"), "splits": {"stated": True}}
    return build(DataConfig.model_validate({**given, "sources": [source]}))


def told_of(result):
    manifest = Manifest.read(result.root)
    problems = [(problem.path.rsplit("/", 1)[-1], problem.reason) for problem in result.problems]
    return manifest.images["sample"].tolist(), manifest.boxes["sample"].tolist(), problems


@pytest.mark.parametrize("changes", [{"object__bbox__xmin": [0.1, 0.2]}, {"object__class__text": [b"\xff"]}])
def test_a_picture_whose_record_does_not_hold_is_left_out_with_an_error(tmp_path, changes):
    (tmp_path / "records").mkdir()
    split = {"split": [b"train"]}
    written(tmp_path / "records", example(b"a.jpg", **split, **changes), example(b"b.jpg", **split))
    samples, boxes, problems = told_of(dataset_of(tmp_path / "records"))
    assert (samples, boxes) == (["od_b"], ["od_b"])
    (place, reason), (picture, lost) = problems
    assert (place, picture) == ("data.record: record 0", "a.jpg")
    assert lost.startswith(f"was left out: none of the boxes drawn on it counts ({reason})")


@pytest.mark.parametrize("height", [20, 10])
def test_of_two_records_of_one_name_the_first_is_kept_with_its_picture(tmp_path, height):
    (tmp_path / "records").mkdir()
    _, other = cv2.imencode(".jpg", np.full((height, 40, 3), 30, np.uint8))
    second = example(
        b"a.jpg", height=[height], encoded=[other.tobytes()], object__class__text=[b"sco"], without=[LABEL]
    )
    written(tmp_path / "records", example(b"a.jpg", split=[b"train"]), second)
    samples, boxes, problems = told_of(dataset_of(tmp_path / "records"))
    assert (samples, boxes) == (["od_a"], ["od_a"])
    assert [place for place, _ in problems] == ["data.record: record 1"] * 2
    assert all("the first" in reason and reason.endswith("was kept") for _, reason in problems)


def test_what_is_no_example_is_told_and_the_others_are_read(tmp_path):
    reading = tfrecord.read(written(tmp_path, b"\xff\xff", example(b"b.jpg")))
    assert [found.image for found in reading.annotations] == ["b.jpg"]
    assert reasons(reading) == {"data.record: record 0": "is no tf.Example"}


@pytest.mark.parametrize("record", [0, 1, 2])
def test_a_record_of_a_wrong_checksum_is_told_and_the_others_are_read(tmp_path, record):
    records = [example(b"%d.jpg" % number) for number in range(3)]
    file = written(tmp_path, *records)
    data = bytearray(file.read_bytes())
    data[sum(FRAME + len(one) for one in records[:record]) + 100] ^= 1
    file.write_bytes(data)
    reading = tfrecord.read(file)
    assert [found.image for found in reading.annotations] == [f"{n}.jpg" for n in range(3) if n != record]
    assert reasons(reading) == {f"data.record: record {record}": "is damaged: its checksum does not hold"}


def test_behind_a_damaged_length_nothing_can_be_reached(tmp_path):
    records = [example(b"%d.jpg" % number) for number in range(3)]
    file = written(tmp_path, *records)
    data = bytearray(file.read_bytes())
    data[FRAME + len(records[0])] ^= 1  # the second record's length
    file.write_bytes(data)
    reading = tfrecord.read(file)
    assert [found.image for found in reading.annotations] == ["0.jpg"]
    assert "cannot be reached" in reading.problems[-1].reason


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_a_file_cut_short_gives_its_whole_records(tmp_path, cut):
    records = [example(b"%d.jpg" % number) for number in range(2)]
    file = written(tmp_path, *records)
    end = FRAME + len(records[0]) + cut if cut > 0 else cut
    file.write_bytes(file.read_bytes()[:end])
    reading = tfrecord.read(file)
    assert [found.image for found in reading.annotations] == ["0.jpg"]
    assert list(reasons(reading)) == ["data.record: record 1"]


def test_an_empty_file_and_a_missing_shard_are_told(tmp_path):
    (tmp_path / "train.record-00000-of-00002").write_bytes(b"")
    told = reasons(tfrecord.read(tmp_path))
    assert told["train.record-00000-of-00002"] == "holds no record"
    assert "missing" in told["train.record-00001-of-00002"]


@pytest.fixture
def pictures(tmp_path):
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 4000, (20, 30)).astype(np.uint16)
        write_png16(pixels, tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def annotated(number, split=""):
    boxes = (Box("Lum", 0.5, 1, 4, 8.25, "3", {"pfirrmann": "4"}), Box("sco", 0, 0, 30, 20))[: number % 3]
    return Annotation(f"{number}.png", boxes, {"view": "lateral"}, patient=f"p{number}", split=split, size=(20, 30))


def test_shards_round_trip(tmp_path, pictures):
    annotations = [annotated(number, "train" if number else "test") for number in range(5)]
    tfrecord.write(annotations, tmp_path / "out", images=pictures, labels=["Lum", "sco"], shards=2)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "label_map.pbtxt",
        *("test.tfrecord-00000-of-00002", "test.tfrecord-00001-of-00002"),
        *("train.tfrecord-00000-of-00002", "train.tfrecord-00001-of-00002"),
    ]
    reading = tfrecord.read(tmp_path / "out")
    assert sorted(reading.annotations, key=lambda found: found.image) == annotations
    assert [problem.reason for problem in reading.problems] == ["holds no record"]  # one test image, two shards


def test_a_written_record_has_the_apis_keys(tmp_path, pictures):
    tfrecord.write([annotated(2)], tmp_path / "out", images=pictures, labels=["sco"])
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "out/data.tfrecord-00000-of-00001")).as_numpy_iterator()
    keys = {
        "image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/format": tf.io.FixedLenFeature((), tf.string),
        "image/height": tf.io.FixedLenFeature((), tf.int64),
        "image/width": tf.io.FixedLenFeature((), tf.int64),
        "image/object/bbox/xmin": tf.io.VarLenFeature(tf.float32),
        "image/object/bbox/ymax": tf.io.VarLenFeature(tf.float32),
        "image/object/class/label": tf.io.VarLenFeature(tf.int64),
        "image/object/class/text": tf.io.VarLenFeature(tf.string),
    }
    found = tf.io.parse_single_example(record, keys)
    assert (found["image/height"], found["image/width"]) == (20, 30)
    assert found["image/format"] == b"png"
    np.testing.assert_allclose(found["image/object/bbox/xmin"].values, [0.5 / 30, 0])
    np.testing.assert_allclose(found["image/object/bbox/ymax"].values, [8.25 / 20, 1])
    assert found["image/object/class/label"].values.numpy().tolist() == [2, 1]  # sco was named first
    pixels = tf.io.decode_image(found["image/encoded"]).numpy()
    assert (pixels.dtype, pixels.min(), pixels.max()) == (np.uint8, 0, 255)  # 12 bits in 16, seen by a pipeline of 8


def test_records_are_not_written_over_others(tmp_path, pictures):
    tfrecord.write([annotated(0)], tmp_path / "out", images=pictures)
    with pytest.raises(SpineError, match=r"holds data.tfrecord-00000-of-00001 already"):
        tfrecord.write([annotated(0)], tmp_path / "out", images=pictures, shards=2)
    with pytest.raises(SpineError, match="shards is 0"):
        tfrecord.write([annotated(0)], tmp_path / "none", images=pictures, shards=0)


def test_records_become_a_dataset_of_their_pictures_and_boxes(tmp_path, pictures):
    annotations = [annotated(number, split) for number, split in enumerate(["train"] * 3 + ["validation", "test"])]
    records = tmp_path / "records"
    tfrecord.write(annotations, records, images=pictures, depth=16)
    damaged = records / "train.tfrecord-00000-of-00001"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    source = {"name": "od", "images": records, "read": "tfrecord", "patient": r"(\d)\.png"}
    source["annotations"] = [{"format": "tfrecord", "path": records}]
    given = {"name": "od", "output": tmp_path / "out", "sources": [source], "splits": {"stated": True}}
    result = build(DataConfig.model_validate(given))
    manifest = Manifest.read(tmp_path / "out")
    assert dict(zip(manifest.splits["sample"], manifest.splits["split"], strict=True)) == {
        **{"od_0": "train", "od_1": "train", "od_3": "validation", "od_4": "test"}
    }
    pixels = read_picture(pictures / "1.png", "1.png").pixels
    np.testing.assert_array_equal(read_picture(manifest.image_path("od_1"), "od_1").pixels, pixels)
    boxes = manifest.boxes.sort_values("sample")
    assert boxes[["sample", "label", "x1", "level"]].to_numpy().tolist() == [
        ["od_1", "Lum", 4, "3"],
        ["od_4", "Lum", 4, "3"],
    ]
    (problem,) = result.problems
    assert (problem.path, problem.reason) == (
        f"{damaged}: record 2",
        "is cut short; what follows it in the file cannot be reached",
    )
