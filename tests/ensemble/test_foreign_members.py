"""A scikit-learn model joins the ensemble, by the very script of docs/foreign_members.md."""

import re
from pathlib import Path

import numpy as np
import pytest

from ensemble import evaluate, predict, search
from pipeline import stages, training
from pipeline.cli import main
from pipeline.experiments import load_experiment, validate_experiment
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.experiment.config import Experiment
from spine.experiment.foreign import read_samples, require_predictions, write_foreign
from spine.member.member import Card, Member, NoModel
from spine.predictions.predictions import BoxPredictions, Predictions
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import (
    noisy_pixels,
    write_experiment,
    write_model,
    write_segmentation_experiment,
    write_weights,
)

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "foreign_members.md").read_text()
SCRIPT, OUT_OF_FOLD_SCRIPT = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def with_foreign(experiment: Experiment, name: str) -> Experiment:
    raw = experiment.model_dump(exclude={"members"})
    return validate_experiment({**raw, "members": {**experiment.members, name: {"foreign": True}}}, "here")


@pytest.fixture
def experiment(tmp_path, monkeypatch) -> Experiment:
    """One trained member, and the one of the script."""
    monkeypatch.chdir(tmp_path)
    found = with_foreign(
        write_experiment(tmp_path, members=("vgg",), search={"resamples": 20}, evaluate={"resamples": 100}), "logistic"
    )
    found.write(tmp_path / "experiment.yaml")
    return load_experiment(tmp_path / "experiment.yaml")


def test_the_script_of_the_page_makes_a_member(experiment):
    assert len(SCRIPT.splitlines()) < 25
    exec(compile(SCRIPT, "docs/foreign_members.md", "exec"), {})
    directory = experiment.member_directory("logistic")
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}

    training.train_members(experiment, lambda line: None)
    predict.run(experiment)
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before

    weights = read_json(search.run(experiment)[0])
    assert weights["singles"]["logistic"] > 0.6  # the classes differ in their grey levels, and it has learned that
    assert set(weights["weights"]) == {"vgg", "logistic"}
    metrics = read_json(evaluate.run(experiment)[0])
    assert [row["name"] for row in metrics["rows"]] == ["vgg", "logistic", "equal weights", "ensemble"]
    assert metrics["overlap"]["unchecked"] == {}


def test_the_second_script_of_the_page_brings_what_folds_ask_for(experiment):
    folded = experiment.model_copy(update={"folds": 3})
    folded.write(Path("experiment.yaml"))
    names = {}
    exec(compile(SCRIPT, "docs/foreign_members.md", "exec"), names)
    with pytest.raises(SpineError, match="not of out-of-fold as the dataset is now"):
        require_predictions(folded, ["logistic"])
    exec(compile(OUT_OF_FOLD_SCRIPT, "docs/foreign_members.md", "exec"), names)
    require_predictions(folded, ["logistic"])
    truth = read_samples(folded, "out-of-fold")
    said = Member.open(folded.member_directory("logistic")).predictions("out-of-fold")
    assert np.mean(said.values.argmax(axis=1) == truth.values) > 0.6


