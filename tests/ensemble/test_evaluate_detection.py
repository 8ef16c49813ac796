import io

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console

from ensemble import evaluate
from ensemble.evaluators import detection
from ensemble.evaluators.rows import EQUAL
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.member.member import Member
from spine.metrics.detection import CONFIDENCES
from tests.bootstrap import bootstrap_interval
from tests.csv_rows import csv_rows
from tests.detection_on_disk import publish_detectors, store_detections, write_box_weights, write_detection_experiment

FAST = {"evaluate": {"resamples": 200}}
WEIGHTS = {"resnet": 0.6, "vgg": 0.4, "mobilenet": 0.0}
FUSION = {"iou_threshold": 0.4, "score_threshold": 0.1}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        folder = tmp_path_factory.mktemp("boxes")
        experiment = write_detection_experiment(folder, weights=WEIGHTS, fusion=FUSION, **FAST)
        evaluate.run(experiment)
    return experiment


@pytest.fixture
def found(experiment):
    return read_json(experiment.evaluation_directory / "metrics.json")


def row_of(found, name):
    return next(row for row in found["rows"] if row["name"] == name)


def fused_by_hand(experiment):
    split = ExperimentRun(experiment).predictions("test")
    members = [list(split.stored[name]) for name in WEIGHTS]
    fusion = BoxFusion(**FUSION)
    return split.truth, {
        **dict(zip(WEIGHTS, members, strict=True)),
        EQUAL: [fuse_boxes(image, (1 / 3,) * 3, fusion) for image in zip(*members, strict=True)],
        "ensemble": [fuse_boxes(image[:2], (0.6, 0.4), fusion) for image in zip(*members, strict=True)],
    }


def coco_summary(truth, detections):
    """COCOeval's twelve numbers, from a data set written without any code of ours."""
    images = [{"id": n, "height": size[0], "width": size[1]} for n, size in enumerate(truth.sizes)]
    true, said = [], []
    for n, (boxes, classes, size) in enumerate(zip(truth.boxes, truth.classes, truth.sizes, strict=True)):
        for (x0, y0, x1, y1), label in zip(boxes.tolist(), classes.tolist(), strict=True):
            box = [x0, y0, x1 - x0, y1 - y0]
            area = box[2] * box[3]
            true.append(
                {"id": len(true) + 1, "image_id": n, "category_id": label, "bbox": box, "area": area, "iscrowd": 0}
            )
        height, width = size
        one = detections[n]
        for (y0, x0, y1, x1), score, label in zip(one.boxes, one.scores, one.classes, strict=True):
            box = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]
            said.append({"image_id": n, "category_id": int(label), "bbox": box, "score": float(score)})
    coco = COCO()
    categories = [{"id": 1, "name": "bright"}, {"id": 2, "name": "dark"}]
    coco.dataset = {"images": images, "annotations": true, "categories": categories}
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(said), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


def test_rows_and_precisions_are_those_of_boxes_fused_by_hand_and_judged_by_coco(experiment, found):
    truth, rows = fused_by_hand(experiment)
    assert [row["name"] for row in found["rows"]] == list(rows)
    for name, detections in rows.items():
        stats = coco_summary(truth, detections)
        values = {key: one["value"] for key, one in row_of(found, name)["metrics"].items()}
        assert values["map50_95"] == pytest.approx(stats[0])
        assert values["map50"] == pytest.approx(stats[1])
        assert values["ar"] == pytest.approx(stats[8])
        assert values["map50_95_small"] == pytest.approx(stats[3])
        assert (values["ap50.bright"] + values["ap50.dark"]) / 2 == pytest.approx(values["map50"])


def test_only_sizes_that_occur_are_told(experiment, found):
    areas = [(x1 - x0) * (y1 - y0) for boxes in fused_by_hand(experiment)[0].boxes for x0, y0, x1, y1 in boxes]
    small = sum(area < 32**2 for area in areas)
    assert found["counts"]["boxes_per_size"] == {"small": small} == {"small": len(areas)}
    assert not any("large" in name or "medium" in name for name in row_of(found, "vgg")["metrics"])


def test_a_rows_confidence_is_where_its_f1_was_highest_on_validation(experiment, found):
    validation = ExperimentRun(experiment).evaluator("validation")
    for row in validation.rows:
        chosen = row_of(found, row.name)["confidence"]
        f1 = {
            c: validation.score(validation.at({r.name: c for r in validation.rows}).rows[n], "f1")
            for n, r in enumerate(validation.rows)
            if r is row
            for c in (chosen, *CONFIDENCES)
        }
        assert f1[chosen] == max(f1.values())


def test_rates_count_boxes_with_that_confidence(experiment, found):
    """Matched by hand: at these noises no two true boxes of a class are in one image."""
    truth, rows = fused_by_hand(experiment)
    one = row_of(found, "resnet")
    right = predicted = 0
    for boxes, classes, size, said in zip(truth.boxes, truth.classes, truth.sizes, rows["resnet"], strict=True):
        said = said.above(one["confidence"])
        predicted += len(said)
        for box, label in zip(boxes, classes, strict=True):
            mine = said.in_pixels(*size)[said.classes == label]
            right += any(iou(box, other) >= 0.5 for other in mine)
    total = sum(map(len, truth.boxes))
    assert (one["right"], one["wrong"], one["missed"]) == (right, predicted - right, total - right)
    images = pd.read_csv(experiment.evaluation_directory / "images.csv")
    mine = images[images["name"] == "resnet"]
    assert (mine["right"].sum(), mine["missed"].sum()) == (right, total - right)
    first = mine.iloc[0]
    assert first["f1"] == 2 * first["right"] / (2 * first["right"] + first["wrong"] + first["missed"])


