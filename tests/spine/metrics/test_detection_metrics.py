"""Detection metrics: small cases by hand, and COCOeval's own summary on random ones."""

import contextlib
import io
import time

import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.metrics import detection
from spine.metrics.detection import (
    average_precision,
    average_recall,
    best_confidence,
    best_f1,
    count_boxes,
    f1,
    image_rates,
    precision,
    precision_recall,
    recall,
)
from spine.metrics.matches import match_images
from spine.metrics.statistics import interval, patient_resamples
from tests.boxes_at_random import detections_of, random_detections, random_truth, truth_of

SUMMARY = (  # in the order of COCOeval.stats
    *("map50_95", "map50", "map75", "map50_95_small", "map50_95_medium", "map50_95_large"),
    *("ar_1", "ar_10", "ar", "ar_small", "ar_medium", "ar_large"),
)
LEFT, RIGHT, BELOW = (0, 0, 20, 20), (50, 0, 70, 20), (0, 60, 20, 80)  # boxes that do not touch


def coco_summary(truth, detections) -> np.ndarray:
    """The twelve numbers of COCOeval.summarize, -1 where undefined, by the library's own way in."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations, results = [], []
    for image, (boxes, classes) in enumerate(zip(truth.boxes, truth.classes, strict=True)):
        for (x0, y0, x1, y1), category in zip(boxes.astype(float).tolist(), classes.tolist(), strict=True):
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
            annotations.append({**box, "id": len(annotations) + 1, "image_id": image, "category_id": category})
        found, (height, width) = detections[image], truth.sizes[image]
        for (y1, x1, y2, x2), score, category in zip(
            found.boxes.astype(float).tolist(), found.scores.tolist(), found.classes.tolist(), strict=True
        ):
            corner, end = (x1 * width, y1 * height), (x2 * width, y2 * height)
            box = [*corner, end[0] - corner[0], end[1] - corner[1]]
            results.append({"image_id": image, "category_id": category, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        categories = [{"id": number + 1} for number in range(len(truth.labels))]
        coco.dataset = {
            "info": {},
            "images": [{"id": image} for image in range(len(truth))],
            "categories": categories,
            "annotations": annotations,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def ours(truth, detections, weights=None) -> np.ndarray:
    matches = match_images(truth, detections)
    return np.array([detection.METRICS.named(name).function(matches, weights) for name in SUMMARY])


def assert_coco_agrees(truth, detections):
    np.testing.assert_allclose(
        np.nan_to_num(ours(truth, detections), nan=-1), coco_summary(truth, detections), atol=1e-12
    )


@pytest.mark.parametrize("seed", range(6))
def test_random_cases_equal_cocoeval(seed):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, 12, labels=("disc", "vertebra", "sacrum")[: 1 + seed % 3])
    assert_coco_agrees(truth, random_detections(rng, truth))


def test_scores_that_tie_in_crowds_equal_cocoeval():
    rng = np.random.default_rng(1)
    truth = random_truth(rng, 15)
    assert_coco_agrees(truth, random_detections(rng, truth, strays=12, scores=(0.25, 0.5, 0.75)))


def test_a_class_that_occurs_nowhere_equals_cocoeval():
    rng = np.random.default_rng(2)
    truth = random_truth(rng, 8, labels=("disc",))
    found = random_detections(rng, truth)
    assert_coco_agrees(truth_of(truth.boxes, truth.classes, truth.sizes, ("disc", "rib")), found)


def test_more_than_a_hundred_detections_of_an_image_equal_cocoeval():
    rng = np.random.default_rng(3)
    truth = random_truth(rng, 3, labels=("disc",), most=12)
    assert_coco_agrees(truth, random_detections(rng, truth, strays=260))


def test_weights_are_images_listed_more_than_once():
    rng = np.random.default_rng(4)
    truth = random_truth(rng, 10)
    found = random_detections(rng, truth)
    times = np.array([0, 3, 1, 2, 0, 1, 5, 1, 0, 2])
    listed = np.repeat(np.arange(10), times)
    again = truth_of(
        *([getattr(truth, name)[i] for i in listed] for name in ("boxes", "classes", "sizes")), labels=truth.labels
    )
    expected = coco_summary(again, [found[i] for i in listed])
    np.testing.assert_allclose(np.nan_to_num(ours(truth, found, times), nan=-1), expected, atol=1e-12)
    together = ours(truth, found, np.stack([times, np.ones(10)]))
    np.testing.assert_allclose(together[:, 0], ours(truth, found, times), atol=1e-12)
    np.testing.assert_allclose(together[:, 1], ours(truth, found), atol=1e-12)


@pytest.fixture
def small():
    """Two discs in the first image, one in the second, none in the third; best first: hit, miss, hit, miss."""
    truth = truth_of([[LEFT, RIGHT], [LEFT], []])
    found = [detections_of([LEFT, BELOW], [0.9, 0.8]), detections_of([LEFT], [0.7]), detections_of([BELOW], [0.3])]
    return match_images(truth, found)


def test_average_precision_by_hand(small):
    # recall 1/3 at precision 1 holds for the recalls 0.00 ... 0.33, recall 2/3 at precision 2/3 for 0.34 ... 0.66
    expected = (34 * 1 + 33 * 2 / 3) / 101
    np.testing.assert_allclose(average_precision(small), [expected])
    np.testing.assert_allclose(average_precision(small, iou=0.5), [expected])
    np.testing.assert_allclose(average_recall(small), [2 / 3])


def test_rates_at_a_confidence_by_hand(small):
    np.testing.assert_array_equal(count_boxes(small), [[[1, 2, 2]], [[1, 1, 1]], [[0, 0, 0]]])
    np.testing.assert_allclose(precision(small), [2 / 3])
    np.testing.assert_allclose(recall(small), [2 / 3])
    np.testing.assert_allclose(f1(small), [2 * 2 / (3 + 3)])
    np.testing.assert_allclose(precision(small, confidence=0.25), [2 / 4])
    np.testing.assert_allclose(precision(small, np.array([0.0, 2.0, 1.0])), [2 / 2])
    assert np.isnan(precision(small, confidence=0.95)).all()


def test_a_score_of_the_confidence_counts_in_spite_of_rounding(small):
    assert float(np.float32(0.7)) < 0.7
    np.testing.assert_array_equal(count_boxes(small, confidence=0.7)[1], [[1, 1, 1]])
    np.testing.assert_allclose(image_rates(small, confidence=0.7)[0], [2 / 2])


def test_image_rates_by_hand(small):
    np.testing.assert_allclose(image_rates(small), [[2 / 2], [1 / 1]])
    np.testing.assert_allclose(image_rates(small, confidence=0.25), [[2 / 2], [0 / 1]])
    np.testing.assert_allclose(image_rates(small, confidence=0.75), [[1 / 2], [1 / 1]])
    assert np.isnan(image_rates(small, np.array([1.0, 1.0, 0.0]))[1]).all()


def test_the_precision_recall_curve_by_hand(small):
    curve = precision_recall(small)
    np.testing.assert_allclose(curve.confidence, [0.9, 0.8, 0.7, 0.3])
    np.testing.assert_allclose(curve.recall, [1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 2 / 4])


def test_the_curve_has_one_point_for_scores_that_tie():
    matches = match_images(truth_of([[LEFT]]), [detections_of([BELOW, LEFT], [0.5, 0.5])])
    assert [values.tolist() for values in precision_recall(matches)] == [[1], [1 / 2], [0.5]]


def test_every_metric_of_the_table_is_defined_on_ordinary_images():
    rng = np.random.default_rng(5)
    truth = random_truth(rng, 30)
    matches = match_images(truth, random_detections(rng, truth))
    assert detection.METRICS.headline in detection.METRICS
    for name, (function, *_) in detection.METRICS.items():
        value = function(matches)
        assert 0 <= value <= 1, name
        np.testing.assert_allclose(function(matches, np.ones((2, 30))), [value, value], err_msg=name)


def test_without_detections_nothing_is_found():
    truth = truth_of([[LEFT], []])
    matches = match_images(truth, [detections_of([], []), detections_of([], [])])
    assert average_precision(matches) == average_recall(matches) == recall(matches) == 0
    assert len(precision_recall(matches).recall) == 0


def test_what_was_not_matched_is_told(small):
    with pytest.raises(SpineError, match=r"IoU 0.3 was not matched; it is one of 0.5, "):
        precision(small, iou=0.3)
    with pytest.raises(SpineError, match="area 'huge' was not matched; it is one of all, small"):
        average_precision(small, area="huge")
    with pytest.raises(SpineError, match=r"weights are \(2,\); give \(\.\.\., 3\)"):
        average_precision(small, np.ones(2))


def test_detections_that_are_not_the_truth_s_are_refused():
    truth = truth_of([[LEFT], [LEFT]])
    with pytest.raises(SpineError, match="detections of 1 images were given; the truth has 2"):
        match_images(truth, [detections_of([LEFT], [0.5])])
    with pytest.raises(SpineError, match=r"image1 has a detection of class 2; the labels are \['disc'\], 1-based"):
        match_images(truth, [detections_of([LEFT], [0.5]), detections_of([LEFT], [0.5], [2])])


def test_a_bootstrap_over_patients_is_cheap():
    rng = np.random.default_rng(6)
    truth = random_truth(rng, 50)
    matches = match_images(truth, random_detections(rng, truth, strays=80), ious=(0.5,), areas=("all",))
    draws = patient_resamples([f"p{number // 2}" for number in range(50)], 1000, seed=0)
    start = time.process_time()
    found = interval(lambda weights: detection.METRICS.named("map50").function(matches, weights), draws)
    assert time.process_time() - start < 5  # 5 ms a resample; measured 0.2
    assert found.low < found.value < found.high


def test_the_best_f1_is_that_of_the_confidence_where_wrong_boxes_no_longer_count():
    truth = truth_of([[LEFT, RIGHT]])
    matches = match_images(truth, [detections_of([LEFT, RIGHT, BELOW], [0.3, 0.25, 0.2])])
    assert f1(matches, confidence=0.5)[0] == 0
    assert f1(matches, confidence=0.2)[0] == pytest.approx(4 / 5)
    assert best_confidence(matches) == 0.25  # a box with just that score counts
    assert best_f1(matches) == 1
    assert detection.METRICS["f1"].function(matches) == 1


@pytest.mark.parametrize("scores", [None, (0.05, 0.3, 0.35, 0.7, 0.95)])
def test_the_best_confidence_is_that_of_f1_at_each(scores):
    rng = np.random.default_rng(5)
    truth = random_truth(rng, 20)
    matches = match_images(truth, random_detections(rng, truth, scores=scores))
    each = [np.nanmean(f1(matches, confidence=at)) for at in detection.CONFIDENCES]
    assert each[detection.CONFIDENCES.tolist().index(best_confidence(matches))] == max(each)
    times = rng.integers(0, 3, 20)
    expected = np.nanmean(f1(matches, times, confidence=best_confidence(matches)))
    assert best_f1(matches, np.stack([times, times])) == pytest.approx(expected)


def test_images_without_a_box_have_a_confidence_and_no_f1():
    matches = match_images(truth_of([[]]), [detections_of([], [])])
    assert best_confidence(matches) == 0.5
    assert np.isnan(best_f1(matches))
