"""Weights given by hand: served by method fixed, and judged beside the searched ones by evaluate.also."""

import numpy as np
import pytest

from ensemble import evaluate, report, search
from ensemble.results.found_weights import FoundWeights, read_weights
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.experiment.stages import SearchSettings
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.found_weights import found_weights

PUBLISHED = {"vgg": 0.2, "dense": 0.4, "squeeze": 0}  # sums to 0.6
WRITE = {
    "classification": write_experiment,
    "segmentation": write_segmentation_experiment,
    "detection": write_detection_experiment,
}


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """An experiment that serves fixed weights and judges them by another name too, after all its stages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        settings = {"search": {"method": "fixed", "weights": PUBLISHED}}
        settings["evaluate"] = {"resamples": 100, "also": {"published": PUBLISHED}}
        experiment = write_experiment(tmp_path_factory.mktemp("fixed"), members=tuple(PUBLISHED), **settings)
        search.run(experiment)
        evaluate.run(experiment)
        report.run(experiment)
        yield experiment


def test_fixed_weights_are_normalised_stored_and_told(reported):
    found = FoundWeights.read(reported)
    assert found.weights == pytest.approx({"vgg": 1 / 3, "dense": 2 / 3, "squeeze": 0})
    assert found.settings["weights"] == {"vgg": 0.2, "dense": 0.4, "squeeze": 0}
    assert found.why == "The weights were given by hand, not searched; they sum to 0.6 and were divided by that."
    assert (found.rule, found.rules, found.nested.resamples) == ("optimum", {}, 0)
    assert search.summary(reported).startswith(f"{found.why} Score (accuracy): 0.")


def test_the_report_says_that_nothing_was_searched_and_shows_the_given_row(reported):
    text = (reported.directory / "report.html").read_text()
    assert "given by hand, not searched; they sum to 0.6" in text
    assert "Chosen on" not in text
    assert "Weights given by hand, not searched, normalised to sum 1: published is vgg 0.333, dense 0.667." in text
    told = read_json(reported.evaluation_directory / "metrics.json")
    assert told["comparisons"][2]["verdict"] == (
        "The ensemble and the weights given by hand (published) predict the same."
    )
    assert "given" not in read_json(reported.ensemble_directory / "weights.json")


def test_weights_that_were_searched_by_others_are_refused(reported):
    other = {**reported.search.model_dump(), "weights": {**PUBLISHED, "squeeze": 0.2}}
    changed = reported.model_copy(update={"search": SearchSettings.model_validate(other)})
    with pytest.raises(SpineError, match="was searched with weights"):
        read_weights(changed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "fixed"}, "method 'fixed' needs weights"),
        ({"weights": PUBLISHED}, "weights are of method 'fixed', and the method is 'grid'"),
        ({"method": "fixed", "weights": {"vgg": 1, "dense": 1}}, "search.weights has no weight for squeeze"),
        ({"method": "fixed", "weights": {**PUBLISHED, "vgg16": 1}}, "names 'vgg16', which is no member.*mean 'vgg'"),
        ({"method": "fixed", "weights": {**PUBLISHED, "vgg": -0.1}}, "the weight of vgg is -0.1; give 0 to 1e"),
        ({"method": "fixed", "weights": {**PUBLISHED, "vgg": 1e308}}, "the weight of vgg is 1e"),
        ({"method": "fixed", "weights": {**PUBLISHED, "vgg": True}}, "where a number is expected"),
        ({"method": "fixed", "weights": {**PUBLISHED, "vgg": "0.2"}}, "where a number is expected"),
        ({"method": "fixed", "weights": dict.fromkeys(PUBLISHED, 0)}, "all weights are 0"),
        ({"method": "fixed", "weights": {**PUBLISHED, "vgg": float("nan")}}, "finite number"),
        ({"method": "fixed", "weights": PUBLISHED, "rule": "shrunk"}, "leave rule 'shrunk' out"),
        ({"method": "fixed", "weights": PUBLISHED, "per_class": True}, "nothing to choose by class"),
    ],
)
def test_what_does_not_hold_is_refused(tmp_path, settings, message):
    with pytest.raises(SpineError, match=message):
        write_experiment(tmp_path, search=settings)


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ({"published": {"vgg": 1, "dense": 1}}, "evaluate.also.published has no weight for squeeze"),
        ({"published": {**PUBLISHED, "who": 1}}, "evaluate.also.published names 'who'"),
        ({"vgg": PUBLISHED}, "names weights 'vgg', as a member is called"),
        ({"a name": PUBLISHED}, "evaluate.also"),
        ({"published": dict.fromkeys(PUBLISHED, 0)}, "all weights are 0"),
    ],
)
def test_given_weights_that_do_not_hold_are_refused(tmp_path, also, message):
    with pytest.raises(SpineError, match=message):
        write_experiment(tmp_path, evaluate={"also": also})


@pytest.mark.parametrize("task", WRITE)
def test_given_weights_have_a_row_a_comparison_and_no_say(tmp_path, task):
    experiment = WRITE[task](tmp_path, evaluate={"resamples": 100})
    first, *others = experiment.members
    alone = {first: 3, **dict.fromkeys(others, 0)}
    also = {"published": alone, "equal_by_hand": dict.fromkeys(experiment.members, 0.1)}
    experiment = WRITE[task](tmp_path, evaluate={"resamples": 100, "also": also})
    found = read_json(evaluate.run(experiment)[0])
    assert [row["name"] for row in found["rows"][-3:]] == ["published", "equal_by_hand", "ensemble"]
    rows = {row["name"]: row["metrics"] for row in found["rows"]}
    headline = found["headline"]
    if task != "detection":  # a single detector's boxes are fused among themselves
        assert rows["published"][headline] == rows[first][headline]
    assert rows["equal_by_hand"][headline]["value"] == pytest.approx(rows["equal weights"][headline]["value"])
    assert [one["against"] for one in found["comparisons"]][2:] == ["published", "equal_by_hand"]
    assert found["given"]["published"] == {first: 1.0, **dict.fromkeys(others, 0.0)}


def test_given_weights_ignore_temperatures_and_keep_the_thresholds():
    weights = found_weights({"a": 0.5, "b": 0.5}, temperatures={"a": 2.0, "b": 1.0}, fusion={"iou_threshold": 0.4})
    (one,) = weights.model_copy(update={"given": {"published": {"b": 0.25, "a": 0.75}}}).of_given()
    assert one.mean().weights == (0.75, 0.25)
    assert one.mean().temperatures == ()
    assert one.fusion == {"iou_threshold": 0.4}


def test_arrays_take_fixed_weights_too():
    truth = np.array([0, 1, 1, 0])
    members = {"a": np.eye(2)[truth] * 0.6 + 0.2, "b": np.eye(2)[1 - truth] * 0.6 + 0.2}
    found = search.search_weights(members, truth, method="fixed", weights={"b": 1, "a": 3})
    assert (found.weights, found.score, found.equal) == ({"a": 0.75, "b": 0.25}, 1.0, 0.5)
    with pytest.raises(SpineError, match="weights has no weight for b"):
        search.search_weights(members, truth, method="fixed", weights={"a": 3})
