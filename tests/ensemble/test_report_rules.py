"""The report's parts on rules and decisions: what each is worth, what was left out, and other weights on test."""

from html import escape
from importlib import import_module

import pytest

from ensemble import evaluate, search
from ensemble.engine.rules.rules import RULES
from ensemble.report.decisions import decision_drawings
from ensemble.report.rules import MADE, RulesShown
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.core.words import signed
from spine.experiment.stages import DecideSettings
from tests.ensemble.small_evaluation import evaluation, row
from tests.experiment_on_disk import write_experiment
from tests.found_weights import found_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figures_without_pixels")]

SERVED = {
    "rule": "shrunk",
    "rules": {
        "shrunk": {"weights": {"a": 0.55, "b": 0.4, "c": 0.05}, "score": 0.87},
        "optimum": {"weights": {"a": 1.0, "b": 0.0, "c": 0.0}, "score": 0.91},
    },
    "pruned": {"c": {"weight": 0.05, "difference": 0.0012}},
}
WEIGHTS = found_weights({"a": 0.58, "b": 0.42, "c": 0.0}, score=0.88, **SERVED)


def estimate(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def seconds(**members):
    return {name: {"seconds": one, "megabytes": 1.0, "summed": False} for name, one in members.items()}


def shown(weights=WEIGHTS, **others):
    rows = [row(name, weight=weight) for name, weight in weights.weights.items()]
    rows += [
        row("equal weights", "equal", None, roc_auc=estimate(0.7)),
        row("ensemble", "ensemble", None, roc_auc=estimate(0.8)),
    ]
    return RulesShown.of(weights, evaluation(rows=rows, **others))


def test_every_rule_is_explained():
    assert set(MADE) == {*RULES, "one_split"}


def test_the_served_rule_is_told_as_it_is_served():
    rules = shown()
    assert [(one.name, one.score, one.is_served) for one in rules.rows] == [
        ("shrunk", 0.88, True),  # the score without c
        ("optimum", 0.91, False),
    ]
    assert rules.by_member == {"shrunk": WEIGHTS.weights, "optimum": {"a": 1.0, "b": 0.0, "c": 0.0}}
    assert rules.optimum == 0.91


@pytest.mark.parametrize(
    ("costs", "difference", "told"),
    [
        (
            seconds(a=0.01, b=0.018, c=0.012),
            0.0012,
            "costs nothing (accuracy +0.001) and saves 12.0 of 40.0 ms an image.",
        ),
        (seconds(a=0.01, c=0.012), 0.0001, "costs nothing (accuracy 0.000)."),  # what b takes is not known
        (seconds(a=0.01, b=None, c=0.012), None, "what leaving it out changes is undefined."),
        (seconds(a=0.01, b=0.018, c=None), 0.0012, "costs nothing (accuracy +0.001)."),
    ],
)
def test_who_was_left_out_is_told_with_what_that_saves(costs, difference, told):
    pruned = {"pruned": {"c": {"weight": 0.05, "difference": difference}}}
    (sentence,) = shown(found_weights(WEIGHTS.weights, **{**SERVED, **pruned}), costs=costs).pruned
    assert sentence.startswith("c, to which the rule gave 0.05: ")
    assert sentence.endswith(told)


def test_a_loss_that_falls_costs_nothing():
    pruned = {"pruned": {"c": {"weight": 0.05, "difference": -0.0271}}}
    rules = shown(found_weights(WEIGHTS.weights, **{**SERVED, **pruned}, metric="log_loss"), names={"log_loss": "loss"})
    assert not rules.higher_is_better
    assert rules.pruned == ["c, to which the rule gave 0.05: leaving it out costs nothing (loss −0.027)."]


def test_weights_of_one_split_stand_between_none_and_all():
    alone = {"weights": {"a": 0.0, "b": 1.0, "c": 0.0}, "patients": 12}
    counts = {"samples": 90, "units": 60, "patients": 40}
    weights = found_weights(WEIGHTS.weights, **SERVED, one_split=alone, counts=counts)
    behind = estimate(0.05, 0.01, 0.09)
    against_equal = {
        "against": "equal weights",
        "role": "equal weights",
        "identical": False,
        "differences": {},
        "all_differences": {"roc_auc": estimate(0.1)},
        "verdict": "Better.",
    }
    alternatives = [
        {"name": "optimum", "weights": {"a": 1.0}, "score": estimate(0.6), "difference": estimate(0.2)},
        {"name": "one_split", "weights": {"b": 1.0}, "score": estimate(0.75), "difference": behind},
    ]
    rules = shown(weights, alternatives=alternatives, comparisons=[against_equal])
    assert [(one.name, one.patients, one.score.value) for one in rules.of_one_split] == [
        ("one validation split", 12, 0.75),
        ("out-of-fold predictions", 40, 0.8),
        ("equal weights", None, 0.7),
    ]
    assert [one.behind and one.behind.value for one in rules.of_one_split] == [0.05, None, 0.1]
    assert [(one.name, one.behind and one.behind.value) for one in rules.tested] == [
        ("shrunk", None),
        ("optimum", 0.2),
        ("equal weights", 0.1),
    ]


def test_an_old_evaluation_has_no_weights_on_test():
    assert (shown().tested, shown().of_one_split) == ([], [])
    assert shown(found_weights({"a": 1.0})) is None


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_experiment(
            tmp_path_factory.mktemp("rules"),
            search={"step": 0.25, "resamples": 20, "metric": "roc_auc"},
            decide={"calibration": "temperature", "sensitivity": 0.9, "coverage": 0.8},
            evaluate={"resamples": 100},
        )
        search.run(experiment)
        evaluate.run(experiment)
        path, *_ = import_module("ensemble.report").run(experiment)
        yield experiment, path


def test_the_page_has_a_row_a_rule_and_one_of_its_weights_on_test(reported):
    experiment, path = reported
    text = path.read_text()
    weights = read_json(experiment.ensemble_directory / "weights.json")
    found = read_json(experiment.evaluation_directory / "metrics.json")
    others = [name for name in weights["rules"] if name not in (weights["rule"], "equal")]
    assert len(others) == len(RULES) - 2
    for name, held in weights["comparison"]["rows"].items():
        served = ", served" if name == weights["rule"] else ""
        score = weights["score"] if served else weights["rules"][name]["score"]
        line = next(line for line in text.split("<tr") if f"<td>{name}{served}<small>" in line)
        assert f"<td>{score:.3f}</td>" in line
        assert f"<td>{held['score']:.3f}</td>" in line
    assert [one["name"] for one in found["alternatives"]] == others
    tested = text.split("on test</h3>")[1].split("</table>")[0]
    for one in found["alternatives"]:
        line = next(line for line in tested.split("<tr") if f"<td>{one['name']}</td>" in line)
        assert f"{one['score']['value']:.3f}<small>" in line
        assert f"{signed(one['difference']['value'])}<small>".replace("-", "−") in line
    assert "weights by rule" in text
    assert (experiment.evaluation_directory / "weights_by_rule.png").exists()
    assert f"scores {weights['rules']['optimum']['score']:.3f} by AUC on the validation patients" in text
    assert "One validation split" not in text


def test_decisions_are_shown_as_they_are_on_test(reported):
    experiment, path = reported
    text = path.read_text().split("<h2>Decisions</h2>")[1].split("<h2>")[0]
    found = read_json(experiment.evaluation_directory / "metrics.json")["decisions"]
    fitted = read_json(experiment.ensemble_directory / "weights.json")["decisions"]
    for note in fitted["notes"]:
        assert escape(note) in text
    calibration, point, sets = found["calibration"], found["operating_point"], found["sets"]
    for one in (calibration["before"], calibration["after"]):
        assert f"{one['ece']['value']:.3f}<small>{one['ece']['low']:.2f}–{one['ece']['high']:.2f}" in text
        assert f"{one['brier']['value']:.3f}<small>" in text
    threshold = f"probability of <strong>{point['threshold']:.3f}</strong>"
    assert f"{threshold} on, as served, not calibrated, chosen for a sensitivity of 0.9." in text
    assert f"<td>{fitted['operating_point']['sensitivity']:.3f}</td>" in text
    assert f"{point['sensitivity']['value']:.3f}<small>" in text
    for one in (sets["coverage"], *sets["coverage_of_label"].values(), sets["size"], sets["undecided"]):
        assert f"{one['value']:.3f}<small>" in text
    assert f"{sets['units_of_size'][1]} units have 1" in text
    pictures = {picture.stem for picture in experiment.evaluation_directory.glob("*.png")}
    assert {"reliability", "confusion_decided", "decision_curve"} <= pictures
    assert text.count("<svg") == 3


def one_patient(**others):
    """Decisions of a test split of one patient, who has no interval."""
    known = estimate(0.5)
    bins = [{"said": 0.2, "observed": known, "units": 4}, {"said": 0.8, "observed": estimate(None), "units": 4}]
    reliability = {"ece": known, "ece_by_chance": 0.1, "brier": known, "bins": bins}
    return {"calibration": {"before": reliability}, **others}


def test_figures_of_decisions_do_without_what_is_undefined():
    points = [
        {"threshold": 0.2, "benefit": estimate(0.3), "treat_all": 0.375, "ahead": estimate(-0.075)},
        {"threshold": 0.5, "benefit": estimate(None), "treat_all": 0.0, "ahead": estimate(None)},
    ]
    decisions = one_patient(curve={"of": "probabilities", "points": points})
    drawings = decision_drawings(evaluation(decisions=decisions))
    assert set(drawings) == {"reliability", "decision_curve"}
    (axis,) = drawings["decision_curve"]().axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axis.lines}
    assert lines["by the model"] == [[0.2, 0.3]]
    assert lines["act on all"] == [[0.2, 0.375]]
    (axis,) = drawings["reliability"]().axes
    assert [line.get_xydata().tolist() for line in axis.lines if line.get_label() == "as served"] == [[[0.2, 0.5]]]


