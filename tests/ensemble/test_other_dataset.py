"""Members and weights judged on another dataset: here the same patients' discs, some of them missing or drawn anew."""

import shutil
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ensemble import evaluate
from ensemble import other_dataset as elsewhere
from ensemble.evaluators.classification import ClassificationEvaluator
from ensemble.experiment_run import ExperimentRun
from pipeline.cli import app
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.core.words import signed
from spine.dataset.manifest import Manifest
from spine.intake.build import SUMMARY
from spine.member import predict
from spine.metrics import classification as metrics
from spine.metrics.statistics import patient_resamples
from tests.ensemble.documents.atlas_schema import assert_valid
from tests.experiment_on_disk import noisy, write_dataset, write_experiment, write_predictions

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figures_without_pixels")]

FAST = {"evaluate": {"resamples": 200}}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Members whose SavedModels see other data through more noise."""

    def predict_noisily(member, model, split, truth, advance, measurements):
        write_predictions(member.path, truth, noisy(truth, 2.0, len(member.name)), split, member.card.model_hash)

    monkeypatch.setattr(predict, "load_model", lambda member: None)
    monkeypatch.setattr(predict, "predict_split", predict_noisily)
    return write_experiment(tmp_path, **FAST)


@pytest.fixture
def other(experiment):
    """The dataset without the last disc of the test split, as if no detector had found it."""
    path = experiment.data.with_name("detected")
    shutil.copytree(experiment.data, path)
    manifest = Manifest.read(path)
    last = manifest.samples_in("test")[-2:]  # two slices
    tables = {
        name: getattr(manifest, name)[~getattr(manifest, name)["sample"].isin(last)]
        for name in ("images", "labels", "splits")
    }
    Manifest(path, **tables).write()
    return path


def judged(experiment, other):
    return read_json(evaluate.run(experiment, other)[0])


def test_files_lie_apart_and_say_what_was_judged(experiment, other):
    own = evaluate.run(experiment)
    before = own[0].read_text()
    found = judged(experiment, other)
    directory = experiment.directory / "evaluation-detected"
    assert evaluate.run(experiment, other) == [directory / "metrics.json", directory / "leaderboard.csv"]
    assert own[0].read_text() == before
    assert found["dataset"] == "detected"
    assert found["notes"][0] == "Judged on the test split of detected; the members learned from data."
    assert found["counts"]["units"] == read_json(own[0])["counts"]["units"] - 1
    assert found["best_on_validation"] == read_json(own[0])["best_on_validation"]
    assert "small on detected: 15 test patients" in str(evaluate.leaderboard(experiment, other).title)


def test_predictions_are_stored_beside_the_others_and_kept(experiment, other, monkeypatch):
    evaluate.run(experiment, other)
    name = f"test-of-detected-{Manifest.read(other).data_hash[:8]}"
    for member in experiment.members:
        assert (experiment.member_directory(member) / "predictions" / name / "predictions.json").exists()
    monkeypatch.setattr(predict, "predict_split", pytest.fail)
    monkeypatch.setattr(ExperimentRun, "evaluator_of", pytest.fail)
    evaluate.run(experiment, other)


def test_other_pictures_of_the_same_samples_are_predicted_anew(experiment, other):
    evaluate.run(experiment, other)
    manifest = Manifest.read(other)
    manifest.images["sha256"] = "of other crops"
    manifest.write()
    evaluate.run(experiment, other)
    stored = experiment.member_directory("vgg") / "predictions"
    assert len(list(stored.glob("test-of-detected-*"))) == 2


def test_the_cost_is_paired_by_patient(experiment, other):
    found, weights = judged(experiment, other), ExperimentRun(experiment).weights
    here = ClassificationEvaluator.of(elsewhere.predict_other_dataset(ExperimentRun(experiment), other), weights)
    own = ClassificationEvaluator.of(ExperimentRun(experiment).predictions("test"), weights)

    def areas(evaluator, draw):
        return metrics.roc_auc(evaluator.values, evaluator.ensemble.probabilities, draw)

    differences = [
        areas(here, first) - areas(own, second)
        for first, second in zip(*(patient_resamples(one.patients, 200, 0) for one in (here, own)), strict=True)
    ]
    one = found["against_own_dataset"]["ensemble"]
    assert one["value"] == pytest.approx(areas(here, None) - areas(own, None))
    assert (one["low"], one["high"]) == pytest.approx(np.quantile(differences, [0.025, 0.975]))
    assert f"{signed(one['value'])} ({signed(one['low'])} to {signed(one['high'])}) against data" in found["notes"][1]
    assert "on the same 15 patients, but not the same units: 29 here, 30 there." in found["notes"][1]


def test_what_the_detector_missed_is_told(experiment, other):
    counts = {"true": [90, 60], "detected": [95, 62], "matched": [90, 58], "missed": [0, 2], "unmatched": [5, 4]}
    pd.DataFrame(counts, index=["train", "test"]).to_csv(other / SUMMARY, index_label="split")
    note = judged(experiment, other)["notes"][1]
    assert "of 60 true boxes in the test pictures 58 were found and 2 missed" in note
    assert "4 of 62 detected boxes match no true one" in note
    assert note in import_module("ensemble.report").run(experiment, other)[0].read_text()
    assert note in str(evaluate.leaderboard(experiment, other).caption)


def test_other_patients_are_not_compared(experiment):
    path = experiment.data.with_name("elsewhere")
    write_dataset(path, experiment.labels, 1, {"train": 1, "validation": 1, "test": 4})
    found = judged(experiment, path)
    assert found["against_own_dataset"] == {}
    assert "other test patients" in found["notes"][1]


def test_patients_that_were_trained_on_are_found(experiment, other):
    manifest = Manifest.read(other)
    swapped = manifest.splits["split"].map({"train": "test", "test": "train", "validation": "validation"})
    Manifest(
        other, images=manifest.images, labels=manifest.labels, splits=manifest.splits.assign(split=swapped)
    ).write()
    with pytest.raises(SpineError, match="4 test patients were seen before"):
        evaluate.run(experiment, other)


def test_the_own_dataset_is_refused(experiment):
    with pytest.raises(SpineError, match="own dataset; leave --data out"):
        evaluate.run(experiment, experiment.data)


def test_the_command_prints_the_files_and_the_table(experiment, other, tmp_path):
    file = experiment.write(tmp_path / "small.yaml")
    result = CliRunner().invoke(app, ["evaluate", str(file), "--data", str(other)])
    assert result.exit_code == 0, result.output
    assert "evaluation-detected/metrics.json" in result.output.replace("\n", "")
    assert "small on detected" in result.output
    assert not experiment.evaluation_directory.exists()


def test_its_report_lies_beside_the_own_one(experiment, other):
    for dataset in (None, other):
        evaluate.run(experiment, dataset)
    own, elsewhere_ = (import_module("ensemble.report").run(experiment, dataset)[0] for dataset in (None, other))
    assert (own.name, elsewhere_.name) == ("report.html", "report-detected.html")
    found = read_json(experiment.directory / "evaluation-detected" / "metrics.json")
    assert "<h1>small on detected</h1>" in elsewhere_.read_text()
    assert found["notes"][0] in elsewhere_.read_text()
    assert found["notes"][0] not in own.read_text()
    assert f"{found['counts']['units']} units from" in elsewhere_.read_text()
    assert (experiment.directory / "evaluation-detected" / "roc.png").exists()
    assert_valid(experiment.directory, ("dataset_card", "dataset_card-detected"))
    card = read_json(experiment.directory / "dataset_card-detected.json")["Dataset"]
    assert [one["Partition"] for one in card["Partitions"]][-1] == "Test"
    told = (experiment.directory / "claim_2024.md").read_text()
    assert '<a href="dataset_card-detected.md">Dataset card of detected</a>' in elsewhere_.read_text()
    assert "None by this run. detected is of the same patients." in told
    assert "### Test on detected" in (experiment.directory / "model_card.md").read_text()
