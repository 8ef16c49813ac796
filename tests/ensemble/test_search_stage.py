"""The stage `spine search` on a small experiment on disk."""

import numpy as np
import optuna
import pandas as pd
import pytest

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.search import run, search_weights, summary
from spine.core.files import read_json
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.member.member import Member
from tests.experiment_on_disk import hashes, write_experiment, write_member


@pytest.fixture
def experiment(tmp_path) -> Experiment:
    return write_experiment(tmp_path, search={"metric": "log_loss", "step": 0.25})


def test_it_writes_what_the_search_on_validation_finds(experiment):
    paths = run(experiment)
    assert [path.name for path in paths] == ["weights.json", "search.csv", "study.db"]
    written = read_json(paths[0])
    members, truth, patients = ExperimentRun(experiment).predictions("validation").to_resample()
    found = search_weights(members, truth, metric="log_loss", step=0.25, patients=patients, seed=experiment.seed)
    optimum = search_weights(members, truth, metric="log_loss", step=0.25)
    assert written["weights"] == found.weights
    assert written["rule"] == found.rule == "exponential"
    assert written["rules"]["optimum"] == {"weights": optimum.weights, "fusion": {}, "score": optimum.score}
    assert written["score"] == found.score
    assert written["singles"] == found.singles
    assert written["equal"] == found.equal
    assert [written[key] for key in ("evaluated", "scored", "ties", "why")] == [15, 15, found.ties, found.why]
    assert [written[key] for key in ("name", "task", "metric", "method", "step", "split")] == [
        *("weighted", "classification", "log_loss", "grid", 0.25, "validation")
    ]
    assert written["counts"] == {"samples": 2 * 2 * 12, "units": 2 * 12, "patients": 12}
    assert written["patients"]["salt"] == salt_id()
    assert written["patients"]["searched"] == sorted(patient_hash(patient) for patient in set(patients))
    assert list(written["predictions"]) == list(experiment.members)


def test_it_writes_the_best_points_and_a_study(experiment):
    _, table, database = run(experiment)
    points = pd.read_csv(table)
    assert list(points.columns) == ["vgg", "dense", "squeeze", "log_loss"]
    assert len(points) == 15
    assert points["log_loss"].is_monotonic_increasing
    np.testing.assert_allclose(points[["vgg", "dense", "squeeze"]].sum(axis=1), 1)
    url = f"sqlite:///{database}"
    (name,) = optuna.get_all_study_names(url)
    assert name.startswith("small-weighted-")
    assert optuna.load_study(study_name=name, storage=url).best_value == points["log_loss"][0]


def test_where_more_vectors_tie_than_are_listed_both_numbers_are_told(tmp_path):
    weights, table, _ = run(write_experiment(tmp_path, search={"metric": "accuracy", "step": 0.02}))
    found = read_json(weights)
    assert found["listed"] == len(pd.read_csv(table)) == 100
    assert found["ties"] > 100


def test_what_is_unchanged_is_skipped_and_new_predictions_are_searched(experiment):
    paths = run(experiment)
    before = [path.stat().st_mtime_ns for path in paths]
    assert run(experiment) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
    weights = read_json(paths[0])
    write_member(experiment, "squeeze", noise=0.01, seed=9)
    run(experiment)
    again = read_json(paths[0])
    assert again["inputs_hash"] != weights["inputs_hash"]
    assert again["score"] < weights["score"]
    assert len(optuna.get_all_study_names(f"sqlite:///{paths[2]}")) == 2


def test_test_predictions_are_not_read(experiment):
    for name in experiment.members:
        directory = experiment.member_directory(name) / "predictions" / "test"
        for file in directory.iterdir():
            file.unlink()
        directory.rmdir()
    written = read_json(run(experiment)[0])
    test = {
        patient_hash(Manifest.read(experiment.data).patient_of()[s])
        for s in Manifest.read(experiment.data).samples_in("test")
    }
    assert not test & set(written["patients"]["searched"])


def test_a_storage_of_the_users_own(tmp_path, capfd):
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    experiment = write_experiment(tmp_path, search={"storage": url, "method": "greedy", "step": 0.5, "name": "picked"})
    paths = run(experiment)
    assert [path.name for path in paths] == ["weights.json", "search.csv"]
    assert paths[0].parent.name == "picked"
    assert len(optuna.get_all_study_names(url)) == 1
    assert capfd.readouterr().out == ""


def test_weights_of_other_settings_than_the_experiment_now_has_are_refused(experiment):
    run(experiment)
    assert ExperimentRun(experiment).weights
    for key, value in {"resamples": 50, "trials": 7, "max_megabytes": 3.0}.items():
        changed = experiment.model_copy(update={"search": experiment.search.model_copy(update={key: value})})
        with pytest.raises(SpineError, match=rf"{key} .*, not {value} as the experiment now asks"):
            assert ExperimentRun(changed).weights
    elsewhere = experiment.search.model_copy(update={"storage": "sqlite:///other.db"})
    assert ExperimentRun(experiment.model_copy(update={"search": elsewhere})).weights


def learn_from(experiment, name, split):
    """Say in its card that a member was trained on the patients of that split, too."""
    member = Member.open(experiment.member_directory(name))
    patients = member.card.patients
    trained = (*patients.trained, *hashes(Manifest.read(experiment.data), split))
    update = {"patients": patients.model_copy(update={"trained": trained})}
    Member.publish(member.path, member.card.model_copy(update=update))


def test_patients_that_a_member_was_trained_on_are_not_searched_on(experiment):
    run(experiment)
    learn_from(experiment, "vgg", "validation")
    with pytest.raises(SpineError, match="vgg was trained on 12 of the 12 patients that the weights are searched on"):
        run(experiment)


def test_unless_that_is_allowed_and_then_it_is_told_everywhere(experiment):
    learn_from(experiment, "vgg", "validation")
    allowed = experiment.model_copy(
        update={"search": experiment.search.model_copy(update={"allow_overlap": True, "resamples": 4})}
    )
    written = read_json(run(allowed)[0])
    assert written["trained_on_searched"] == {"vgg": 12}
    note = "vgg was trained on 12 of the 12 patients that the weights are searched on"
    assert note in summary(allowed)
    assert any(note in one for one in read_json(evaluate.run(allowed)[0])["notes"])
    with pytest.raises(SpineError, match=r"search\.allow_overlap=true"):  # not skipped as unchanged
        run(experiment)


def test_whether_an_overlap_is_allowed_does_not_search_again_where_there_is_none(experiment):
    before = read_json(run(experiment)[0])
    assert "trained_on_searched" not in before
    allowed = experiment.model_copy(update={"search": experiment.search.model_copy(update={"allow_overlap": True})})
    assert read_json(run(allowed)[0]) == before
    assert ExperimentRun(allowed).weights


def test_under_another_salt_it_is_searched_again(experiment, monkeypatch):
    before = read_json(run(experiment)[0])
    monkeypatch.setenv("SPINE_SALT", "another salt")
    after = read_json(run(experiment)[0])
    assert after["patients"]["salt"] != before["patients"]["salt"]
    assert after["weights"] == before["weights"]
