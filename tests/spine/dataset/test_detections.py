"""One image's detections, the boxes of a split as its truth, and detections stored and read again."""

import numpy as np
import pandas as pd
import pytest

from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.dataset.detections import Detections, ious
from spine.dataset.manifest import BOXES, IMAGES, SPLITS, Manifest
from spine.dataset.truth import BoxTruth
from spine.member.member import Card, Member
from spine.predictions.predictions import BoxPredictions, require_same

BOX = (0.1, 0.2, 0.5, 0.6)  # y1 x1 y2 x2
NONE = Detections.from_arrays(np.zeros((0, 4)), np.zeros(0), np.zeros(0))


def detections(*scores, box=BOX, classes=None) -> Detections:
    return Detections.from_arrays(
        np.array([box] * len(scores)), np.array(scores), np.array(classes or [1] * len(scores))
    )


def test_arrays_are_sorted_and_typed():
    found = Detections.from_arrays([[0, 0, 1, 1], BOX, BOX], [0.2, 0.9, 0.2], [2.0, 1.0, 3.0])
    np.testing.assert_allclose(found.scores, [0.9, 0.2, 0.2])
    assert found.classes.tolist() == [1, 2, 3]  # ties keep their order
    assert (found.boxes.dtype, found.scores.dtype, found.classes.dtype) == (np.float32, np.float32, np.int64)
    assert len(found) == 3
    assert len(NONE) == 0


def test_rounding_errors_are_cut_off_and_worse_is_refused():
    found = detections(1.00001, box=(-0.00001, 0, 1.00002, 1))
    assert found.boxes.tolist() == [[0, 0, 1, 1]]
    assert found.scores.tolist() == [1]
    with pytest.raises(SpineError, match=r"boxes hold 1\.5; they lie in \[0, 1\]"):
        detections(0.5, box=(0, 0, 1.5, 1))
    with pytest.raises(SpineError, match="scores hold nan"):
        detections(np.nan)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        (([[0, 0.5, 1, 0.25]], [0.5], [1]), "ends before it starts"),
        (([BOX], [0.5], [0]), "classes hold 0; they are 1-based"),
        (([BOX, BOX], [0.5, 0.4], [1]), r"classes \(1,\)"),
        (([BOX, BOX], [0.4, 0.5], [1, 1]), "scores rise"),
    ],
)
def test_what_are_no_detections_is_refused(arrays, reason):
    boxes, scores, classes = (np.array(values) for values in arrays)
    with pytest.raises(SpineError, match=reason):
        Detections(boxes, scores, classes)


def test_those_above_a_confidence_and_in_pixels():
    found = detections(0.9, 0.5, 0.4)
    np.testing.assert_allclose(found.above(0.5).scores, [0.9, 0.5])
    np.testing.assert_allclose(found.above(0.95).boxes, np.zeros((0, 4)))
    np.testing.assert_allclose(found.in_pixels(100, 200)[0], [0.2 * 200, 0.1 * 100, 0.6 * 200, 0.5 * 100], rtol=1e-6)


def test_outputs_of_a_model_lose_their_padding():
    outputs = {
        "detection_boxes": np.array([[BOX, [0, 0, 0, 0]]]),
        "detection_scores": np.array([[0.75, 0]]),
        "detection_classes": np.array([[2.0, 0]]),
        "num_detections": np.array([1.0]),
    }
    found = Detections.from_outputs(outputs, 0)
    assert (found.scores.tolist(), found.classes.tolist()) == ([0.75], [2])


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    """Validation: a with a disc and a vertebra, b with a vertebra, c with none; test: d with none."""
    rows = [{"sample": name, "patient": f"p{name}", "height": 40, "width": 60} for name in "abcd"]
    corners = {"x0": 1, "y0": 2, "x1": 11, "y1": 22.5}
    boxes = [
        {"sample": sample, "box": str(number), "label": label, **corners}
        for number, (sample, label) in enumerate((("a", "disc"), ("a", "vertebra"), ("b", "vertebra")))
    ]
    splits = [{"sample": name, "split": "test" if name == "d" else "validation"} for name in "abcd"]
    images, boxes, splits = (
        pd.DataFrame(table, columns=list(columns), dtype=object).fillna("")
        for table, columns in ((rows, IMAGES), (boxes, BOXES), (splits, SPLITS))
    )
    Manifest(tmp_path, images=images, boxes=boxes, splits=splits).write()
    return Manifest.read(tmp_path)


def test_images_without_boxes_stay_in_the_truth(manifest):
    truth = BoxTruth.of_detection(manifest, "validation", ("vertebra", "disc"))
    assert truth.samples == truth.units == ("a", "b", "c")
    assert truth.sizes == ((40, 60),) * 3
    assert [classes.tolist() for classes in truth.classes] == [[2, 1], [1], []]
    assert [boxes.shape for boxes in truth.boxes] == [(2, 4), (1, 4), (0, 4)]
    np.testing.assert_allclose(truth.boxes[1], [[1, 2, 11, 22.5]])


def test_boxes_of_other_labels_are_left_out(manifest):
    truth = BoxTruth.of_detection(manifest, "validation", ("disc",))
    assert [classes.tolist() for classes in truth.classes] == [[1], [], []]


