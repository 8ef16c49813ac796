"""A file with several targets stands for an experiment each, whose members are trained together."""

from dataclasses import replace

import pandas as pd
import pytest
import yaml

from ensemble.case import parts
from pipeline.experiments import load_experiment, load_experiments
from spine.core.problems import SpineError
from spine.dataset.manifest import LABELS, Manifest
from spine.dataset.targets_truth import NO_VALUE, TargetsTruth
from spine.experiment.folds import fold_of_patients
from spine.experiment.outcomes import outcomes
from spine.experiment.truth import read_truth
from spine.training.inputs import bootstrap, subset
from tests.experiment_on_disk import write_dataset

FILE = {
    "name": "grades",
    "task": "classification",
    "data": "data/discs",
    "targets": {
        "pfirrmann": {"labels": ["1", "2", "3"], "ordinal": True, "search": {"metric": "quadratic_kappa"}},
        "narrowing": {"labels": ["normal", "narrowed"], "decide": {"sensitivity": 0.9}},
    },
    "members": {"plain": {"network": "plain_cnn", "weights": "none"}},
    "search": {"metric": "roc_auc", "step": 0.05},
}


@pytest.fixture
def write(tmp_path):
    def write(name="grades.yaml", **changes):
        (tmp_path / name).write_text(yaml.safe_dump({**FILE, **changes}, sort_keys=False))
        return tmp_path / name

    return write


def test_what_measures_is_fitted_for_each_target_by_itself(write):
    measured = {"network": "measurements", "segmenter": "outlines", "seeds": 2}
    experiments = load_experiments(write(members={**FILE["members"], "measured": measured}, folds=2))
    for one in experiments:
        assert [outcome.directory for outcome in outcomes(one, "measured_seed2")] == [
            one.member_directory("measured_seed2")
        ]
        assert len(outcomes(one, "plain")) == 2
    first, second = (one.member_hash("measured_seed1", "data", "splits") for one in experiments)
    assert first != second


def test_each_target_is_an_experiment_of_its_own(write):
    graded, narrowed = load_experiments(write())
    assert (graded.name, graded.target, graded.labels, graded.ordinal) == (
        "grades_pfirrmann",
        "pfirrmann",
        ("1", "2", "3"),
        True,
    )
    assert (narrowed.name, narrowed.labels, narrowed.ordinal) == ("grades_narrowing", ("normal", "narrowed"), False)
    assert [(one.search.metric, one.search.step) for one in (graded, narrowed)] == [
        ("quadratic_kappa", 0.05),
        ("roc_auc", 0.05),
    ]
    assert (graded.decide.sensitivity, narrowed.decide.sensitivity) == (None, 0.9)
    assert [one.name for one in narrowed.siblings] == [graded.name, narrowed.name]
    assert [one.directory for one in outcomes(narrowed, "plain")] == [
        one.member_directory("plain") for one in (graded, narrowed)
    ]


def test_what_a_run_stores_of_one_loads_to_just_that_one(write, tmp_path):
    for experiment in load_experiments(write()):
        stored = experiment.write(tmp_path / "resolved.yaml")
        assert load_experiments(stored) == (experiment,)
        assert load_experiment(stored, ["fold=null"]).siblings == experiment.siblings


