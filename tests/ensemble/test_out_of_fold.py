"""An experiment with folds through all stages; training is a fake whose model is a line of arithmetic.

The model of fold k gives p(degenerated) = m ** (k + 1), m the mean grey of the picture; that of the refit m ** 0.5.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from classification.data import Data
from ensemble import evaluate, export, out_of_fold, predict, report, search
from ensemble import join_folds as folds
from ensemble.experiment_run import ExperimentRun
from pipeline import training
from pipeline.experiments import load_experiment, validate_experiment
from pipeline.jobs import work
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.folds import fold_of_patients, parts, refit
from spine.experiment.foreign import read_samples, write_foreign
from spine.images.pictures import read_greys
from spine.member.member import Member, Patients
from spine.member.serving import publish_model
from spine.training.checkpoints import Checkpoints
from spine.training.history import History
from spine.training.trainer import train_member
from tests.ensemble.documents.atlas_schema import assert_valid
from tests.experiment_on_disk import write_dataset
from tests.grey_model import MeanGrey
from tests.jobs_here import do_all_here, train_here

pytestmark = pytest.mark.slow

FOLDS, LABELS = 3, ("healthy", "degenerated")


@dataclass(frozen=True)
class FakeFitting:
    """Trains nothing: fold k has its best epoch in epoch k + 1 of 4."""

    name: str
    directory: Path
    data: Data
    fold: int | str
    epochs_per_phase: dict[str, int] | None = None
    is_chief: bool = True
    parts_patients: tuple[Patients, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.directory / "checkpoints")

    def run(self, prepare_directory) -> History:
        prepare_directory()
        history = History()
        for epoch in range(1, 5 if self.epochs_per_phase is None else self.epochs_per_phase["scratch"] + 1):
            loss = abs(epoch - 1 - self.fold) if self.epochs_per_phase is None else None
            measured = {"loss": 1.0 / epoch, "seconds": 1.0} | ({} if loss is None else {"val_loss": loss})
            history = history.with_epoch("scratch", measured, 0.1)
        history.write(self.directory / "history.csv")
        return history

    def best_epoch(self) -> int:
        return int(History.read(self.directory / "history.csv").best["epoch"])

    def own_history(self, history: History) -> History:
        return history

    def best_network(self) -> Any:
        return SimpleNamespace(name="grey", count_params=lambda: 1)

    def export(self, network: Any) -> Path:
        return publish_model(MeanGrey(0.5 if self.fold == "refit" else float(self.fold + 1)), self.directory)

    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {"probabilities": {"dtype": "float32", "shape": [None, 2]}}


def fake_train(experiment: Experiment, member: str) -> Path:
    def fitting_of(part, name, manifest, seed):
        data = Data.of(part, manifest, part.members[name], seed)
        return FakeFitting(name, part.member_directory(name), data, part.fold)

    return train_member(fitting_of, experiment, member)


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The trainings that were started, each with what its command adds; they run here, in this process."""
    started = []

    def train(name, file, *overrides):
        started.append(" ".join((name, *overrides)))
        fake_train(load_experiment(file, overrides), name)
        return 0

    train_here(monkeypatch, train)
    return started


def experiment_in(folder: Path, **settings) -> Experiment:
    if not (folder / "data").exists():
        write_dataset(folder / "data", LABELS, 2, {"train": 5, "validation": 1, "test": 2})
    raw = {
        "name": "folded",
        "task": "classification",
        "data": folder / "data",
        "target": "degeneration",
        "labels": LABELS,
        "runs": folder / "runs",
        "members": {"grey": {"network": "plain_cnn", "weights": "none"}},
        "folds": FOLDS,
        "evaluate": {"resamples": 100},
    }
    return validate_experiment({**raw, **settings}, "an experiment with folds")


def grey_means(truth) -> np.ndarray:
    return np.array([read_greys(path).pixels.mean() / 65535 for path in truth.paths])


def show(line: str) -> None: ...