def test_of_three_labels_reliability_is_of_the_likeliest():
    drawings = decision_drawings(evaluation(labels=["mild", "moderate", "severe"], decisions=one_patient()))
    assert list(drawings) == ["reliability"]
    (axis,) = drawings["reliability"]().axes
    assert axis.get_xlabel() == "probability of the likeliest label"
    assert decision_drawings(evaluation()) == {}


def test_files_of_older_versions_make_a_page_without_rules(reported):
    experiment = reported[0].model_copy(update={"decide": DecideSettings()})
    rules = {"rule", "rules", "shrinkage", "kappa", "comparison", "pruned", "one_split", "alternatives", "decisions"}
    for path in (experiment.ensemble_directory / "weights.json", experiment.evaluation_directory / "metrics.json"):
        content = read_json(path)
        content["search"] = {key: one for key, one in content.get("search", {}).items() if key not in rules}
        content["comparisons"] = content.get("comparisons", [])[::-1]  # the best single member was first
        write_json({key: one for key, one in content.items() if key not in rules}, path)
    path, *_ = import_module("ensemble.report").run(experiment)
    text = path.read_text()
    assert "Which rule holds on other patients?" not in text
    assert "<h2>Decisions</h2>" not in text
    assert "What the search is worth" in text
    assert "Chosen on validation by AUC" in text


def test_weights_of_another_search_than_was_judged_make_no_page(tmp_path):
    experiment = write_experiment(tmp_path, search={"step": 0.5, "resamples": 20})
    search.run(experiment)
    evaluate.run(experiment)
    other = experiment.model_copy(update={"search": experiment.search.model_copy(update={"rule": "dropped"})})
    search.run(other)
    with pytest.raises(SpineError, match="measured with other weights than"):
        import_module("ensemble.report").run(other)
