"""Decisions of the search stage: fitted out-of-fold, told, and asked for anew where the experiment asks for others."""

import numpy as np
import pytest

from ensemble.decisions.fit import fit_decisions
from ensemble.experiment_run import ExperimentRun
from ensemble.search import run, search_weights, summary
from ensemble.searched_decisions import FLATTERED
from pipeline.experiments import validate_experiment
from spine.core.files import read_json
from spine.core.problems import SpineError
from tests.experiment_on_disk import write_experiment

DECIDE = {"calibration": "isotonic", "youden": True, "coverage": 0.8}
SEARCH = {"metric": "roc_auc", "step": 0.25, "resamples": 40}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    experiment = write_experiment(tmp_path_factory.mktemp("decided"), search=SEARCH, decide=DECIDE)
    run(experiment)
    return experiment


def of(searched, **others):
    """The same experiment with other settings."""
    return validate_experiment(
        {**searched.model_dump(exclude={"shared"}), "members": searched.members, **others}, "other"
    )


def test_they_are_fitted_on_what_the_served_rule_had_not_seen(searched):
    members, truth, patients = ExperimentRun(searched).predictions("validation").to_resample()
    result = search_weights(members, truth, **SEARCH, patients=patients, seed=searched.seed)
    expected = fit_decisions(searched.decide, searched.labels, result.rules.answers, truth, patients)
    written = read_json(searched.ensemble_directory / "weights.json")["decisions"]
    assert {key: written[key] for key in ("patients", "units")} == {"patients": 12, "units": 24}
    assert written["operating_point"]["threshold"] == expected.operating_point.threshold
    assert written["conformal"]["thresholds"] == expected.conformal.thresholds
    np.testing.assert_allclose(written["calibration"]["knots"][1], expected.calibration.knots[1])
    assert "notes" not in written


def test_they_are_told_in_a_sentence_each(searched):
    calibration, point, sets = summary(searched).split("\n")[-3:]
    assert calibration == "Probabilities are calibrated by isotonic regression."
    assert point.startswith("degenerated is decided from a probability of 0.")
    assert sets.startswith("For a coverage of 80 %, sets hold the likeliest label and all of at least 0.")


def test_what_is_unchanged_is_skipped_and_another_question_is_searched_again(searched):
    paths = run(searched)
    before = paths[0].stat().st_mtime_ns
    run(searched)
    assert paths[0].stat().st_mtime_ns == before
    other = of(searched, decide={"coverage": 0.7})
    words = "searched with decide.calibration isotonic, not none, .* decide.coverage 0.8, not 0.7 as the experiment now"
    with pytest.raises(SpineError, match=words):
        ExperimentRun(other).weights  # noqa: B018
    with pytest.raises(SpineError, match=r"decide.youden True, not False"):
        ExperimentRun(of(searched, decide={})).weights  # noqa: B018


def test_what_was_not_asked_for_is_missed_where_it_is_now(tmp_path):
    experiment = write_experiment(tmp_path, search=SEARCH)
    weights = read_json(run(experiment)[0])
    assert "decisions" not in weights
    with pytest.raises(SpineError, match=r"decide.cost None, not 3.0 as the experiment now asks; run `spine search"):
        ExperimentRun(of(experiment, decide={"cost": 3})).weights  # noqa: B018


@pytest.mark.parametrize(
    ("settings", "flattered"),
    [({"members": ("only",)}, False), ({"search": {**SEARCH, "per_class": True, "metric": "accuracy"}}, True)],
    ids=["one-member", "class-weights"],
)
def test_without_cross_validation_they_are_of_the_served_weights(tmp_path, settings, flattered):
    experiment = write_experiment(tmp_path, **{"search": SEARCH, **settings}, decide={"youden": True, "coverage": 0.8})
    run(experiment)
    evaluated = ExperimentRun(experiment).evaluator("validation")
    written = ExperimentRun(experiment).weights.decisions
    expected = fit_decisions(
        experiment.decide, experiment.labels, evaluated.ensemble.probabilities, evaluated.values, evaluated.patients
    )
    assert written.operating_point == expected.operating_point
    assert written.conformal == expected.conformal
    assert (FLATTERED in written.notes) is flattered