@pytest.mark.usefixtures("figures_without_pixels")
def test_from_folds_to_the_leaderboard(tmp_path, trained):
    experiment = experiment_in(tmp_path)
    (directory,) = training.train_members(experiment, show)
    assert trained == ["grey fold=0", "grey fold=1", "grey fold=2"]
    written = predict.run(experiment)
    assert written == [directory / "predictions" / split for split in ("out-of-fold", "test")]

    # Each patient is answered by the model of his fold, in the order of the manifest.
    manifest = Manifest.read(experiment.data)
    fold_of = fold_of_patients(experiment, manifest)
    joined = ExperimentRun(experiment).predictions("out-of-fold")
    powers = np.array([fold_of[patient] + 1 for patient in joined.truth.patients])
    expected = grey_means(joined.truth) ** powers
    np.testing.assert_allclose(joined.stored["grey"].values[:, 1], expected, atol=1e-6)
    rows = dict(zip(joined.truth.samples, joined.stored["grey"].values, strict=True))
    for part in parts(experiment):
        own = Member.open(part.member_directory("grey")).predictions("out-of-fold")
        assert {fold_of[patient] for patient in own.index["patient"]} == {part.fold}
        assert all((rows[sample] == row).all() for sample, row in zip(own.index["sample"], own.values, strict=True))

    # What is served is the mean of the folds.
    test = ExperimentRun(experiment).predictions("test")
    m = grey_means(test.truth)
    np.testing.assert_allclose(test.stored["grey"].values[:, 1], (m + m**2 + m**3) / 3, atol=1e-5)

    search.run(experiment)
    export.run(experiment)
    evaluate.run(experiment)
    page, *_ = report.run(experiment)
    assert "out-of-fold" in page.read_text()
    assert_valid(experiment.directory)
    told = (experiment.directory / "claim_2024.md").read_text()
    assert "Train and validation are used together in 3 folds, disjoint by patient, " in told
    assert f"chosen on {len(fold_of)} patients of out-of-fold" in told
    weights = json.loads((experiment.ensemble_directory / "weights.json").read_text())
    assert weights["split"] == "out-of-fold"
    assert {key: weights["folds"][key] for key in ("count", "stop_on", "served")} == {
        "count": 3,
        "stop_on": "fold",
        "served": "mean",
    }
    assert sorted(weights["patients"]["searched"]) == sorted(map(patient_hash, fold_of))
    metrics = ExperimentRun(experiment).evaluation()
    notes = metrics.notes
    assert metrics.stopped_on_searched == ()  # the notes of the folds tell it
    assert any("also stopped the training" in note for note in notes)
    assert any("the mean of its 3 fold models" in note for note in notes)


def test_cards_tell_all_patients_of_the_folds_and_none_of_test(tmp_path, trained):
    experiment = experiment_in(tmp_path)
    (directory,) = training.train_members(experiment, show)
    manifest = Manifest.read(experiment.data)
    patients = set(map(patient_hash, fold_of_patients(experiment, manifest)))
    card = Member.open(directory).card
    assert set(card.patients.trained) == set(card.patients.stopped) == patients
    tested = {patient_hash(f"test{number:02d}") for number in range(2)}
    for part in parts(experiment):
        fold = Member.open(part.member_directory("grey")).card
        assert not tested & {*fold.patients.trained, *fold.patients.stopped}
        assert not set(fold.patients.trained) & set(fold.patients.stopped)
    assert card.folds == tuple(Member.open(part.member_directory("grey")).card.model_hash for part in parts(experiment))
    assert (card.kind, card.details["parameters"], card.details["parity"] < 1e-5) == ("folds", 3, True)


