"""TFRecords of features of other kinds and lengths than the TF Object Detection API has them."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from spine.annotations import Box, tfrecord
from spine.annotations.tfrecord_pictures import picture_names, read_record_pictures
from spine.annotations.tfrecords import masked_crc32c
from spine.core.problems import Problem
from spine.images.pictures import encode_png

CORNERS = {"xmin": [0.1], "ymin": [0.25], "xmax": [0.3], "ymax": [0.45]}  # of 20 x 40: 4, 5, 12, 9
GOOD = Box("Lum", 4, 5, 12, 9)


def feature(values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def example(name, **changes):
    told = {
        "image/filename": [name.encode()],
        "image/height": [20],
        "image/width": [40],
        "image/encoded": [encode_png(np.full((20, 40), 9, np.uint16))],
        **{f"image/object/bbox/{side}": values for side, values in CORNERS.items()},
        "image/object/class/text": [b"Lum"],
    }
    told |= {f"image/{key.replace('__', '/')}": values for key, values in changes.items()}
    features = {key: feature(values) for key, values in told.items() if values}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def read(tmp_path, **changes):
    """The reading of two records, of which the first is changed; the second is always read."""
    with tf.io.TFRecordWriter(str(tmp_path / "x.record")) as writer:
        writer.write(example("a.png", **changes))
        writer.write(example("b.png"))
    reading = tfrecord.read(tmp_path / "x.record")
    assert reading.annotations[-1].image == "b.png"
    assert reading.annotations[-1].boxes == (GOOD,)
    return reading


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object__bbox__xmin": [b"0.1"]}, "'image/object/bbox/xmin' holds b'0.1'; numbers are right"),
        ({"object__class__label": [b"1"]}, "'image/object/class/label' holds b'1'; whole numbers are right"),
        ({"object__class__label": [1.5]}, "'image/object/class/label' holds 1.5; whole numbers are right"),
        ({"object__is_crowd": [b"0"]}, "'image/object/is_crowd' holds b'0'; whole numbers are right"),
        ({"object__bbox__ymax": [0.4, 0.5]}, "tells xmin 1, ymin 1, xmax 1, ymax 2"),
        ({"object__bbox__ymax": []}, "ymax 0"),
        ({"object__class__text": [b"Lum", b"sco"]}, "class/text 2"),
        ({"object__class__label": [1, 2]}, "class/label 2"),
        ({"object__is_crowd": [0, 0]}, "is_crowd 2"),
        ({"object__level": [b"1", b"2"]}, "level 2"),
        ({"object__values__grade": [b"1", b"2"]}, "'image/object/values/grade' holds 2 values where there are 1"),
        ({"labels__view": [b"left", b"right"]}, "'image/labels/view' holds 2 values where there are 1"),
        ({"patient_id": [b"1", b"2"]}, "'image/patient_id' holds 2 values, not one"),
        ({"object__class__text": [b"\xff"]}, "holds no UTF-8 text"),
    ],
)
def test_a_record_of_another_kind_or_length_is_told_and_no_background(tmp_path, changes, reason):
    reading = read(tmp_path, **changes)
    (problem,) = reading.problems
    assert problem.path == f"{tmp_path / 'x.record'}: record 0"
    assert reason in problem.reason
    assert reading.annotations[0].refused == (problem.reason,)


@pytest.mark.parametrize("changes", [{"filename": [b"a.png", b"c.png"]}, {"filename": [b"K\xf6rper.png"]}])
def test_a_record_whose_name_does_not_hold_is_told(tmp_path, changes):
    reading = read(tmp_path, **changes)
    assert [problem.path for problem in reading.problems] == [f"{tmp_path / 'x.record'}: record 0"]
    assert reading.nameless


@pytest.mark.parametrize(("key", "values"), [("height", [b"20"]), ("width", [40.5]), ("height", [0]), ("width", [-1])])
def test_a_size_of_another_kind_is_that_of_the_picture(tmp_path, key, values):
    reading = read(tmp_path, **{key: values})
    assert (reading.annotations[0].size, reading.annotations[0].boxes) == ((20, 40), (GOOD,))


def test_numbers_are_taken_for_texts_and_whole_fractions_for_numbers(tmp_path):
    reading = read(
        tmp_path,
        patient_id=[7],
        labels__view=[2],
        object__values__grade=[4.0],
        object__level=[3],
        object__is_crowd=[0.0],
    )
    assert reading.problems == ()
    assert (reading.annotations[0].patient, reading.annotations[0].labels) == ("7", {"view": "2"})
    assert reading.annotations[0].boxes == (Box("Lum", 4, 5, 12, 9, "3", {"grade": "4"}),)


@pytest.mark.parametrize("grade", [[b"inf"], [b"1_0"], [float("inf")]])
def test_a_grade_that_is_no_value_is_told_and_its_box_kept(tmp_path, grade):
    reading = read(tmp_path, object__values__grade=grade)
    assert reading.annotations[0].boxes == (GOOD,)
    assert [problem.path.rpartition(": ")[2] for problem in reading.problems] == ["grade"]


@pytest.mark.parametrize("corner", [float("nan"), float("inf"), float("-inf")])
def test_a_corner_that_is_no_finite_number_is_told(tmp_path, corner):
    reading = read(tmp_path, object__bbox__xmax=[corner])
    assert reading.annotations[0].boxes == ()
    assert "finite fractions" in reading.problems[0].reason


def test_a_length_that_no_file_has_ends_no_process(tmp_path):
    file = tmp_path / "x.record"
    read(tmp_path)
    length = struct.pack("<Q", 2**40)
    file.write_bytes(file.read_bytes() + length + struct.pack("<I", masked_crc32c(length)) + bytes(100))
    reading = tfrecord.read(file)
    assert [one.boxes for one in reading.annotations] == [(GOOD,)] * 2
    assert [problem.path for problem in reading.problems] == [f"{file}: record 2"]
    assert picture_names(file, tmp_path) == {0: f"{tmp_path}/a.png", 1: f"{tmp_path}/b.png"}
    found = list(read_record_pictures(file, tmp_path, {0, 1}))
    assert [isinstance(one, Problem) for one in found] == [False, False, True]


def test_a_picture_within_a_record_that_states_too_many_pixels_is_not_decoded(tmp_path):
    data = bytearray(encode_png(np.full((20, 40), 9, np.uint16)))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    read(tmp_path, encoded=[bytes(data)])
    first, second = read_record_pictures(tmp_path / "x.record", tmp_path, {0, 1})
    assert isinstance(first, Problem)
    assert "would take 25,200,120,000 bytes" in first.reason  # 60,000 x 60,000 of 16 bits, and what holds them
    assert second.pixels.shape == (20, 40)