def iou(first, second):
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - both)


def test_intervals_and_differences_draw_patients(experiment, found):
    test = ExperimentRun(experiment).evaluator("test")
    expected = bootstrap_interval(
        lambda w: test.score(test.members[1], "map50", w), test.patients, 200, 0.95, experiment.seed
    )
    one = row_of(found, "vgg")["metrics"]["map50"]
    assert (one["value"], one["low"], one["high"]) == (expected.value, expected.low, expected.high)
    equal, best = found["comparisons"]
    assert equal["against"] == EQUAL
    for comparison in (best, equal):
        rows = [row_of(found, name)["metrics"]["map50_95"]["value"] for name in ("ensemble", comparison["against"])]
        assert comparison["differences"]["map50_95"]["value"] == pytest.approx(rows[0] - rows[1])
    validation = ExperimentRun(experiment).evaluator("validation")
    scores = {row.name: validation.score(row, "map50") for row in validation.members}
    assert best["against"] == found["best_on_validation"] == max(scores, key=scores.__getitem__)
    assert "Wilcoxon over patients p" in found["verdict"]


def test_wilcoxon_pairs_the_map_of_each_patient_alone(experiment):
    test = ExperimentRun(experiment).evaluator("test")
    mine = test.map50_of_patients(test.ensemble)
    patients = sorted(set(test.patients))
    assert mine.shape == (len(patients),) == (4,)
    only = (test.patients == patients[2]).astype(float)
    assert mine[2] == test.score(test.ensemble, "map50", only)


def test_the_median_counts_weights_and_leaves_the_unknown_out():
    seconds = np.array([0.3, np.nan, 0.1, 0.2])
    weights = np.array([[1, 1, 1, 1], [3, 9, 1, 1], [0, 5, 0, 0]])
    assert detection._median(seconds, weights) == pytest.approx([0.2, 0.3, np.nan], nan_ok=True)
    assert np.isnan(detection._median(np.full(2, np.nan), np.ones(2)))


def test_what_has_no_model_is_not_timed(found):
    assert row_of(found, "resnet")["metrics"]["seconds_an_image"]["value"] is None


@pytest.mark.slow
def test_seconds_are_measured_through_the_saved_model(tmp_path):
    experiment = write_detection_experiment(tmp_path, members=("a",), **FAST)
    publish_detectors(experiment, {"a": 2.0})
    from ensemble import predict

    predict.run(experiment)
    write_box_weights(experiment, {"a": 1.0})
    found = read_json(evaluate.run(experiment)[0])
    assert 0 < row_of(found, "a")["metrics"]["seconds_an_image"]["value"] < 5
    assert row_of(found, EQUAL)["metrics"]["seconds_an_image"]["value"] is None
    images = pd.read_csv(experiment.evaluation_directory / "images.csv")
    seconds = images[images["name"] == "a"]["seconds"]
    assert seconds.notna().sum() == 8  # all test images: fewer than are timed at most
    assert found["costs"]["a"]["seconds"] == pytest.approx(np.median(seconds))  # one measurement serves both


def test_a_detector_that_finds_nothing_is_told(tmp_path):
    experiment = write_detection_experiment(tmp_path, members=("vgg", "blind"), **FAST)
    member = Member.open(experiment.member_directory("blind"))
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    for split in ("validation", "test"):
        truth = ExperimentRun(experiment).predictions(split).truth
        store_detections(member.path, truth, split, [nothing] * len(truth), member.card.model_hash)
    write_box_weights(experiment, {"vgg": 1.0, "blind": 0.0})
    found = read_json(evaluate.run(experiment)[0])
    assert any("Finds no box in any image" in note and "blind" in note for note in found["notes"])
    assert row_of(found, "blind")["metrics"]["map50"]["value"] == 0
    assert found["comparisons"][1]["identical"]  # the ensemble is vgg alone


def test_weights_without_a_fusion_are_refused(tmp_path):
    experiment = write_detection_experiment(tmp_path, members=("vgg",), **FAST)
    path = experiment.ensemble_directory / "weights.json"
    path.write_text(path.read_text().replace('"fusion"', '"other"'))
    with pytest.raises(SpineError, match="no thresholds of box fusion"):
        evaluate.run(experiment)


def test_files_and_the_leaderboard_are_those_of_every_task(experiment):
    rows = csv_rows(experiment.evaluation_directory / "leaderboard.csv")
    assert [row["name"] for row in rows] == [*WEIGHTS, EQUAL, "ensemble"]
    assert {"map50_low", "f1.dark_high", "sensitivity", "seconds_an_image"} <= set(rows[0])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate.leaderboard(experiment))
    text = " ".join(console.export_text().split())
    assert "4 test patients, 8 images" in text
    assert "mAP50 mAP50-95 AR F1" in text
    assert "…" not in text
