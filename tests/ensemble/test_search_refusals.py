"""What `search_weights` is given by mistake: told with what was received and what holds, not by Python's errors."""

import numpy as np
import pytest

from ensemble.search import search_weights
from spine.core.problems import SpineError
from tests.ensemble.test_box_search import random_problem
from tests.ensemble.test_segmentation_search import random_images

HALF = np.array([[0.5, 0.5], [0.1, 0.9]])
IMAGE = HALF[None]


def refusal(members, truth, task="classification", **settings):
    with pytest.raises(SpineError) as caught:
        search_weights(members, truth, task, **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("members", "truth", "settings", "words"),
    [
        ([HALF, HALF], [0, 1], {}, "members is a list; give a mapping of name"),
        ({"a": HALF}, [0, 1], {"step": "0.1"}, "step is '0.1'; give a number 1/n"),
        ({"a": HALF}, [0, 1], {"step": None}, "step is None; give a number 1/n"),
        ({"a": [[0.5, 0.5], [1.0]]}, [0, 1], {}, "member 'a' is a list whose rows differ in length"),
        ({"a": HALF}, [[0], [0, 1]], {}, "truth is a list whose rows differ in length"),
        ({"a": HALF}, [1, 1], {"metric": "matthews"}, "matthews is undefined: the truth has only the classes"),
    ],
)
def test_of_classification(members, truth, settings, words):
    assert words in refusal(members, truth, **settings)


@pytest.mark.parametrize(
    ("members", "truth", "settings", "words"),
    [
        ({"a": [IMAGE[0]]}, [[[0, 1]]], {}, "list of (2, 2); give an array (N, H, W, C)"),
        ({"a": []}, [], {}, "list of no images"),
        ({"a": [IMAGE, IMAGE.repeat(2, axis=2)]}, [[[0, 1]]] * 2, {}, "have [2, 4] classes; give all the same number"),
        ({"a": IMAGE[None]}, None, {}, "truth is a NoneType; give masks (N, H, W)"),
        ({"a": IMAGE[None]}, np.array([[[0, 0]]]), {"metric": "iou_foreground_per_image"}, "use pixel_accuracy"),
    ],
)
def test_of_segmentation(members, truth, settings, words):
    assert words in refusal(members, truth, "segmentation", **settings)


def test_of_detection():
    members, truth = random_problem(0)
    assert "truth is a ndarray; for detection give a spine.dataset.truth.BoxTruth" in refusal(
        members, np.zeros(6, int), "detection"
    )
    assert "member 'b' holds ndarray; for detection give stored predictions" in refusal(
        {**members, "b": np.zeros((6, 4))}, truth, "detection"
    )
    assert "iou_thresholds is (); give one or more numbers" in refusal(members, truth, "detection", iou_thresholds=())
    assert "score_thresholds is 0.5; give" in refusal(members, truth, "detection", score_thresholds=0.5)
    assert "iou_thresholds is ('a',); give" in refusal(members, truth, "detection", iou_thresholds=("a",))


def test_a_grid_too_large_for_boxes_is_not_sent_to_lines():
    members, truth = random_problem(0, members=2)
    many = {f"m{number}": members["a"] for number in range(10)}
    assert "or method greedy, tpe or cmaes" in refusal(many, truth, "detection", step=0.02)
    said = refusal(dict.fromkeys(many, HALF), np.array([0, 1]), metric="log_loss", step=0.02)
    assert "or method line, greedy, tpe or cmaes" in said


@pytest.mark.parametrize("name", ["treshold", "max_megabytes"])  # the last is the stage's alone
def test_an_unknown_option_is_a_type_error(name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        search_weights({"a": HALF}, np.array([0, 1]), **{name: 1})


def test_images_of_different_sizes_in_a_list():
    lists, masks = random_images(3, sizes=((5, 4), (2, 7), (3, 3)))
    found = search_weights(lists, masks, "segmentation", step=0.25)
    # One row of all pixels is the same to a metric that pools them.
    row = {name: np.concatenate([one.reshape(-1, 3) for one in images])[None, None] for name, images in lists.items()}
    pooled = search_weights(
        row, np.concatenate([mask.ravel() for mask in masks])[None, None], "segmentation", step=0.25
    )
    assert (found.weights, found.score, found.best) == (pooled.weights, pooled.score, pooled.best)
    per_image = search_weights(lists, masks, "segmentation", "dice_foreground_per_image", step=0.25)
    assert per_image.score != pytest.approx(pooled.score)


def test_pixel_accuracy_of_background_alone_is_the_share_called_so():
    members = {"a": np.array([[[[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]]])}
    found = search_weights(members, np.zeros((1, 1, 3), int), "segmentation", "pixel_accuracy")
    assert found.score == pytest.approx(2 / 3)


def test_a_result_is_told_without_its_hundred_best():
    found = search_weights({"a": HALF, "b": HALF[:, ::-1]}, np.array([0, 1]))
    assert len(found.best) == 11
    assert "Point(" not in repr(found)
    assert "weights={'a': " in repr(found)