@pytest.fixture
def spine(monkeypatch, capfd):
    """The command line: its exit status, and what it prints."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["spine", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capfd.readouterr()

    return call


def test_all_stages_run_and_only_the_export_is_refused_and_told(experiment, spine):
    exec(compile(SCRIPT, "docs/foreign_members.md", "exec"), {})
    reason = "logistic, of weight above 0, has no SavedModel, only stored predictions"
    status, printed = spine("run", "experiment.yaml", "search.method=equal")
    assert status == 0
    assert f"== not exported: the ensemble 'weighted' cannot be exported: {reason}." in printed.err
    assert "runs/small/evaluation/metrics.json" in printed.out
    assert "report.html" in printed.out
    note = f"This ensemble has no SavedModel and cannot be served: {reason}."
    assert note in read_json(experiment.evaluation_directory / "metrics.json")["notes"]
    assert note in (experiment.directory / "report.html").read_text()
    assert not (experiment.ensemble_directory / "model").exists()

    status, printed = spine("export", "experiment.yaml", "search.method=equal")
    assert status == 1
    assert reason in printed.err


def test_what_lacks_a_model_at_another_stage_ends_the_run(experiment, monkeypatch):
    exec(compile(SCRIPT, "docs/foreign_members.md", "exec"), {})

    def no_model(experiment):
        raise NoModel("nothing to run")

    monkeypatch.setattr("ensemble.search.run", no_model)
    with pytest.raises(NoModel, match="nothing to run"):
        stages.run_all(experiment, lambda line: None)


def test_a_model_exported_before_a_foreign_member_had_weight_is_not_taken_for_the_ensemble(experiment):
    said = {split: np.full((len(read_samples(experiment, split).samples), 2), 0.5) for split in ("validation", "test")}
    write_foreign(experiment, "logistic", said)
    card = Card(name="weighted", task="classification", labels=experiment.labels, details={"weights": {"vgg": 1.0}})
    Member.publish(experiment.ensemble_directory, card)
    write_model(experiment.ensemble_directory, "of vgg alone")
    write_weights(experiment, {"vgg": 1.0, "logistic": 0.0})
    assert "ensemble" in read_json(evaluate.run(experiment)[0])["costs"]
    write_weights(experiment, {"vgg": 0.5, "logistic": 0.5})
    found = read_json(evaluate.run(experiment)[0])
    assert "ensemble" not in found["costs"]  # what logistic costs is not known
    assert "has no SavedModel" in found["notes"][1]


def test_patients_it_was_trained_on_are_not_judged_on(experiment):
    said = {split: np.full((len(read_samples(experiment, split).samples), 2), 0.5) for split in ("validation", "test")}
    write_foreign(experiment, "logistic", said, trained=read_samples(experiment, "test").patients)
    search.run(experiment)
    with pytest.raises(SpineError, match="logistic trained on 15"):
        evaluate.run(experiment)


def test_one_without_predictions_is_asked_for_before_any_training(experiment):
    with pytest.raises(
        SpineError, match=r"members.logistic: is an external member \(foreign: true\) without predictions"
    ):
        training.train_members(experiment, lambda line: None)
    with pytest.raises(SpineError, match="no foreign member 'vgg'"):
        write_foreign(experiment, "vgg", {})


def test_one_of_an_older_dataset_is_asked_for_again(experiment):
    said = {"validation": np.full((48, 2), 0.5)}
    write_foreign(experiment, "logistic", said)
    with pytest.raises(
        SpineError, match="'logistic' is an external member, and its stored predictions are not of test"
    ):
        predict.run(experiment)
    with pytest.raises(SpineError, match=r"asks? for \(48, 2\)"):
        write_foreign(experiment, "logistic", {"validation": np.full((47, 2), 0.5)})


def test_a_key_beside_foreign_is_refused(tmp_path):
    raw = {"name": "x", "task": "classification", "data": "d", "labels": ["a", "b"]}
    with pytest.raises(SpineError, match="network: unknown key"):
        validate_experiment({**raw, "members": {"m": {"foreign": True, "network": "vgg16"}}}, "here")


def test_masks_and_boxes_are_stored_as_members_store_theirs(tmp_path):
    masks = with_foreign(write_segmentation_experiment(tmp_path / "masks"), "theirs")
    truth = read_samples(masks, "test")
    member = write_foreign(masks, "theirs", {"test": (noisy_pixels(mask, 4, 0.5, 0) for mask in truth)})
    assert isinstance(member.predictions("test"), Predictions)
    assert len(member.predictions("test").values) == sum(height * width for height, width in truth.sizes)

    boxes = with_foreign(write_detection_experiment(tmp_path / "boxes"), "theirs")
    name = next(iter(boxes.members))
    said = list(Member.open(boxes.member_directory(name)).predictions("test"))
    stored = write_foreign(boxes, "theirs", {"test": said}).predictions("test")
    assert isinstance(stored, BoxPredictions)
    assert np.array_equal(stored.boxes, np.concatenate([one.boxes for one in said]))
