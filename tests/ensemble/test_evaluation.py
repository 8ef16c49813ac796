"""metrics.json read, asked and written again: byte for byte what it was, and told by the key where it is damaged."""

import json

import numpy as np
import pytest

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.leaderboard import write_leaderboard
from ensemble.results.evaluation import DeLongTest, Estimate
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.metrics.statistics import DeLong, Interval
from tests.detection_on_disk import write_detection_experiment
from tests.ensemble.small_evaluation import NO_VALUE, VALUE, content, evaluation, row
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

WRITE = {
    "classification": write_experiment,
    "segmentation": write_segmentation_experiment,
    "detection": write_detection_experiment,
}


@pytest.mark.parametrize("task", WRITE)
def test_what_was_written_is_written_again_byte_for_byte(tmp_path, task):
    experiment = WRITE[task](tmp_path, evaluate={"resamples": 100})
    metrics, leaderboard, *_ = evaluate.run(experiment)
    written = ExperimentRun(experiment).evaluation()
    written.write(tmp_path / "metrics.json")
    write_leaderboard(written, tmp_path / "leaderboard.csv")
    assert (tmp_path / "metrics.json").read_bytes() == metrics.read_bytes()
    assert (tmp_path / "leaderboard.csv").read_bytes() == leaderboard.read_bytes()


OTHER = {
    "as it is": {},
    "of another dataset": {"against_own_dataset": {"a": VALUE}},
    "of another dataset with other patients": {"against_own_dataset": {}},
    "with a key of another version": {"of_another_version": "blue"},
    "with a test that has no p": {
        "comparisons": [
            {
                **content()["comparisons"][0],
                "delong": {
                    "first": 0.5,
                    "second": 0.25,
                    "difference": 0.25,
                    "z": None,
                    "p": None,
                    "why": "the difference has no variance",
                },
            }
        ]
    },
}


@pytest.mark.parametrize("changes", OTHER.values(), ids=OTHER)
def test_no_key_is_added_lost_or_moved(tmp_path, changes):
    write_json(content(**changes), tmp_path / "before.json")
    evaluation().read(tmp_path / "before.json").write(tmp_path / "after.json")
    before, after = ((tmp_path / name).read_text() for name in ("before.json", "after.json"))
    assert after == before


def test_the_csv_names_reasons_only_where_a_value_is_missing(tmp_path):
    write_leaderboard(evaluation(), tmp_path / "some.csv")
    head, first, *_ = (tmp_path / "some.csv").read_text().splitlines()
    assert head == (
        "name,kind,weight,patients,units,rows,roc_auc,roc_auc_low,roc_auc_high,"
        "accuracy,accuracy_low,accuracy_high,undefined"
    )
    assert first == "a,member,0.5,1,8,8,,,,0.5,0.25,0.75,roc_auc: the truth holds one class only"
    write_leaderboard(evaluation(rows=[row("a", roc_auc=VALUE)]), tmp_path / "none.csv")
    assert "undefined" not in (tmp_path / "none.csv").read_text()


def test_an_undefined_number_says_why():
    nan, inf = np.nan, np.inf
    assert Estimate.of(Interval(nan, nan, nan, 3), "roc_auc", "classification", 5).model_dump() == NO_VALUE
    one, many = (Estimate.of(Interval(0.5, nan, nan), "roc_auc", "classification", patients) for patients in (1, 2))
    assert (one.why, many.why) == (
        "with fewer than two patients there is nothing to draw",
        "no resample of the patients has a value",
    )
    assert Estimate.of(Interval(inf, nan, nan), "hausdorff_95_mm.disc", "segmentation", 5).value is None
    assert (
        Estimate.of(Interval(0.5, 0.25, 0.75), "roc_auc", "classification", 5).model_dump(exclude_unset=True) == VALUE
    )
    assert DeLongTest.of(DeLong(0.5, 0.25, 0.25, nan, nan)).why == "the difference has no variance"
    assert "why" not in DeLongTest.of(DeLong(0.5, 0.5, 0.0, 0.0, 1.0)).model_dump(exclude_unset=True)


def test_what_code_asks_of_it():
    found = evaluation()
    assert [member.name for member in found.members] == ["a", "b"]
    assert found.ensemble.name == "ensemble"
    assert found.row("equal weights").weight is None
    assert found.headline_name == "AUC"
    assert found.undefined_metrics == ["roc_auc"]
    assert found.footnotes(["accuracy", "roc_auc"]) == [
        "–: AUC of any row is undefined, since the truth holds one class only."
    ]
    assert found.ensemble.reasons == "roc_auc: the truth holds one class only"
    assert list(found.left_out) == ["a"]
    assert not found.is_of_other_dataset
    assert evaluation(against_own_dataset={}).is_of_other_dataset


DAMAGED = {
    "without a key": (lambda whole: whole.pop("headline"), "headline is missing"),
    "without rows": (lambda whole: whole.update(rows=[]), "rows"),
    "of another task": (lambda whole: whole.update(task="detection"), "task"),
    "a count as text": (lambda whole: whole["counts"].update(patients="1"), "counts.patients"),
    "a row without its matrix": (lambda whole: whole["rows"][1].pop("confusion"), "rows.1.confusion is missing"),
    "a bound as text": (lambda whole: whole["without"][0].update(score={**VALUE, "low": "0"}), "without.0.score.low"),
    "a cost without a size": (lambda whole: whole["costs"]["a"].pop("megabytes"), "costs.a.megabytes is missing"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGED.values(), ids=DAMAGED)
def test_the_key_that_does_not_hold_is_named(tmp_path, damage, words):
    whole = json.loads(json.dumps(content()))
    damage(whole)
    write_json(whole, tmp_path / "metrics.json")
    with pytest.raises(SpineError, match=rf"metrics.json cannot be read \(.*{words}.*spine evaluate EXPERIMENT` again"):
        evaluation().read(tmp_path / "metrics.json")
    assert read_json(tmp_path / "metrics.json") == whole


def test_a_verdict_has_a_sentence_a_comparison():
    against_equal, against_best = ({**content()["comparisons"][0], "verdict": said} for said in ("Better.", "Worse."))
    both = evaluation(verdict="Better. Worse.", comparisons=[against_equal, against_best])
    assert both.verdicts == ["Better.", "Worse."]
    before = evaluation(verdict="Worse.", comparisons=[against_best, against_equal])  # as older versions wrote it
    assert before.verdicts == ["Worse."]
    assert evaluation(verdict="a is the only member: there is no ensemble to judge.").verdicts == [
        "a is the only member: there is no ensemble to judge."
    ]
