import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from ensemble import evaluate
from ensemble.evaluators.rows import EQUAL, PairedTest
from ensemble.evaluators.verdict import _Verdict
from ensemble.experiment_run import ExperimentRun
from ensemble.results.evaluation import McNemarTest
from ensemble.results.overlap import find_overlap
from spine.core.files import read_json, write_json
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.member.member import Member, Patients
from spine.metrics import classification as metrics
from spine.metrics.statistics import Interval
from tests.bootstrap import bootstrap_interval
from tests.csv_rows import csv_rows
from tests.experiment_on_disk import hashes, write_experiment, write_member, write_predictions, write_weights

FAST = {"evaluate": {"resamples": 200}}


def evaluated(experiment):
    return read_json(evaluate.run(experiment)[0])


def row_of(found, name):
    return next(row for row in found["rows"] if row["name"] == name)


def test_rows_are_members_then_equal_weights_then_the_ensemble(tmp_path):
    experiment = write_experiment(tmp_path, weights={"vgg": 0.5, "dense": 0.5, "squeeze": 0.0}, **FAST)
    found = ExperimentRun(experiment).evaluator("test")
    assert [row.name for row in found.rows] == ["vgg", "dense", "squeeze", EQUAL, "ensemble"]
    vgg, dense, squeeze = (row.probabilities for row in found.members)
    assert found.equal.probabilities == pytest.approx((vgg + dense + squeeze) / 3)
    assert found.ensemble.probabilities == pytest.approx((vgg + dense) / 2)


def test_repeated_slices_are_one_unit_and_all_are_counted(tmp_path):
    experiment = write_experiment(tmp_path, slices=3, **FAST)
    counts = evaluated(experiment)["counts"]
    assert {key: counts[key] for key in ("patients", "units", "rows")} == {
        "patients": 15,
        "units": 15 * 2,
        "rows": 15 * 2 * 3,
    }
    assert sum(counts["units_per_class"].values()) == 15 * 2


def test_values_and_intervals_are_those_of_metrics_and_statistics(tmp_path):
    experiment = write_experiment(tmp_path, seed=7, **FAST)
    test = ExperimentRun(experiment).evaluator("test")
    dense = row_of(evaluated(experiment), "dense")["metrics"]["roc_auc"]
    probabilities = test.members[1].probabilities
    expected = bootstrap_interval(
        lambda w: metrics.roc_auc(test.values, probabilities, w), test.patients, 200, 0.95, experiment.seed
    )
    assert (dense["value"], dense["low"], dense["high"]) == (expected.value, expected.low, expected.high)
    assert dense["low"] < dense["value"] < dense["high"]


def test_the_best_single_member_is_chosen_on_validation(tmp_path):
    experiment = write_experiment(tmp_path, members=("vgg", "dense"), **FAST)
    found = evaluated(experiment)
    validation = ExperimentRun(experiment).evaluator("validation")
    scores = {row.name: metrics.accuracy(validation.values, row.probabilities) for row in validation.members}
    assert found["best_on_validation"] == max(scores, key=scores.__getitem__)
    assert found["comparisons"][1]["against"] == found["best_on_validation"]
    areas = {row["name"]: row["metrics"]["roc_auc"]["value"] for row in found["rows"] if row["kind"] == "member"}
    assert found["best_on_test"] == max(areas, key=areas.__getitem__)