def test_overrides_are_of_all_or_of_one_and_a_target_can_be_picked(write):
    overrides = ["search.step=0.1", "search.metric=f1", "targets.narrowing.search.step=0.25", "name=other"]
    graded, narrowed = load_experiments(write(), overrides)
    assert (graded.name, graded.search.step, graded.search.metric) == ("other_pfirrmann", 0.1, "f1")
    assert narrowed.search.step == 0.1  # what is said of all on the command line is said last
    assert [one.target for one in load_experiments(write(), ["target=narrowing"])] == ["narrowing"]
    assert load_experiment(write(), target="narrowing") == load_experiment(write(), ["target=narrowing"])
    with pytest.raises(SpineError, match="has several targets; add target=NAME for one of pfirrmann, narrowing"):
        load_experiment(write())


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["targets={}"], r"targets is \{\}; give a mapping"),
        (["ordinal=true", "targets={}"], r"targets is \{\}; give a mapping"),
        (["targets.narrowing.labels=[normal, narrowed]"], "has labels beside targets; give each target its own"),
    ],
)
def test_targets_of_the_command_line_are_told_of_by_what_was_written(write, tmp_path, overrides, complaint):
    of_one = {key: value for key, value in FILE.items() if key != "targets"}
    (file := tmp_path / "one.yaml").write_text(
        yaml.safe_dump({**of_one, "target": "narrowing", "labels": ["normal", "narrowed"]})
    )
    assert load_experiment(file, ["targets=null"]).target == "narrowing"
    with pytest.raises(SpineError, match=complaint):
        load_experiment(file, overrides)
    with pytest.raises(SpineError, match=r"targets\.third\.labels\.0: is false") as error:
        load_experiments(write(), ["targets.third={labels: [no, yes]}"])
    assert "heads" not in str(error.value)
    with pytest.raises(SpineError, match=r"override 'ordinal=true': each target has its own ordinal; give targets\."):
        load_experiments(write(), ["ordinal=true"])


def test_a_study_runs_all_of_a_file_s_targets(write, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"experiments": [str(write())]}))
    assert [one.name for one in load_experiments(study)] == ["grades_pfirrmann", "grades_narrowing"]


def test_served_models_have_names_of_their_own(write):
    served = [one.export.name for one in load_experiments(write(export={"name": "disc"}))]
    assert served == ["disc_pfirrmann", "disc_narrowing"]


def test_a_file_of_one_target_may_be_extended_by_several(write, tmp_path):
    alone = {key: value for key, value in FILE.items() if key != "targets"} | {
        "target": "narrowing",
        "labels": ["no", "yes"],
    }
    (tmp_path / "alone.yaml").write_text(yaml.safe_dump(alone))
    several = {"extends": "alone.yaml", "name": "several", "target": None, "labels": None, "targets": FILE["targets"]}
    (tmp_path / "several.yaml").write_text(yaml.safe_dump(several, sort_keys=False))
    assert [one.name for one in load_experiments(tmp_path / "several.yaml")] == [
        "several_pfirrmann",
        "several_narrowing",
    ]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"targets": {}}, r"targets is \{\}; give a mapping"),
        (
            {"targets": {"a": {"labels": [False, True]}}},
            r"targets.a.labels.0: is false \(as yes, no.* to YAML, .* quotes",
        ),
        ({"targets": {"a": {"labels": ["n", "y"], "ordinal": "somewhat"}}}, "targets.a.ordinal: "),
        ({"targets": {"a": ["no", "yes"]}}, r"targets.a is \['no', 'yes'\]; give it labels"),
        ({"targets": {"a": {"ordinal": True}}}, "targets.a has no labels"),
        ({"targets": {"a": {"labels": ["n", "y"], "ordinl": True}}}, "targets.a has ordinl; .*Did you mean 'ordinal'"),
        ({"targets": {"a": {"labels": ["n", "y"]}, "A": {"labels": ["n", "y"]}}}, "targets a, A differ .* in case"),
        ({"labels": ["n", "y"]}, "has labels beside targets"),
        ({"targets": {1: {"labels": ["n", "y"]}}}, 'the target 1 is a number to YAML; write "1"'),
        ({"target": ["narrowing"]}, r"target is \['narrowing'\]; it is one of pfirrmann, narrowing"),
        ({"targets": {"a": {"labels": ["n", "y"], 2: 3}}}, "targets.a has 2; a target has"),
        ({"target": "bulging"}, "target is 'bulging'; it is one of pfirrmann, narrowing"),
        (
            {"targets": {"a": {"labels": ["n"]}, "b": {"labels": ["n", "y"]}}},
            r"yaml: target a is .*\s+labels is \[n\]; name",
        ),
        ({"targets": {"a b": {"labels": ["n", "y"]}, "b": {"labels": ["n", "y"]}}}, "the target 'a b' becomes part of"),
        ({"targets": {"a": {"labels": ["n", "y"], "search": {"metric": "map50"}}}}, "search.metric is 'map50'"),
        (
            {"targets": None, "labels": ["n", "y"], "ordinal": True, "task": "detection", "members": {"a": {}}},
            "ordinal is for class",
        ),
    ],
)
def test_what_does_not_hold_is_told(write, changes, complaint):
    with pytest.raises(SpineError, match=complaint):
        load_experiments(write(**changes))