def test_a_refit_lasts_for_the_mean_of_the_folds_and_is_stopped_by_nobody(tmp_path, trained):
    experiment = experiment_in(tmp_path, served="refit")
    (directory,) = training.train_members(experiment, show)
    assert trained == ["grey fold=0", "grey fold=1", "grey fold=2", "grey fold=refit"]
    card = Member.open(refit(experiment).member_directory("grey")).card
    assert card.details["epochs"] == card.details["best_epoch"] == (1 + 2 + 3) / 3
    assert not card.patients.stopped
    served = Member.open(directory).card
    assert served.model_hash == card.model_hash
    assert len(served.patients.stopped) == len(served.patients.trained) == 6  # by the folds
    predict.run(experiment)
    test = ExperimentRun(experiment).predictions("test")
    np.testing.assert_allclose(test.stored["grey"].values[:, 1], grey_means(test.truth) ** 0.5, atol=1e-6)
    search.run(experiment)
    weights = json.loads((experiment.ensemble_directory / "weights.json").read_text())
    assert "not the models that were searched on" in weights["folds"]["notes"][2]


def test_what_is_unchanged_is_kept_and_another_choice_trains_no_fold_again(tmp_path, trained):
    experiment = experiment_in(tmp_path)
    (directory,) = training.train_members(experiment, show)
    predict.run(experiment)
    files = [directory / "member.json", directory / "predictions" / "out-of-fold" / "predictions.json"]
    times = [file.stat().st_mtime_ns for file in files]
    trained.clear()
    training.train_members(experiment, show)
    predict.run(experiment)
    assert not trained
    assert [file.stat().st_mtime_ns for file in files] == times
    training.train_members(experiment_in(tmp_path, served="refit"), show)
    assert trained == ["grey fold=refit"]
    assert Member.open(directory).card.details["served"] == "refit"
    training.train_members(experiment, show)  # and back
    assert trained == ["grey fold=refit"]
    assert Member.open(directory).card.details["served"] == "mean"


def test_a_crash_costs_one_fold(tmp_path, trained, monkeypatch):
    experiment = experiment_in(tmp_path)
    train = work.run_child

    def crash(command, *given, **options):
        return 1 if "fold=1" in command else train(command, *given, **options)

    monkeypatch.setattr(work, "run_child", crash)
    with pytest.raises(SpineError, match="training failed for grey fold 1"):
        training.train_members(experiment, show)
    assert not (experiment.member_directory("grey") / "member.json").exists()
    trained.clear()
    monkeypatch.setattr(work, "run_child", train)
    training.train_members(experiment, show)
    assert trained == ["grey fold=1"]


def test_with_an_inner_share_no_patient_of_a_fold_has_touched_its_model(tmp_path, trained):
    experiment = experiment_in(tmp_path, stop_on="inner")
    training.train_members(experiment, show)
    fold_of = fold_of_patients(experiment, Manifest.read(experiment.data))
    for part in parts(experiment):
        card = Member.open(part.member_directory("grey")).card
        own = {patient_hash(patient) for patient, fold in fold_of.items() if fold == part.fold}
        assert card.patients.stopped
        assert not own & {*card.patients.trained, *card.patients.stopped}
    assert "had no part" in out_of_fold.describe_folds(experiment, ExperimentRun(experiment).members).notes[1]


def test_a_model_that_has_seen_a_patient_of_its_fold_is_refused(tmp_path, trained):
    experiment = experiment_in(tmp_path)
    training.train_members(experiment, show)
    (fold, other, _) = (Member.open(part.member_directory("grey")) for part in parts(experiment))
    Member.publish(fold.path, fold.card.model_copy(update={"patients": other.card.patients}))
    with pytest.raises(SpineError, match=r"training overlap: .*fold-0 has seen 2 of the 2 patients"):
        predict.run(experiment)
    Member.publish(fold.path, fold.card.model_copy(update={"model_hash": "trained by hand since"}))
    with pytest.raises(SpineError, match="not made from its folds as they are now"):
        predict.run(experiment)