def test_comparisons_are_paired(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    found = evaluated(experiment)
    against_equal, against_best = found["comparisons"]
    ensemble, best = row_of(found, "ensemble"), row_of(found, found["best_on_validation"])
    for name in ("roc_auc", "accuracy"):
        expected = ensemble["metrics"][name]["value"] - best["metrics"][name]["value"]
        assert against_best["differences"][name]["value"] == pytest.approx(expected)
    units, mcnemar = found["counts"]["units"], against_best["mcnemar"]
    accuracy = (mcnemar["only_first"] - mcnemar["only_second"]) / units
    assert accuracy == pytest.approx(against_best["differences"]["accuracy"]["value"])
    assert against_best["delong"]["difference"] == pytest.approx(against_best["differences"]["roc_auc"]["value"])
    assert against_equal["against"] == EQUAL
    assert found["verdict"] == f"{against_equal['verdict']} {against_best['verdict']}"


def verdict_of(tmp_path, noise, weights=None):
    names = ("first", "second", "third")[: len(noise)]
    chosen = dict(zip(names, weights, strict=True)) if weights else None
    patients = {"train": 4, "validation": 12, "test": 60}
    return evaluated(
        write_experiment(tmp_path, members=names, noise=noise, weights=chosen, patients=patients, slices=1, **FAST)
    )


def test_the_verdict_claims_what_is_clear(tmp_path):
    """One member sees well, two hardly: all the weight on the first, then on the second."""
    found = verdict_of(tmp_path, (0.1, 5.0, 5.0), (1.0, 0.0, 0.0))
    assert found["verdict"].startswith("The ensemble is better than equal weights; AUC +")
    assert found["verdict"].endswith(
        "The ensemble and the best single member on validation (first) predict the same: that member has all the "
        "weight."
    )
    found = verdict_of(tmp_path / "worse", (0.1, 5.0, 5.0), (0.0, 1.0, 0.0))
    assert found["verdict"].startswith("The ensemble is worse than equal weights; AUC -")
    assert "The ensemble is worse than the best single member on validation (first); AUC -" in found["verdict"]
    assert "% interval -" in found["verdict"]
    assert "DeLong p" in found["verdict"]


def test_the_verdict_claims_nothing_without_evidence(tmp_path):
    found = evaluated(write_experiment(tmp_path, members=("first", "second"), noise=(0.9, 0.9), **FAST))
    assert found["comparisons"][0]["identical"]
    same = "The ensemble and equal weights predict the same. "
    assert found["verdict"].startswith(f"{same}No evidence that the ensemble is better than the best single member")


def test_what_is_worse_by_another_metric_than_the_headline_is_said(tmp_path):
    """The only member of weight ranks as well as the best does, but calls everything one class."""
    weights = {"first": 0.0, "second": 1.0}
    experiment = write_experiment(tmp_path, members=tuple(weights), noise=(0.7, 2.0), weights=weights, **FAST)
    best = Member.open(experiment.member_directory("first"))
    second = Member.open(experiment.member_directory("second"))
    truth = ExperimentRun(experiment).predictions("test").truth
    said = best.predictions("test").values.astype(float)
    said[:, 1] = 0.4 * said[:, 1]  # the same order, below one half
    said[:, 0] = 1 - said[:, 1]
    write_predictions(second.path, truth, said, "test", second.card.model_hash)
    found = evaluated(experiment)
    assert found["best_on_validation"] == "first"
    assert found["comparisons"][1]["verdict"].startswith(
        "No evidence that the ensemble is better than the best single member on validation (first), and by accuracy it "
        "is worse; AUC 0.000 "
    )


def test_one_member_is_no_ensemble(tmp_path):
    found = evaluated(write_experiment(tmp_path, members=("only",), **FAST))
    assert [row["name"] for row in found["rows"]] == ["only", EQUAL, "ensemble"]
    assert found["verdict"] == "only is the only member: there is no ensemble to judge."


def test_more_than_two_classes(tmp_path):
    found = evaluated(write_experiment(tmp_path, labels=("mild", "moderate", "severe"), **FAST))
    assert found["comparisons"][0]["delong"] is None
    assert np.shape(row_of(found, "ensemble")["confusion"]) == (3, 3)
    assert 0.5 < row_of(found, "ensemble")["metrics"]["roc_auc"]["value"] < 1


def test_a_patient_seen_before_is_refused_and_named_by_use(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    manifest = Manifest.read(experiment.data)
    directory = experiment.member_directory("vgg")
    card = Member.open(directory).card
    trained = (*card.patients.trained, patient_hash("test03"))
    Member.publish(
        directory, card.model_copy(update={"patients": card.patients.model_copy(update={"trained": trained})})
    )
    with pytest.raises(SpineError, match="1 test patients were seen before: vgg trained on 1"):
        evaluate.run(experiment)
    assert not experiment.evaluation_directory.exists()

    settings = experiment.evaluate.model_copy(update={"allow_overlap": True})
    allowed = experiment.model_copy(update={"evaluate": settings})
    found = evaluated(allowed)
    assert found["overlap"]["seen"] == {"vgg": {"trained": 1}}
    assert found["notes"][0].startswith("Not an honest test: 1 test patients")
    assert "Not an honest test" in shown(allowed)
    assert hashes(manifest, "test")[0] not in json.dumps(found)


def test_a_patient_the_search_used_is_refused(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    path = experiment.ensemble_directory / "weights.json"
    content = read_json(path)
    content["patients"]["searched"] = list(hashes(Manifest.read(experiment.data), "test"))
    write_json(content, path)
    with pytest.raises(SpineError, match="15 test patients were seen before: the search searched on 15"):
        evaluate.run(experiment)


def test_what_could_not_be_checked_is_said():
    sources = {"foreign": Patients(), "other": Patients(salt="0000", trained=(patient_hash("a"),))}
    overlap = find_overlap(["a", "b"], sources)
    assert overlap.seen == {}
    assert overlap.notes == [
        "Overlap was not checked for foreign: it names no patients.",
        "Overlap was not checked for other: it hashes its patients under the salt 0000, "
        f"this project under {salt_id()}.",
    ]


def test_what_is_unchanged_is_not_computed_again(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    first = evaluate.run(experiment)[0].stat().st_mtime_ns
    assert evaluate.run(experiment)[0].stat().st_mtime_ns == first
    write_weights(experiment, {"vgg": 1.0, "dense": 0.0, "squeeze": 0.0})
    second = evaluate.run(experiment)[0].stat().st_mtime_ns
    assert second != first
    write_member(experiment, "dense", noise=0.1)
    with pytest.raises(
        SpineError, match=r"searched on earlier predictions of dense, which have changed since; run `spine search"
    ):
        evaluate.run(experiment)
    write_weights(experiment, {"vgg": 1.0, "dense": 0.0, "squeeze": 0.0})
    assert evaluate.run(experiment)[0].stat().st_mtime_ns != second


def test_files_hold_no_nan_and_one_line_a_row(tmp_path):
    """One test patient: nothing to draw, so no interval."""
    experiment = write_experiment(tmp_path, patients={"train": 1, "validation": 3, "test": 1}, **FAST)
    json_path, csv_path = evaluate.run(experiment)
    found = json.loads(json_path.read_text(), parse_constant=pytest.fail)
    assert row_of(found, "ensemble")["metrics"]["accuracy"]["low"] is None
    assert "cannot be told" in found["verdict"]
    rows = csv_rows(csv_path)
    assert [row["name"] for row in rows] == ["vgg", "dense", "squeeze", EQUAL, "ensemble"]
    assert {row["patients"] for row in rows} == {"1"}
    assert "roc_auc_low" in rows[0]
    assert "ensemble" in shown(experiment)


def shown(experiment):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate.leaderboard(experiment))
    return " ".join(console.export_text().split())


def test_the_leaderboard_fits_a_terminal(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    found, text = evaluated(experiment), shown(experiment)
    area = row_of(found, "squeeze")["metrics"]["roc_auc"]
    assert f"squeeze 0.33 {area['value']:.3f} ({area['low']:.2f}–{area['high']:.2f})" in text
    assert found["verdict"].split(";")[0] in text
    assert "…" not in text


def test_what_is_said_below_the_leaderboard_stands_at_the_left(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    verdict = evaluated(experiment)["verdict"]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate.leaderboard(experiment))
    assert any(line.rstrip() and verdict.startswith(line.rstrip()) for line in console.export_text().splitlines())


def test_missing_or_foreign_weights_are_refused(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    write_weights(experiment, {"vgg": 1.0})
    with pytest.raises(SpineError, match="spine search"):
        evaluate.run(experiment)
    (experiment.ensemble_directory / "weights.json").unlink()
    with pytest.raises(SpineError, match="spine search"):
        evaluate.run(experiment)
    with pytest.raises(SpineError, match="spine evaluate"):
        evaluate.leaderboard(experiment)


def test_weights_of_another_search_are_refused(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    changed = experiment.search.model_copy(update={"method": "tpe", "step": 0.05})
    with pytest.raises(SpineError, match=r"method grid, not tpe and step 0.1, not 0.05 .* `spine search EXPERIMENT`"):
        evaluate.run(experiment.model_copy(update={"search": changed}))


def test_a_member_that_calls_one_class_alone_is_told(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    truth = ExperimentRun(experiment).predictions("test").truth
    always = np.tile([0.6, 0.4], (len(truth.samples), 1))
    member = Member.open(experiment.member_directory("dense"))
    write_predictions(member.path, truth, always, "test", member.card.model_hash)
    notes = evaluated(experiment)["notes"]
    assert [note for note in notes if "all 30 units" in note] == [
        "dense calls all 30 units healthy, the class of highest probability: accuracy is then the share of units that "
        "are healthy, and only AUC tells how well units are ranked."
    ]


@pytest.mark.parametrize(("patients", "few"), [(9, True), (10, True), (49, True), (50, False)])
def test_few_patients_are_told(tmp_path, patients, few):
    experiment = write_experiment(tmp_path, patients={"train": 1, "validation": 3, "test": patients}, **FAST)
    assert any(f"only {patients} test patients" in note for note in evaluated(experiment)["notes"]) == few


@pytest.mark.parametrize(
    ("ahead", "claim"), [((-0.02, -0.02, -0.02), "cannot be told"), ((0.1, 0.0, 0.2), "No evidence")]
)
def test_an_interval_without_width_tells_nothing(ahead, claim):
    """Few resamples of few patients have a value, and all the same."""
    scores, other = (
        SimpleNamespace(headline="roc_auc", confidence=0.95),
        SimpleNamespace(kind="equal", name="equal weights"),
    )
    scores.rows = SimpleNamespace(TASK="classification", names={})
    verdict = _Verdict(scores, other, "", False, {"roc_auc": Interval(*ahead)}, {})
    assert claim in verdict._claim


@pytest.mark.parametrize(("p", "told"), [(0.01, True), (0.2, False), (None, True)])
def test_worse_by_another_metric_needs_its_own_test_to_be_small(p, told):
    """Of 14 units one way and 6 the other the interval may leave out 0, and McNemar's p is 0.12."""
    scores, other = SimpleNamespace(headline="roc_auc", confidence=0.95), SimpleNamespace(kind="equal", name="equal")
    scores.rows = SimpleNamespace(TASK="classification", names={"accuracy": "accuracy"})
    differences = {"roc_auc": Interval(0.01, -0.1, 0.1), "accuracy": Interval(-0.1, -0.2, -0.01)}
    result = None if p is None else McNemarTest(only_first=6, only_second=14, p=p)
    tests = {} if result is None else {"accuracy": PairedTest("mcnemar", "accuracy", "exact McNemar", result)}
    claim = _Verdict(scores, other, "", False, differences, tests)._claim
    assert ("by accuracy it is worse" in claim) == told


def graded(tmp_path, **settings):
    return write_experiment(tmp_path, members=("near", "far"), labels=("1", "2", "3", "4"), **FAST, **settings)


def test_grades_are_compared_by_how_far_off_they_are(tmp_path):
    """Both are right as often; one errs by a grade, the other by as many as there are."""
    experiment = graded(tmp_path, ordinal=True, weights={"near": 0.0, "far": 1.0})
    for name in ("near", "far"):
        member = Member.open(experiment.member_directory(name))
        for split in ("validation", "test"):
            truth = ExperimentRun(experiment).predictions(split).truth
            wrong = np.arange(len(truth.values)) % 2 == 0
            off = (
                np.where(truth.values < 2, 3, 0) if name == "far" else truth.values + np.where(truth.values < 2, 1, -1)
            )
            said = np.eye(4)[np.where(wrong, off, truth.values)] * 0.9 + 0.025
            write_predictions(member.path, truth, said, split, member.card.model_hash)
    write_weights(experiment, {"near": 0.0, "far": 1.0})
    found = evaluated(experiment)
    assert found["headline"] == "quadratic_kappa"
    against = found["comparisons"][1]
    assert against["against"] == "near"
    assert list(against["differences"]) == ["quadratic_kappa", "mean_absolute_error"]
    assert against["differences"]["mean_absolute_error"]["value"] > 0
    assert against["differences"]["mean_absolute_error"]["low"] > 0
    assert against["verdict"].startswith(
        "The ensemble is worse than the best single member on validation (near); quadratic kappa -"
    )
    assert "mean absolute error +" in against["verdict"]
    areas = {row["name"]: row["metrics"]["quadratic_kappa"]["value"] for row in found["rows"]}
    assert found["best_on_test"] == "near"
    assert areas["near"] > areas["far"]


def test_labels_that_come_to_be_in_order_are_evaluated_again(tmp_path):
    assert "quadratic_kappa" not in row_of(evaluated(graded(tmp_path)), "near")["metrics"]
    ordered = graded(tmp_path, ordinal=True)
    assert row_of(evaluated(ordered), "near")["metrics"]["quadratic_kappa"]["value"] is not None
