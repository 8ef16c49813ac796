"""Members' predictions are read once for each kind of reduction that a search with all its options asks for."""

import pytest

from ensemble.engine.boxes.box_objectives import Boxes
from ensemble.engine.scoring.stack import Stack
from ensemble.search import run
from ensemble.search_problem import segmentation
from spine.core.files import read_json
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

pytestmark = pytest.mark.slow

SEARCH = {"step": 0.5, "resamples": 4}
OPTIONS = {**SEARCH, "temperature": True, "per_class": True}


@pytest.fixture
def counted(monkeypatch):
    """Replace a function by one that notes its arguments; give the notes."""

    def count(owner, name):
        calls, function = [], getattr(owner, name)

        def noting(*arguments, **named):
            calls.append((arguments, named))
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, noting)
        return calls

    return count


def test_units_are_stacked_once(tmp_path, counted):
    calls = counted(Stack, "from_members")
    found = read_json(run(write_experiment(tmp_path, search={**OPTIONS, "metric": "log_loss"}))[0])
    assert {"temperatures", "class_weights"} <= set(found)
    assert len(calls) == 1


@pytest.mark.parametrize("metric", ["dice_foreground", "dice_foreground_per_image"])
def test_images_are_reduced_once_a_kind(tmp_path, counted, metric):
    samples, calls = counted(segmentation, "some_pixels"), counted(segmentation, "reduce_images")
    found = read_json(run(write_segmentation_experiment(tmp_path, search={**OPTIONS, "metric": metric}))[0])
    assert {"temperatures", "class_weights"} <= set(found)
    kinds = [(tuple(members), by_image, named.get("per_class", False)) for (members, _, by_image, _), named in calls]
    assert len(kinds) == len(set(kinds)) <= 3  # of all members plain and by class, and of the chosen ones by class
    assert len(samples) == 1


def test_boxes_are_listed_once(tmp_path, counted):
    calls = counted(Boxes, "of")
    run(write_detection_experiment(tmp_path, search=SEARCH))
    assert len(calls) == 1