def test_the_hash_follows_the_boxes(manifest):
    truth = BoxTruth.of_detection(manifest, "validation", ("disc",))
    again = BoxTruth.of_detection(Manifest.read(manifest.root), "validation", ("disc",))
    manifest.boxes.loc[0, "x0"] = 3
    assert truth.hash == again.hash != BoxTruth.of_detection(manifest, "validation", ("disc",)).hash


def test_boxes_are_cut_off_at_the_edges_and_those_beyond_refused(manifest):
    manifest.boxes.loc[0, ["x0", "y0", "x1", "y1"]] = [-5, 30, 70, 50]
    truth = BoxTruth.of_detection(manifest, "validation", ("disc",))
    assert truth.boxes[0].tolist() == [[0, 30, 60, 40]]
    manifest.boxes.loc[0, "y0"] = 40
    with pytest.raises(SpineError, match=r"a has a box \[-5.0, 40.0, 70.0, 50.0\] .* outside its 40 x 60 pixels"):
        BoxTruth.of_detection(manifest, "validation", ("disc",))


def test_a_label_without_boxes_and_a_split_without_boxes_are_refused(manifest):
    with pytest.raises(SpineError, match="is labelled rib, sacrum; its boxes are labelled: disc, vertebra"):
        BoxTruth.of_detection(manifest, "validation", ("rib", "disc", "sacrum"))
    with pytest.raises(SpineError, match=r"no sample of split 'test' .* has a box of disc"):
        BoxTruth.of_detection(manifest, "test", ("disc",))


INDEX = pd.DataFrame({"sample": ["a", "b", "c", "d"], "patient": list("ppqq"), "height": 40, "width": 60})
FOUND = (NONE, detections(0.9, 0.5, classes=[2, 1]), NONE, detections(0.25))


def store(path, found=FOUND, **changes):
    head = {"task": "detection", "labels": ("disc", "vertebra"), "split": "test", "model_hash": "", "truth_hash": "t"}
    return BoxPredictions.write(path, iter(found), INDEX, **{**head, **changes})


def test_stored_detections_are_read_again(tmp_path):
    stored = store(tmp_path / "test")
    assert (stored.task, stored.labels, len(stored)) == ("detection", ("disc", "vertebra"), 4)
    assert stored.index["offset"].tolist() == [0, 0, 2, 2]
    for found, expected in zip(stored, FOUND, strict=True):
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)
        np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_array_equal(stored.detections(3).scores, [0.25])


def test_no_detections_at_all_can_be_stored(tmp_path):
    assert [len(found) for found in store(tmp_path / "test", (NONE,) * 4)] == [0, 0, 0, 0]


def test_the_hash_tells_what_is_stored(tmp_path):
    assert store(tmp_path / "one").hash == store(tmp_path / "other").hash
    assert store(tmp_path / "moved", (*FOUND[:3], detections(0.3))).hash != store(tmp_path / "again").hash


def test_too_few_images_or_a_strange_class_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(SpineError, match="detections of 3 images were given; the index has 4 samples"):
        store(tmp_path / "few", FOUND[:3])
    with pytest.raises(SpineError, match=r"holds class 2; the labels are \['disc'\], 1-based"):
        store(tmp_path / "strange", labels=("disc",))
    assert not list(tmp_path.iterdir())


def test_tables_that_do_not_fit_together_are_refused(tmp_path):
    index = store(tmp_path / "test").index.assign(offset=[0, 0, 3, 2])
    index.to_csv(tmp_path / "test" / "index.csv", index=False)
    with pytest.raises(SpineError, match="offsets must rise from 0 to at most 3"):
        BoxPredictions.open(tmp_path / "test")
    store(tmp_path / "cut")
    np.save(tmp_path / "cut" / "detection_scores.npy", np.zeros(2, np.float32))
    with pytest.raises(SpineError, match=r"boxes are \(3, 4\), scores \(2,\)"):
        BoxPredictions.open(tmp_path / "cut")


def test_a_member_gives_its_detections_and_refuses_stale_ones(tmp_path):
    store(tmp_path / "predictions" / "test", model_hash="old")
    card = Card(name="m", task="detection", labels=("disc", "vertebra"), model_hash="old")
    stored = Member.publish(tmp_path, card).predictions("test")
    assert isinstance(stored, BoxPredictions)
    head = read_json(stored.path / "predictions.json")
    write_json({**head, "model_hash": "new"}, stored.path / "predictions.json")
    with pytest.raises(SpineError, match="made by model new"):
        Member.open(tmp_path).predictions("test")


def test_detections_that_disagree_are_refused_by_name(tmp_path):
    members = {"first": store(tmp_path / "1"), "second": store(tmp_path / "2", truth_hash="u")}
    with pytest.raises(SpineError, match="'first' and 'second' disagree on truth_hash"):
        require_same(members)


def test_intersection_over_union_of_boxes_of_one_image_and_of_many():
    boxes, others = np.array([[0, 0, 2, 2.0], [0, 0, 0, 0]]), np.array([[1, 0, 3, 2.0], [0, 0, 2, 2], [5, 5, 6, 6]])
    expected = [[2 / 6, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(ious(boxes, others), expected)
    np.testing.assert_allclose(ious(boxes, np.stack([others, others])), [expected, expected])
    assert ious(boxes, np.zeros((0, 4))).shape == (2, 0)
