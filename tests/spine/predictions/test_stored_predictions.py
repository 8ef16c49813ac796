"""Stored predictions that a foreign program may have written: what does not hold is refused by name, never judged."""

import json

import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.dataset.truth import ClassTruth
from spine.predictions.predictions import BoxPredictions, Predictions, require_of
from spine.predictions.stored_tables import read_index
from spine.tasks import TASKS

LABELS = ("no", "yes")
VALUES = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]], np.float32)
INDEX = pd.DataFrame(
    {"sample": ["a", "b", "c"], "patient": ["p", "q", "q"], "height": 1, "width": [2, 1, 3], "offset": [0, 1, 2]}
)
HEAD = {"task": "classification", "labels": LABELS, "split": "test", "model_hash": "", "truth_hash": "t"}


@pytest.fixture
def stored(tmp_path):
    Predictions.write(tmp_path / "test", VALUES, INDEX, **HEAD)
    return tmp_path / "test"


@pytest.fixture
def maps(tmp_path):
    """Three pictures of 2, 1 and 3 pixels."""
    values = np.repeat(VALUES, [2, 1, 3], axis=0)
    Predictions.write(tmp_path / "maps", values, INDEX.assign(offset=[0, 2, 3]), **{**HEAD, "task": "segmentation"})
    return tmp_path / "maps"


@pytest.fixture
def boxes(tmp_path):
    found = Detections.from_arrays(
        np.array([[0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.9, 0.6]], np.float32), np.array([0.9, 0.4]), np.array([1, 2])
    )
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    head = {**HEAD, "task": "detection"}
    BoxPredictions.write(tmp_path / "boxes", [found, nothing, found], INDEX, **head)
    return tmp_path / "boxes"


ROW = [0.25, 0.75]


def test_any_name_of_a_patient_is_read_back(tmp_path):
    patients = ["a\rb", 'c"d', " e"]
    Predictions.write(tmp_path / "test", VALUES, INDEX.assign(patient=patients), **HEAD)
    assert list(read_index(tmp_path / "test")["patient"]) == patients


WRONG_VALUES = {
    "nan": np.array([ROW, [np.nan, 0.5], ROW], np.float32),
    "all nan": np.full((3, 2), np.nan, np.float32),
    "infinity": np.array([ROW, [np.inf, 0.0], ROW], np.float32),
    "both infinities": np.array([ROW, [np.inf, -np.inf], ROW], np.float32),
    "logits": np.array([ROW, [3.1, -2.0], ROW], np.float32),
    "negative that sum to 1": np.array([ROW, [1.5, -0.5], ROW], np.float32),
    "percent": np.array([[25, 75], [100, 0], [50, 50]], np.float32),
    "sums of 0": np.zeros((3, 2), np.float32),
    "sums of 1.01": np.array([ROW, [0.5, 0.51], ROW], np.float32),
    "complex": VALUES.astype(np.complex64),
    "text": VALUES.astype("U8"),
    "bytes": VALUES.astype("S8"),
    "whole numbers": np.array([[0, 1], [1, 0], [1, 0]]),
    "booleans": np.array([[False, True]] * 3),
    "times": VALUES.astype("M8[s]"),
    "records": np.zeros((3, 2), [("x", "f4")]),
}


