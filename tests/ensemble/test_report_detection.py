from importlib import import_module

import cv2
import numpy as np
import pytest

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.report.boxes import choose, draw_boxes, see_boxes, worst
from ensemble.report.documents import DOCUMENTS
from ensemble.results.few_patients import NO_WIDTH
from spine.core.files import read_json
from spine.images.tint import class_colour, rgb
from tests import detection_on_disk
from tests.detection_on_disk import write_detection_experiment
from tests.ensemble.documents.atlas_schema import assert_valid
from tests.ensemble.test_report import Page

pytestmark = pytest.mark.usefixtures("figures_without_pixels")

FAST = {"evaluate": {"resamples": 100}}
FUSION = {"iou_threshold": 0.45, "score_threshold": 0.15}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_detection_experiment(tmp_path_factory.mktemp("report"), fusion=FUSION, **FAST)
        evaluate.run(experiment)
        paths = import_module("ensemble.report").run(experiment)
    return experiment, Page(paths[0].read_text())


def test_the_page_is_whole_and_fetches_nothing(written):
    _, page = written
    assert page.open == []
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:image/", "#")) or value in DOCUMENTS, (tag, value)


def test_no_figure_is_cut_at_its_edges(written):
    experiment, _ = written
    names = ("precision_recall", "f1_at_confidence", "scores", "ap50_of_classes", "interval_map50", "weights")
    for name in names:
        drawn = cv2.imread(str(experiment.evaluation_directory / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        edges = [drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]]
        assert [int(edge.min()) for edge in edges] == [255] * 4, name


def test_the_page_says_what_metrics_json_holds(written):
    experiment, page = written
    found = read_json(experiment.evaluation_directory / "metrics.json")
    assert found["verdict"] in page.text
    for row in found["rows"]:
        for name in ("map50", "map50_95", "ar", "f1", "ap50.dark", "map50_95_small"):
            one = row["metrics"][name]
            assert f"{one['value']:.3f} {one['low']:.2f}–{one['high']:.2f}" in page.text
        told = [f"{row['confidence']:.2f}", *(str(row[key]) for key in ("right", "wrong", "missed"))]
        assert " ".join(told) in page.text
    assert "is above 0.45; boxes with a score below 0.15 are left out" in page.text
    assert "4 patients, 8 images, 1 of them without a box" in page.text


def test_the_page_defines_what_is_a_mean_over_classes_and_what_is_pooled(written):
    _, page = written
    labels = read_json(written[0].evaluation_directory / "metrics.json")["labels"]
    assert f"All but seconds are means over the classes {', '.join(labels)}" in page.text
    assert "where it has nothing to measure. Below each value" in page.text
    assert "of all boxes of the image, classes pooled, not their mean as in the leaderboard" in page.text
    assert NO_WIDTH in page.text  # some intervals here have none
    assert "One member has all the weight" not in page.text


def test_an_ensemble_of_one_member_is_told_to_differ_from_it(tmp_path):
    experiment = write_detection_experiment(
        tmp_path, weights={"resnet": 1.0, "vgg": 0.0, "mobilenet": 0.0}, fusion=FUSION, **FAST
    )
    evaluate.run(experiment)
    page = Page(import_module("ensemble.report").run(experiment)[0].read_text())
    assert "One member has all the weight; the ensemble is not that member all the same" in page.text


def test_the_grid_shows_every_row_of_every_chosen_image(written):
    experiment, page = written
    test = ExperimentRun(experiment).evaluator("test").at(confidences(experiment))
    shown = [test.truth.samples[number] for _, number in choose(test)]
    assert len(set(shown)) == len(shown) >= 4
    described = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    headings = ["input", "truth", "resnet", "vgg", "mobilenet", "equal weights", "ensemble"]
    assert described[: len(shown) * 7] == [f"{heading} of {sample}" for sample in shown for heading in headings]
    assert described[len(shown) * 7 :] == [test.truth.samples[number] for number in worst(test, 6)]


def confidences(experiment):
    rows = read_json(experiment.evaluation_directory / "metrics.json")["rows"]
    return {row["name"]: row["confidence"] for row in rows}


def test_captions_count_boxes_with_the_rows_confidence(written):
    experiment, _ = written
    test = ExperimentRun(experiment).evaluator("test").at(confidences(experiment))
    number = worst(test, 1)[0]
    right, predicted, true = test.boxes_of_images(test.ensemble)[number]
    assert predicted == len(test.ensemble.detections[number].above(test.ensemble.confidence))
    captions = see_boxes(test, number, "").captions
    assert captions["ensemble"] == f"{right} of {true}, {predicted - right} wrong"
    assert captions["truth"] == ("1 box" if true == 1 else f"{true} boxes")


def test_figures_are_written(written):
    experiment, page = written
    names = {path.stem for path in experiment.evaluation_directory.glob("*.png")}
    assert {"interval_map50", "precision_recall", "f1_at_confidence", "scores", "ap50_of_classes"} <= names
    assert sum(tag == "svg" for tag, _ in page.tags) == len(names - {"overlays", "worst_cases"})


def test_worst_images_have_the_lowest_f1_and_none_without_an_error_is_among_them(written):
    experiment, _ = written
    test = ExperimentRun(experiment).evaluator("test").at(confidences(experiment))
    f1 = test.f1_of_images(test.ensemble)
    numbers = worst(test, len(f1))
    assert f1[numbers].tolist() == sorted(f1[f1 < 1])


def test_one_class_has_no_table_of_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(detection_on_disk, "LABELS", ("dark",))
    experiment = write_detection_experiment(tmp_path, members=("vgg",), **FAST)
    found = read_json(evaluate.run(experiment)[0])
    assert not any("." in name for name in found["rows"][0]["metrics"])
    page = Page(import_module("ensemble.report").run(experiment)[0].read_text())
    assert page.open == []
    assert "Classes" not in page.text.split("Provenance")[0]


def test_pictures_that_are_gone_leave_the_boxes(tmp_path):
    experiment = write_detection_experiment(tmp_path, members=("vgg",), **FAST)
    for path in (experiment.data / "images").glob("*.png"):
        path.unlink()
    evaluate.run(experiment)
    assert Page(import_module("ensemble.report").run(experiment)[0].read_text()).open == []


def test_a_box_is_drawn_where_it_is_in_its_classs_colour():
    drawn = draw_boxes(np.full((40, 60), 90, np.uint8), np.array([[10, 20, 31, 36]]), np.array([2]))
    assert np.array_equal(drawn[20, 20], rgb(class_colour(2)))
    assert np.array_equal(drawn[35, 20], rgb(class_colour(2)))  # y1 is the first row outside
    assert (drawn[28, 20] == 90).all()
    assert (drawn[39, 50] == 90).all()


def test_the_documents_beside_it_are_valid_and_linked(written):
    experiment, page = written
    assert_valid(experiment.directory)
    linked = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert linked == list(DOCUMENTS)
    assert all((experiment.directory / file).exists() for file in linked)