def test_a_test_patient_that_a_fold_has_seen_is_found(tmp_path, trained):
    experiment = experiment_in(tmp_path)
    (directory,) = training.train_members(experiment, show)
    predict.run(experiment)
    search.run(experiment)
    part = parts(experiment)[0]
    fold = Member.open(part.member_directory("grey"))
    seen = fold.card.patients.model_copy(update={"trained": (*fold.card.patients.trained, patient_hash("test00"))})
    Member.publish(fold.path, fold.card.model_copy(update={"patients": seen}))
    (directory / "member.json").unlink()
    folds.run(experiment)
    predict.run(experiment)
    with pytest.raises(SpineError, match="1 test patients were seen before: grey trained on 1"):
        evaluate.run(experiment)


def test_a_member_from_elsewhere_brings_its_own(tmp_path, trained):
    experiment = experiment_in(tmp_path)
    (directory,) = training.train_members(experiment, show)
    predict.run(experiment)
    card = Member.open(directory).card.model_copy(update={"kind": "foreign", "folds": ("other",)})
    Member.publish(directory, card)
    trained.clear()
    with pytest.raises(SpineError, match=r"'grey' is an external member, .* not of out-of-fold as the"):
        training.train_members(experiment, show)
    with pytest.raises(SpineError, match="'grey' was not trained here, so its folds are unknown"):
        predict.run(experiment)
    assert not trained


def test_a_foreign_member_beside_folds_is_asked_for_its_own_before_any_fold_trains(tmp_path, trained):
    members = {"grey": {"network": "plain_cnn", "weights": "none"}, "theirs": {"foreign": True}}
    experiment = experiment_in(tmp_path, members=members)
    said = {split: np.full((len(read_samples(experiment, split).samples), 2), 0.5) for split in ("validation", "test")}
    write_foreign(experiment, "theirs", said)
    complaint = "'theirs' is an external member, .* not of out-of-fold as the dataset .* models that had not seen the"
    with pytest.raises(SpineError, match=complaint):
        training.train_members(experiment, show)
    assert not trained
    said = {"out-of-fold": np.full((len(read_samples(experiment, "out-of-fold").samples), 2), 0.5)}
    write_foreign(experiment, "theirs", said)
    lines = []
    training.train_members(experiment, lines.append)
    assert trained == ["grey fold=0", "grey fold=1", "grey fold=2"]
    assert [line for line in lines if "theirs" in line] == ["train theirs: external, up to date"]
    predict.run(experiment)
    search.run(experiment)
    notes = json.loads((experiment.ensemble_directory / "weights.json").read_text())["folds"]["notes"]
    assert "fold models of each member that was trained here which" in notes[0]
    assert notes[2].startswith("What is served and tested of each member that was trained here is the mean")
    assert notes[3].startswith("From elsewhere: theirs. What they say out-of-fold is taken on trust")
    alone = experiment_in(tmp_path, members={"theirs": {"foreign": True}})
    assert out_of_fold.describe_folds(alone, ExperimentRun(alone).members).notes == notes[3:]


def test_real_networks_are_trained_in_folds_and_again(tmp_path, monkeypatch):
    do_all_here(monkeypatch)
    member = {"network": "plain_cnn", "weights": "none", "height": 24, "width": 32, "filters": [4], "batch": 8}
    members = {"plain": {**member, "epochs": 1}}
    experiment = experiment_in(tmp_path, members=members, folds=2, served="refit", jobs=2, stop_on="inner")
    (directory,) = training.train_members(experiment, show)
    again = refit(experiment).member_directory("plain")
    (row,) = History.read(again / "history.csv").rows
    assert not [key for key in row if key.startswith("val_")]
    predict.run(experiment)
    fold_of = fold_of_patients(experiment, Manifest.read(experiment.data))
    joined = Member.open(directory).predictions("out-of-fold")
    assert set(joined.index["patient"]) == set(fold_of)
    first, second = (
        Member.open(part.member_directory("plain")).predictions("out-of-fold") for part in parts(experiment)
    )
    assert len(first.index) + len(second.index) == len(joined.index)
    assert first.model_hash != second.model_hash