@pytest.mark.parametrize("values", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_what_is_no_probabilities_is_refused_where_it_is_read(stored, values):
    np.save(stored / "probabilities.npy", values)
    with pytest.raises(SpineError, match=r"probabilities|NaN or infinity") as caught:
        Predictions.open(stored)
    assert str(stored) in str(caught.value)


@pytest.mark.parametrize("values", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_what_is_no_probabilities_is_never_written(tmp_path, values):
    with pytest.raises(SpineError):
        Predictions.write(tmp_path / "new", values, INDEX, **HEAD)
    assert not list(tmp_path.iterdir())


def test_the_first_wrong_row_is_named_with_its_sample(stored, maps):
    np.save(stored / "probabilities.npy", WRONG_VALUES["nan"])
    with pytest.raises(SpineError, match=r"first in row 1 \(sample b\)"):
        Predictions.open(stored)
    values = np.repeat(VALUES, [2, 1, 3], axis=0).astype(np.float16)
    values[4] = [0.5, np.nan]  # pixels 3, 4 and 5 are of c
    np.save(maps / "probabilities.npy", values)
    with pytest.raises(SpineError, match=r"first in row 4 \(sample c\)"):
        Predictions.open(maps)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4"])
def test_rounding_of_every_kind_of_float_is_let_through(stored, kind):
    values = np.random.default_rng(0).dirichlet([1] * 2, 3).astype(kind)
    np.save(stored / "probabilities.npy", values)
    np.testing.assert_array_equal(Predictions.open(stored).values, values)


def test_a_thousand_classes_in_half_precision_still_sum_to_one(tmp_path):
    values = np.random.default_rng(0).dirichlet([1] * 1000, 3).astype(np.float16)
    labels = tuple(f"c{number}" for number in range(1000))
    Predictions.write(tmp_path / "many", values, INDEX, **{**HEAD, "labels": labels})


def test_a_nan_in_the_last_of_many_blocks_is_found(tmp_path):
    index = pd.DataFrame({"sample": ["a"], "patient": ["p"], "height": [300], "width": [300], "offset": [0]})
    values = np.full((90_000, 2), 0.5, np.float16)
    values[-1, 1] = np.nan
    with pytest.raises(SpineError, match=r"row 89999 \(sample a\)"):
        Predictions.write(tmp_path / "large", values, index, **{**HEAD, "task": "segmentation"})


def test_a_file_that_changed_is_looked_at_again(stored):
    Predictions.open(stored)
    np.save(stored / "probabilities.npy", WRONG_VALUES["nan"])
    with pytest.raises(SpineError, match="NaN"):
        Predictions.open(stored)


HEADS = {
    "a key more": ({"note": "x"}, "note is not known"),
    "a hash of None": ({"model_hash": None}, "model_hash"),
    "a strange task": ({"task": "regression"}, "task"),
    "labels as text": ({"labels": "no yes"}, "labels"),
    "no label": ({"labels": []}, "labels"),
    "a label twice": ({"labels": ["yes", "yes"]}, "labels are different names"),
    "an empty label": ({"labels": ["", "yes"]}, "labels are different names"),
    "labels that are numbers": ({"labels": [0, 1]}, "labels.0"),
    "a split that is a number": ({"split": 1}, "split"),
    "no split": ({"split": ""}, "split"),
    "no truth": ({"truth_hash": ""}, "truth_hash"),
}


@pytest.mark.parametrize(("change", "word"), HEADS.values(), ids=HEADS)
def test_a_head_that_does_not_hold_is_refused_by_its_key(stored, change, word):
    head = json.loads((stored / "predictions.json").read_text())
    (stored / "predictions.json").write_text(json.dumps({**head, **change}))
    with pytest.raises(SpineError, match=word) as caught:
        Predictions.open(stored)
    assert "predictions.json cannot be read" in str(caught.value)


@pytest.mark.parametrize("key", list(HEAD))
def test_a_head_without_a_key_is_refused_by_it(stored, key):
    head = json.loads((stored / "predictions.json").read_text())
    del head[key]
    (stored / "predictions.json").write_text(json.dumps(head))
    with pytest.raises(SpineError, match=f"{key} is missing"):
        Predictions.open(stored)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe\x00", b"{}", b'{"task": NaN}', b"[" * 100_000]
)
def test_a_damaged_head_is_one_sentence(stored, content):
    (stored / "predictions.json").write_bytes(content)
    with pytest.raises(SpineError, match=r"predictions.json cannot be read \(.*run `spine predict EXPERIMENT` again"):
        Predictions.open(stored)


INDICES = {
    "no sample column": ("patient,height,width,offset\np,1,1,0\n", "lacks sample"),
    "a column more": ("sample,patient,height,width,offset,x\na,p,1,1,0,1\n", "has 'x'"),
    "pandas' own column": (",sample,patient,height,width,offset\n0,a,p,1,1,0\n", "has ''"),
    "a column twice": ("sample,sample,patient,height,width,offset\na,a,p,1,1,0\n", "repeats a name"),
    "nothing": ("", "lacks sample, patient, height, width, offset"),
    "no rows": ("sample,patient,height,width,offset\n", "names no sample"),
    "an empty sample": ("sample,patient,height,width,offset\n,p,1,1,0\n", "line 2 has no sample"),
    "an empty patient": ("sample,patient,height,width,offset\na,,1,1,0\n", "line 2 has no patient"),
    "an empty offset": ("sample,patient,height,width,offset\na,p,1,1,\n", "line 2 has no offset"),
    "a sample twice": ("sample,patient,height,width,offset\na,p,1,1,0\na,p,1,1,1\n", "'a' twice"),
    "a value more": ("sample,patient,height,width,offset\na,p,1,1,0,9\n", "6 values for 5 columns"),
    "a value less": ("sample,patient,height,width,offset\na,p,1,1\n", "4 values for 5 columns"),
    "half a pixel": ("sample,patient,height,width,offset\na,p,1.5,1,0\n", "height"),
    "NaN": ("sample,patient,height,width,offset\na,p,nan,1,0\n", "height"),
    "a negative width": ("sample,patient,height,width,offset\na,p,1,-1,0\n", "width is -1"),
    "a height of 0": ("sample,patient,height,width,offset\na,p,0,1,0\n", "height is 0"),
    "words": ("sample,patient,height,width,offset\na,p,one,1,0\n", "height"),
    "a huge offset": (f"sample,patient,height,width,offset\na,p,1,1,{10**30}\n", "out of range"),
    "an open quote": ('sample,patient,height,width,offset\n"a,p,1,1,0\n', "cannot be read"),
}


@pytest.mark.parametrize(("text", "words"), INDICES.values(), ids=INDICES)
def test_an_index_that_does_not_hold_is_refused_by_name(stored, text, words):
    (stored / "index.csv").write_text(text)
    with pytest.raises(SpineError, match=words) as caught:
        Predictions.open(stored)
    assert "index.csv cannot be read" in str(caught.value)


def test_columns_in_another_order_are_the_same(stored):
    INDEX[["offset", "width", "height", "patient", "sample"]].to_csv(stored / "index.csv", index=False)
    pd.testing.assert_frame_equal(Predictions.open(stored).index, INDEX)


def test_a_permuted_offset_of_classification_is_read_right(stored):
    INDEX.assign(offset=[2, 0, 1]).to_csv(stored / "index.csv", index=False)
    found = Predictions.open(stored)
    np.testing.assert_array_equal(
        found.values, VALUES[[2, 0, 1]]
    )  # a's row is the third, b's the first, c's the second
    assert found.index["offset"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("offsets", [[0, 0, 1], [0, 1, 3], [1, 2, 3], [0, 1, 9]])
def test_offsets_of_classification_that_repeat_or_lie_outside_are_refused(stored, offsets):
    INDEX.assign(offset=offsets).to_csv(stored / "index.csv", index=False)
    with pytest.raises(SpineError, match=r"the offset of '[abc]' is"):
        Predictions.open(stored)


def test_pictures_may_lie_in_another_order(maps):
    INDEX.assign(offset=[1, 0, 3]).to_csv(maps / "index.csv", index=False)  # b first, then a
    assert Predictions.open(maps).index["offset"].tolist() == [1, 0, 3]


@pytest.mark.parametrize("offsets", [[0, 1, 3], [0, 2, 4], [0, 0, 3], [1, 3, 4]])
def test_pictures_that_share_or_leave_out_pixels_are_refused(maps, offsets):
    INDEX.assign(offset=offsets).to_csv(maps / "index.csv", index=False)
    with pytest.raises(SpineError, match="the offset of"):
        Predictions.open(maps)


ARRAYS = {
    "a class more": np.full((3, 3), 1 / 3, np.float32),
    "a row less": VALUES[:2],
    "turned": VALUES.T.copy(),
    "flat": VALUES.ravel(),
    "an axis more": VALUES[None],
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_another_shape_are_refused(stored, array):
    np.save(stored / "probabilities.npy", array)
    with pytest.raises(SpineError, match=r"probabilities.npy is \(.*ask for \(3, 2\)"):
        Predictions.open(stored)


@pytest.mark.parametrize("bytes_left", [0, 5, 60, 130])
def test_a_cut_array_is_one_sentence(stored, bytes_left):
    content = (stored / "probabilities.npy").read_bytes()
    (stored / "probabilities.npy").write_bytes(content[:bytes_left])
    with pytest.raises(SpineError, match=r"probabilities\.npy cannot be read"):
        Predictions.open(stored)


WRONG_BOXES = {
    "NaN corners": ("detection_boxes", lambda x: x * np.nan, "boxes hold nan"),
    "pixels": ("detection_boxes", lambda x: x * 100, r"lie in \[0, 1\]"),
    "x1 before x0": ("detection_boxes", lambda x: x[:, ::-1].copy(), "ends before it starts"),
    "complex boxes": ("detection_boxes", lambda x: x.astype(complex), "complex128"),
    "text boxes": ("detection_boxes", lambda x: x.astype("U5"), "<U5"),
    "three corners": ("detection_boxes", lambda x: x[:, :3], r"boxes are \(4, 3\)"),
    "scores above 1": ("detection_scores", lambda x: x + 1, "scores hold"),
    "negative scores": ("detection_scores", lambda x: -x, "scores hold"),
    "infinite scores": ("detection_scores", lambda x: x * np.inf, "scores hold inf"),
    "scores as a column": ("detection_scores", lambda x: x[:, None], "scores"),
    "one score": ("detection_scores", lambda x: np.float32(0.5), "scores"),
    "class 0": ("detection_classes", lambda x: x - 1, "classes hold 0"),
    "class 3 of 2": ("detection_classes", lambda x: x + 1, "holds class 3"),
    "classes as floats": ("detection_classes", lambda x: x + 0.5, "classes of float64"),
    "classes as text": ("detection_classes", lambda x: x.astype(str), "classes of"),
}


@pytest.mark.parametrize(("array", "change", "words"), WRONG_BOXES.values(), ids=WRONG_BOXES)
def test_boxes_that_do_not_hold_are_refused(boxes, array, change, words):
    np.save(boxes / f"{array}.npy", change(np.load(boxes / f"{array}.npy")))
    with pytest.raises(SpineError, match=words) as caught:
        BoxPredictions.open(boxes)
    assert str(boxes) in str(caught.value)


def test_predictions_of_another_task_are_refused(stored, boxes, maps):
    for path, task in ((stored, "detection"), (boxes, "classification"), (maps, "classification")):
        with pytest.raises(SpineError, match=r"not of|cannot be read"):
            TASKS[task].open_predictions(path)


def truth_of(samples=("a", "b", "c"), patients=("p", "q", "q"), sizes=((1, 2), (1, 1), (1, 3))):
    return ClassTruth(LABELS, samples, patients, samples, np.array([0, 1, 1]), (), sizes)


OTHERS = {
    "another order": ({"samples": ("b", "a", "c")}, "row 1 has the sample 'b' and 'a'"),
    "another sample": ({"samples": ("a", "b", "x")}, "row 3 has the sample 'x' and 'c'"),
    "another patient": ({"patients": ("p", "p", "q")}, "row 2 has the patient of b 'p' and 'q'"),
    "another width": ({"sizes": ((1, 2), (1, 1), (1, 4))}, "row 3 has the width of c '4' and '3'"),
    "another height": ({"sizes": ((2, 2), (1, 1), (1, 3))}, "row 1 has the height of a '2' and '1'"),
    "a sample less": ({"samples": ("a",), "patients": ("p",), "sizes": ((1, 2),)}, "1 samples and 3"),
}


@pytest.mark.parametrize(("change", "words"), OTHERS.values(), ids=OTHERS)
def test_samples_other_than_the_truths_are_refused_by_the_first_difference(stored, change, words):
    require_of(truth_of(), "m", Predictions.open(stored))
    with pytest.raises(SpineError, match=words):
        require_of(truth_of(**change), "m", Predictions.open(stored))


@pytest.mark.parametrize("count", [np.nan, np.inf, -1, 3, 1.5])
def test_a_number_of_detections_that_is_none_is_refused(count):
    outputs = {
        "detection_boxes": np.zeros((1, 2, 4), np.float32),
        "detection_scores": np.zeros((1, 2), np.float32),
        "detection_classes": np.ones((1, 2), np.float32),
        "num_detections": np.array([count], np.float32),
    }
    with pytest.raises(SpineError, match="num_detections is"):
        Detections.from_outputs(outputs, 0)


@pytest.mark.parametrize("classes", [np.array([1.5]), np.array([np.nan]), np.array(["1"]), np.array([1 + 0j])])
def test_classes_that_are_no_whole_numbers_are_refused(classes):
    with pytest.raises(SpineError, match="no whole numbers"):
        Detections.from_arrays(np.zeros((1, 4)), np.array([0.5]), classes)