def test_members_of_older_runs_keep_their_hash_and_heads_change_it(write):
    plain = load_experiments(write(targets=None, target="narrowing", labels=["normal", "narrowed"]))[0]
    known = plain.member_hash("plain", "data", "splits")
    assert known == plain.model_copy(update={"ordinal": False, "heads": ()}).member_hash("plain", "data", "splits")
    _, together = load_experiments(write())
    hashes = {
        known,
        *(one.member_hash("plain", "data", "splits") for one in (together, plain.model_copy(update={"ordinal": True}))),
    }
    assert len(hashes) == 3


def test_a_case_takes_the_ensemble_of_the_target_that_it_grades(write, monkeypatch):
    monkeypatch.setattr(parts.Part, "of_experiment", lambda name, experiment: experiment)
    assert parts._open("grades.narrowing", write(), load_experiment).name == "grades_narrowing"


@pytest.fixture
def experiments(write, tmp_path):
    """On a dataset where some samples have one of the values alone, some none."""
    whole = write_dataset(tmp_path / "data", ("normal", "narrowed"), 1, {"train": 8, "validation": 3, "test": 2})
    samples = list(whole.images["sample"])
    narrowed = whole.labels.assign(target="narrowing").iloc[::2]
    grades = [(sample, "", "pfirrmann", "123"[number % 3]) for number, sample in enumerate(samples) if number % 5]
    labels = pd.concat([narrowed, pd.DataFrame(grades, columns=list(LABELS))])
    replace(whole, labels=labels).write()
    return load_experiments(write(data=str(tmp_path / "data"), folds=3))


def test_folds_are_the_same_for_all_targets(experiments):
    manifest = Manifest.read(experiments[0].data)
    graded, narrowed = (fold_of_patients(one, manifest) for one in experiments)
    assert graded == narrowed
    assert set(graded.values()) == {0, 1, 2}


def test_truths_of_several_targets_are_put_together(experiments):
    manifest = Manifest.read(experiments[0].data)
    truths = {one.target: read_truth(one, manifest, "train") for one in experiments}
    order = {sample: number for number, sample in enumerate(manifest.images["sample"])}
    together = TargetsTruth.of(truths, order)
    assert list(together.samples) == [
        sample for sample in manifest.samples_in("train") if any(sample in truth.samples for truth in truths.values())
    ]
    for column, truth in enumerate(truths.values()):
        has_value = together.values[:, column] != NO_VALUE
        assert [one for one, has in zip(together.samples, has_value, strict=True) if has] == list(truth.samples)
        assert together.values[has_value, column].tolist() == truth.values.tolist()
    assert set(together.patients) == {patient for truth in truths.values() for patient in truth.patients}
    one_hot = together.one_hot[:, :3]
    assert one_hot.mean(axis=0).sum() == pytest.approx(1)  # a mean over all is the mean over those with a value
    assert (one_hot.argmax(axis=1)[one_hot.any(axis=1)] == truths["pfirrmann"].values).all()
    some = subset(together, [2, 2, 0])
    assert (some.samples, some.paths) == tuple(
        tuple(one[row] for row in (2, 2, 0)) for one in (together.samples, together.paths)
    )
    drawn = bootstrap(together, 3, "patient")
    assert {tuple(set(column)) for column in drawn.values.T} == {tuple(set(column)) for column in together.values.T}
