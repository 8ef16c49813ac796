"""`spine tune` with trainings that are made up: what is tried, what is kept, how it goes on, and what is refused."""

import csv
import math
from pathlib import Path

import pytest
import yaml

from ensemble.record import tuning_study
from ensemble.report.plots import Figures
from pipeline.experiments import load_experiment, load_experiments
from pipeline.tuning import found, tune
from pipeline.tuning.space import TunedFile
from pipeline.tuning.trial import Ended
from spine.core.problems import SpineError
from tests.experiment_on_disk import write_dataset
from tests.targets_on_disk import write_targets

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tuned") / "data"
    write_dataset(root, ("healthy", "degenerated"), 1, {"train": 4, "validation": 6, "test": 2})
    return root


@pytest.fixture
def write(tmp_path, data, monkeypatch):
    """Write an experiment file with a space; what is made up of figures is left out."""
    monkeypatch.setattr(found.Found, "_figures", lambda self: Figures({}, {}))

    def write(space=None, *, name="tuned", shared=None, member=None, **settings) -> Path:
        directory = tmp_path / "runs" / name / "tune" / "plain"
        directory.mkdir(parents=True, exist_ok=True)
        raw = {
            "name": name,
            "task": "classification",
            "data": str(data),
            "target": "degeneration",
            "labels": ["healthy", "degenerated"],
            "seed": 3,
            "runs": str(tmp_path / "runs"),
            "shared": {"network": "plain_cnn", "weights": "none", "head": {"dense": [8]}, **(shared or {})},
            "members": {
                "plain": {"network": "plain_cnn", **(member or {})},
                "other": {"network": "plain_cnn"},
                "bare": None,
            },
            "tune": {
                "member": "plain",
                "space": space or {"learning_rate": {"low": 1.0e-5, "high": 1.0, "log": True}},
                "storage": f"journal:///{directory / 'study.log'}",
                **settings,
            },
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        return path

    return write


class MadeUp:
    """In place of trainings: the loss is least at a rate of 0.01, and falls with the epochs."""

    def __init__(self):
        self.settings, self.stop_at = [], None

    def __call__(self, experiment, member, directory, watch):
        settings = experiment.members[member]
        self.settings.append(settings)
        if len(self.settings) == self.stop_at:
            self.stop_at = None
            raise KeyboardInterrupt
        loss = (math.log10(settings.learning_rate) + 2) ** 2 + settings.head.dropout
        for epoch in range(1, EPOCHS + 1):
            if watch({"epoch": epoch, "val_loss": loss + 1 / epoch}):
                return Ended("pruned", note=f"after epoch {epoch}")
        return Ended("complete", 1 - loss / 20)


@pytest.fixture
def trainings(monkeypatch):
    trainings = MadeUp()
    monkeypatch.setattr(tune, "run_trial", trainings)
    return trainings


def table(path: Path) -> list[dict[str, str]]:
    """The trials of an experiment file, without what they took."""
    name = path.stem
    with (path.parent / "runs" / name / "tune" / "plain" / "trials.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(stream)]


def run(path: Path, *overrides: str) -> list[str]:
    shown: list[str] = []
    tune.tune(path, overrides, shown.append)
    return shown


def test_the_best_settings_are_an_experiment_that_extends_the_tuned_one(write, trainings, tmp_path):
    path = write({"learning_rate": [0.001, 0.01], "head.dropout": [0.2, 0.5]}, trials=4)
    shown = run(path, "search.metric=roc_auc", "tune.grace=1")
    best = tmp_path / "runs" / "tuned" / "tune" / "best.yaml"
    experiment, original = load_experiment(best), load_experiment(path)
    assert experiment.name == "tuned_tuned"
    assert experiment.search.metric == "roc_auc"  # as it was tuned by
    assert experiment.tune == original.tune  # what was said on the command line of the tuning is not of a run
    assert experiment.members["plain"].learning_rate == 0.01
    assert experiment.members["plain"].head == original.members["plain"].head.model_copy(update={"dropout": 0.2})
    assert experiment.members["other"] == original.members["other"]
    written = yaml.safe_load(best.read_text())
    assert written["extends"] == "../../../tuned.yaml"
    assert written["members"] == {"bare": {}, "plain": {"learning_rate": 0.01, "head": {"dense": [8], "dropout": 0.2}}}
    assert experiment.members["bare"] == original.members["bare"]
    assert "best so far" in "".join(shown)
    assert "plain: AUC on validation (6 patients, 12 images) 0.9900" in best.read_text()
    summary = (tmp_path / "runs" / "tuned" / "tune" / "plain" / "summary.md").read_text()
    assert "6 patients are few to choose on" in summary
    assert "flattered" in summary


def test_what_the_command_line_says_of_members_is_in_the_best_file(write, trainings, tmp_path):
    path = write({"learning_rate": [0.001, 0.01]}, trials=2)
    run(path, "members.plain.epochs=3", "members.other.epochs=4", "members.bare=null")
    experiment = load_experiment(tmp_path / "runs" / "tuned" / "tune" / "best.yaml")
    assert list(experiment.members) == ["plain", "other"]
    assert [own.epochs for own in experiment.members.values()] == [3, 4]
    assert experiment.members["plain"].learning_rate == 0.01
    with pytest.raises(SpineError, match=r"puts another member in its place, and best\.yaml"):
        run(path, "members.other={network: plain_cnn, weights: none}")


def test_trials_that_train_here_though_an_executor_is_named_are_told(write, trainings):
    path = write({"learning_rate": [0.001, 0.01]}, trials=1)
    assert any("executor.kind is slurm, which trials do not use" in line for line in run(path, "executor.kind=slurm"))
    assert not any("executor" in line for line in run(path))


def test_the_first_trial_has_the_settings_of_the_file(write, trainings):
    path = write(trials=3, pruner="none")
    run(path)
    assert next(trial["learning_rate"] for trial in table(path)) == "0.001"
    assert trainings.settings[0] == load_experiment(path).members["plain"]


def test_own_settings_outside_the_space_are_not_tried(write, trainings):
    path = write({"learning_rate": {"low": 0.01, "high": 0.1}}, trials=2)
    run(path)
    assert all(0.01 <= settings.learning_rate <= 0.1 for settings in trainings.settings)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_one_seed_draws_the_same_trials_and_another_others(write, trainings, sampler):
    one, same, other = (
        write(name=name, trials=11 if sampler == "tpe" else 3, sampler=sampler) for name in ("one", "same", "other")
    )
    run(one), run(same), run(other, "seed=4", "tune.trials=3")
    assert table(one) == table(same)
    assert [row["learning_rate"] for row in table(one)][1:3] != [row["learning_rate"] for row in table(other)][1:]
    assert len({row["learning_rate"] for row in table(one)}) == len(table(same))


@pytest.mark.parametrize("stop_at", [1, 4])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(write, trainings, stop_at):
    whole, stopped = write(name="whole", trials=5), write(name="stopped", trials=5)
    run(whole)
    trainings.settings.clear()
    trainings.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        run(stopped)
    run(stopped)
    assert table(stopped) == table(whole)
    assert trainings.settings[stop_at - 1] == trainings.settings[stop_at]  # the half trial's settings again


def test_a_larger_budget_goes_on(write, trainings):
    path = write(trials=3)
    run(path)
    assert run(path)[0].endswith("; 3 done before")
    assert len(trainings.settings) == 3
    run(path, "tune.trials=5")
    assert len(table(path)) == len(trainings.settings) == 5


def test_no_trial_begins_after_the_minutes(write, trainings, monkeypatch):
    clock = iter(range(0, 10**6, 40))
    monkeypatch.setattr(tune, "monotonic", lambda: next(clock))  # 40 seconds a trial
    path = write(trials=50, minutes=2)
    run(path)
    assert len(table(path)) == 3  # the third begins at 80 seconds


def test_what_lies_there_of_a_study_that_was_removed_is_not_taken_for_a_trial(write, trainings, tmp_path):
    path = write(trials=1)
    run(path)
    directory = tmp_path / "runs" / "tuned" / "tune" / "plain"
    (directory / "study.log").unlink()
    old = directory / "trials" / "0000" / "old.txt"
    old.write_text("")
    run(path)
    assert not old.exists()


def test_other_settings_do_not_compare(write, trainings):
    path = write(trials=1)
    run(path)
    with pytest.raises(
        SpineError,
        match=r"study 'tuned-tune-plain' was tuned on other data, another space or other.*; remove the study",
    ):
        run(path, "members.plain.batch=3")


def test_a_grid_takes_every_combination_once_and_ends(write, trainings):
    space = {"batch": {"low": 2, "high": 6, "step": 2}, "head.dropout": [0.2, 0.4], "patience": [10, 20]}
    path = write(space, trials=50, sampler="grid", member={"batch": 4})
    run(path)
    found = [(row["batch"], row["head.dropout"], row["patience"]) for row in table(path)]
    assert found[0] == ("4", "0.2", "10")  # the file's own
    assert sorted(found) == sorted((b, d, p) for b in "246" for d in ("0.2", "0.4") for p in ("10", "20"))


def test_a_small_space_ends_when_all_was_tried(write, trainings):
    path = write({"optimizer": ["sgd", "adam", "rmsprop"]}, trials=20)
    run(path)
    assert sorted(row["optimizer"] for row in table(path)) == ["adam", "rmsprop", "sgd"]


def test_a_trial_worse_than_the_median_is_cut_short_at_the_end_of_its_grace(write, trainings):
    rates = [
        0.001,
        0.01,
        0.02,
        0.005,
        0.003,
        1.0,
    ]  # losses (log10 + 2)^2 + 0.2 + 1 / epoch: the last is 4.2 + 1 / epoch
    path = write({"learning_rate": rates}, trials=6, sampler="grid", grace=3, name="median")
    run(path, "seed=5")
    rows = table(path)
    position = [float(row["learning_rate"]) for row in rows].index(1.0)
    expected = ("pruned", "3", "after epoch 3") if position == 5 else ("complete", "7", "")
    assert tuple(rows[position][key] for key in ("state", "epochs", "note")) == expected


def test_what_fails_is_noted_and_three_in_a_row_end_the_search(write, monkeypatch):
    path = write(trials=9)
    outcomes = iter([Ended("complete", 0.5), *[Ended("failed", note="it diverged")] * 8])
    monkeypatch.setattr(tune, "run_trial", lambda *_: next(outcomes))
    with pytest.raises(SpineError, match="3 trainings one after another failed, the last one with: it diverged"):
        run(path)
    assert [(row["state"], row["note"]) for row in table(path)] == [("complete", ""), *[("failed", "it diverged")] * 3]


def test_nothing_completed_is_no_result(write, monkeypatch):
    monkeypatch.setattr(tune, "run_trial", lambda *_: Ended("failed", note="it diverged"))
    with pytest.raises(SpineError, match="none of 2 trials of plain was completed"):
        run(write(trials=2))


def test_combinations_that_do_not_fit_are_passed_over_and_told(write, trainings, monkeypatch):
    monkeypatch.setattr(tune, "REFUSED", 8)
    monkeypatch.setattr(tuning_study, "REPEATS", 8)
    space = {"schedule": ["constant", "cosine"], "reduce_on_plateau": [None, {"patience": 2}]}
    path = write(space, trials=20, member={"schedule": "cosine"})
    shown = run(path)
    assert "warning: tune.space: reduce_on_plateau {'patience': 2} does not fit the member's other settings" in shown[0]
    found = {(row["schedule"], row["reduce_on_plateau"]) for row in table(path)}
    assert found == {("cosine", "null"), ("constant", "null"), ("constant", '{"patience": 2}')}


def test_a_trial_that_another_process_runs_is_left_to_it(write, trainings, tmp_path):
    from spine.core.processes import exclusive_lock

    path = write(trials=3)
    trainings.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(path)
    trials = tmp_path / "runs" / "tuned" / "tune" / "plain" / "trials"
    with exclusive_lock(trials / "0001"):
        run(path)
    assert [row["trial"] for row in table(path)] == ["0", "2", "3"]
    run(path)  # now nobody holds it
    assert [row["trial"] for row in table(path)] == ["0", "1", "2", "3"]


def test_members_tuned_on_the_same_data_share_the_best_file(write, trainings, tmp_path):
    path = write({"learning_rate": [0.001, 0.01]}, trials=2)
    run(path)
    run(path, "tune.member=other")
    best = yaml.safe_load((tmp_path / "runs" / "tuned" / "tune" / "best.yaml").read_text())
    assert best["members"] == {"bare": {}, "plain": {"learning_rate": 0.01}, "other": {"learning_rate": 0.01}}


def test_a_loss_is_minimised(write, trainings, tmp_path):
    path = write({"learning_rate": [0.001, 0.01, 1.0]}, trials=3)
    run(path, "search.metric=log_loss")
    best = load_experiment(tmp_path / "runs" / "tuned" / "tune" / "best.yaml")
    assert best.members["plain"].learning_rate == 1.0  # whose made-up score is the least
    assert [row["log_loss"] for row in table(path)][:1] == ["0.94"]


@pytest.mark.parametrize("pruner", ["hyperband", "none"])
def test_every_pruner_prunes_or_does_not(write, trainings, pruner):
    path = write({"learning_rate": [0.01, 1.0, 0.5, 0.1]}, trials=4, sampler="grid", pruner=pruner, grace=1)
    run(path)
    assert len(table(path)) == 4
    assert pruner != "none" or {row["state"] for row in table(path)} == {"complete"}


def test_one_target_of_several_is_judged_and_all_are_run(trainings, tmp_path, monkeypatch):
    monkeypatch.setattr(found.Found, "_figures", lambda self: Figures({}, {}))
    space = {"learning_rate": [0.001, 0.01]}
    path = write_targets(tmp_path, tune={"member": "one", "space": space, "storage": f"journal:///{tmp_path}/study"})
    with pytest.raises(SpineError, match="has several targets; add target=NAME for one of degeneration, grade"):
        run(path)
    run(path, "target=grade")
    best = load_experiments(tmp_path / "runs" / "both_grade" / "tune" / "best.yaml")
    assert [one.name for one in best] == ["both_tuned_degeneration", "both_tuned_grade"]
    assert {one.members["one"].learning_rate for one in best} == {0.01}


def test_the_first_of_several_seeds_is_tuned_for_all(write, trainings, tmp_path):
    run(write({"learning_rate": [0.001, 0.01]}, trials=2, member={"seeds": 2}))
    best = load_experiment(tmp_path / "runs" / "tuned" / "tune" / "best.yaml")
    assert [best.members[f"plain_seed{number}"].learning_rate for number in (1, 2)] == [0.01, 0.01]


def test_the_spaces_of_configs_are_valid(monkeypatch):
    monkeypatch.chdir(ROOT)
    tuned = [path for path in Path("configs").rglob("*.yaml") if "\ntune:" in path.read_text()]
    assert tuned
    for path in tuned:
        assert not list(TunedFile.read(path, ()).doubtful()), path


def test_folds_train_the_first_one(write, trainings):
    path = write(trials=1)
    assert "fold 0's validation (5 patients, 10 images)" in run(path, "folds=2")[0]


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        (
            {"learning_rat": [1, 2]},
            r"space.learning_rat: the member has no setting 'learning_rat'; .*'learning_rate'\?",
        ),
        ({"head.drop": [0.1, 0.2]}, r"space.head.drop: head has no setting 'drop'; the known ones are pooling, dense"),
        ({"reduce_on_plateau.factor": [0.1, 0.2]}, r"reduce_on_plateau is None in this member, no group of settings"),
        ({"batch": {"low": 2, "high": 3.5}}, r"space.batch: the setting is a whole number, and the range has 3.5"),
        (
            {"head.dropout": {"low": 0, "high": 1}},
            r"space.head.dropout has 1: .*is 1.*; it has to be at least 0 and below 1",
        ),
        ({"optimizer": ["adam", "lion"]}, r"space.optimizer has 'lion': "),
        ({"snapshots": [1, 2]}, "tune.space has snapshots, by which one training gives several members"),
        ({"seeds": [1, 2]}, "the member has no setting 'seeds'"),
        ({"batch": [4, "many"]}, r"space.batch has 'many': "),
    ],
)
def test_a_wrong_space_is_told_before_anything_trains(write, trainings, tmp_path, space, complaint):
    with pytest.raises(SpineError, match=f"(?s){complaint}"):
        run(write(space))
    assert not trainings.settings


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("tune=null", "has no `tune`; say what is to be tried, such as tune: {member"),
        ("tune.member=plane", r"tune.member is 'plane'; the members are plain, other, bare. Did you mean 'plain'\?"),
        ("tune.watch=loss", "give a column that begins with val_"),
        ("tune.space={}", "tune.space: is {}; it has to have at least 1 entry"),
        ("tune.space={batch: 3}", "batch is 3; give {low: ..., high: ...} or a list of values"),
        ("tune.space={batch: [3]}", "batch has 1 values; give two or more"),
        ("tune.space={batch: [3, 3]}", "batch has a value twice: 3, 3"),
        ("tune.space={batch: {low: 3, high: 2}}", "low is 3 and high 2; give a low below high"),
        ("tune.space={batch: {low: 0, high: 2, log: true}}", "a logarithmic scale begins above 0"),
        ("tune.space={batch: {low: 1, high: 4, step: 2}}", "step 2 does not lead from low 1 to high 4"),
        ("tune.space={batch: {low: 1, high: 4, step: 1, log: true}}", "log and step exclude each other"),
        ("tune.space={head: [{}, {dense: []}], head.dropout: [0, 0.1]}", "head is the group that head.dropout is in"),
        (
            "tune.space={batch: {low: 1, hi: 4}}",
            r"tune.space.batch.range.hi: unknown key; the known ones are low, high",
        ),
        ("tune.sampler=grid", "give learning_rate a step, or a list"),
        ("tune.storage=mysql://x", "give a URL that begins with sqlite"),
        ("members.plain.foreign=true", "is an external member, which nothing here trains|unknown key"),
        ("members.plain={network: plain_cnn, schedule: cosine, snapshots: 2}", "gives several snapshots"),
        ("search.metric=auroc", "search.metric is 'auroc'"),
    ],
)
def test_wrong_settings_are_told_before_anything_trains(write, trainings, override, complaint):
    with pytest.raises(SpineError, match=complaint):
        run(write(), override)
    assert not trainings.settings
