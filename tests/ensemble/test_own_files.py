"""Our own files after what happens to files: one sentence that names the file and what to run, never a traceback."""

import json
from functools import partial

import numpy as np
import pytest

from ensemble import evaluate, predict, report, search
from ensemble.costs import costs_of
from ensemble.evaluators.seconds import seconds_of
from ensemble.experiment_run import ExperimentRun
from spine.core.files import read_json, with_nulls
from spine.core.json_models import of_shape
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.member.member import Card, Member
from tests.experiment_on_disk import write_experiment

pytestmark = pytest.mark.slow

DAMAGE = {
    "nothing": lambda text: "",
    "cut": lambda text: text[: len(text) // 2],
    "cut at the end": lambda text: text.rstrip()[:-1],
    "a list": lambda text: "[]",
    "null": lambda text: "null",
    "a number": lambda text: "3",
    "no keys": lambda text: "{}",
    "NaN": lambda text: text.replace("{", '{"x": NaN,', 1),
    "a key twice": lambda text: text.replace("{", '{"twice": 1, "twice": 2,', 1),
    "words": lambda text: "see the other folder",
    "depth": lambda text: '{"a":' * 60_000,
    "digits": lambda text: f'{{"a": {"9" * 6000}}}',
}
BYTES = {"other bytes": b"\x93NUMPY\xff\xfe", "zeros": b"\0" * 100, "UTF-16": "{}".encode("utf-16")}


@pytest.fixture
def experiment(tmp_path):
    return write_experiment(
        tmp_path, members=("a", "b"), evaluate={"resamples": 100}, search={"resamples": 0, "step": 0.5}
    )


def damaged(path, change):
    path.write_bytes(change if isinstance(change, bytes) else change(path.read_text()).encode())


@pytest.mark.parametrize("change", [*DAMAGE.values(), *BYTES.values()], ids=[*DAMAGE, *BYTES])
def test_of_every_stage(experiment, change):
    search.run(experiment)
    evaluate.run(experiment)
    weights = experiment.ensemble_directory / "weights.json"
    metrics = experiment.evaluation_directory / "metrics.json"
    card = experiment.member_directory("a") / "member.json"
    data = experiment.data / "dataset.json"

    for path, read, again in (
        (weights, lambda: ExperimentRun(experiment).weights, "spine search EXPERIMENT"),
        (weights, lambda: search.summary(experiment), "spine search EXPERIMENT"),
        (weights, lambda: evaluate.run(experiment), "spine search EXPERIMENT"),
        (metrics, lambda: ExperimentRun(experiment).evaluation(), "spine evaluate EXPERIMENT"),
        (metrics, lambda: report.run(experiment), "spine evaluate EXPERIMENT"),
        (card, lambda: predict.run(experiment), "spine train EXPERIMENT"),
        (data, lambda: Manifest.read(experiment.data), "spine data build CONFIG"),
    ):
        whole = path.read_bytes()
        damaged(path, change)
        with pytest.raises(SpineError, match=rf"{path.name} cannot be read \(.*{again}") as caught:
            read()
        assert str(path) in str(caught.value)
        path.write_bytes(whole)


@pytest.mark.parametrize("change", [*DAMAGE.values(), *BYTES.values()], ids=[*DAMAGE, *BYTES])
def test_the_command_that_is_named_mends_it(experiment, change):
    weights, metrics = search.run(experiment)[0], evaluate.run(experiment)[0]
    expected = [read_json(path) for path in (weights, metrics)]
    damaged(weights, change)
    search.run(experiment)
    damaged(metrics, change)
    evaluate.run(experiment)
    assert [read_json(path) for path in (weights, metrics)] == expected
    damaged(experiment.member_directory("a") / "member.json", change)
    assert not Member.is_complete(experiment.member_directory("a"), "any")  # so that `spine train` trains it again


WEIGHTS = {
    "no weights": (lambda w: {k: v for k, v in w.items() if k != "weights"}, "weights is missing"),
    "weights as text": (lambda w: {**w, "weights": {"a": "0.5", "b": "0.5"}}, "weights.a"),
    "a negative weight": (lambda w: {**w, "weights": {"a": -1.0, "b": 2.0}}, "weights.a"),
    "all weights 0": (lambda w: {**w, "weights": {"a": 0.0, "b": 0.0}}, "the weights sum to 0"),
    "weights of half a whole": (lambda w: {**w, "weights": {"a": 0.5, "b": 0.0}}, "the weights sum to 0.5"),
    "no split": (lambda w: {k: v for k, v in w.items() if k != "split"}, "split is missing"),
    "predictions as a list": (lambda w: {**w, "predictions": []}, "predictions"),
    "patients without a salt": (lambda w: {**w, "patients": {"searched": []}}, "patients.salt is missing"),
    "a temperature of 0": (lambda w: {**w, "temperatures": {"a": 0.0, "b": 1.0}}, "temperatures.a"),
    "class weights as a number": (lambda w: {**w, "class_weights": {"a": 1.0}}, "class_weights.a"),
    "a nested estimate as text": (lambda w: {**w, "nested": "0.9"}, "nested"),
}


@pytest.mark.parametrize(("change", "words"), WEIGHTS.values(), ids=WEIGHTS)
def test_the_key_that_does_not_hold_is_named(experiment, change, words):
    path = search.run(experiment)[0]
    path.write_text(json.dumps(change(read_json(path))))
    with pytest.raises(SpineError, match=words):
        assert ExperimentRun(experiment).weights


@pytest.mark.parametrize("key", ["name", "task", "labels"])
def test_a_card_without_a_key_is_told_by_it(experiment, key):
    path = experiment.member_directory("a") / "member.json"
    card = read_json(path)
    path.write_text(json.dumps({name: value for name, value in card.items() if name != key}))
    with pytest.raises(SpineError, match=f"{key} is missing"):
        Member.open(path.parent)
    path.write_text(json.dumps({**card, "colour": "red"}))
    with pytest.raises(SpineError, match="colour is not known"):
        Member.open(path.parent)


COSTS = (
    "",
    "[]",
    '{"a": 3}',
    '{"a": {"model_hash": "x"}}',
    '{"a": {"model_hash": "x", "seconds": "1", "megabytes": 2}}',
)


@pytest.mark.parametrize("text", COSTS)
def test_damaged_costs_are_measured_again(experiment, text):
    (experiment.directory / "costs.json").write_text(text)
    members = {name: Member.open(experiment.member_directory(name)) for name in experiment.members}
    pictures = Manifest.read(experiment.data)
    paths = [pictures.image_path(sample) for sample in pictures.samples_in("test")]
    assert set(costs_of(experiment, members, partial(seconds_of, paths=paths))) == {"a", "b"}
    assert set(read_json(experiment.directory / "costs.json")) == {"a", "b"}


@pytest.mark.parametrize("content", [b"", b"phase,epoch\n\xff\xfe", b'"open', b"loss,val_loss\nlow,lower\n"])
def test_a_damaged_history_is_one_sentence(experiment, content):
    search.run(experiment)
    evaluate.run(experiment)
    (experiment.member_directory("a") / "history.csv").write_bytes(content)
    with pytest.raises(SpineError, match=r"history\.csv cannot be read \(.*train the member again"):
        report.run(experiment)


@pytest.mark.parametrize("table", ["images", "labels", "splits"])
@pytest.mark.parametrize("content", [b"", b'"open', b"\xff\xfe\x00\x00", b"\0\0\0\0"])
def test_a_damaged_table_of_the_dataset_is_one_sentence(experiment, table, content):
    (experiment.data / f"{table}.csv").write_bytes(content)
    with pytest.raises(SpineError, match=rf"{table}\.csv"):
        Manifest.read(experiment.data)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\xff" * 200, b"a letter"])
def test_a_damaged_study_is_one_sentence(experiment, content):
    search.run(experiment)
    (experiment.ensemble_directory / "weights.json").unlink()
    (experiment.ensemble_directory / "study.db").write_bytes(content)
    if not content:
        search.run(experiment)  # SQLite takes an empty file for a new database
        return
    with pytest.raises(SpineError, match=r"study\.db .*Move the file away and run `spine search EXPERIMENT` again"):
        search.run(experiment)
    (experiment.ensemble_directory / "study.db").unlink()
    search.run(experiment)  # what was told fixes it


def test_what_is_undefined_is_null_and_what_is_known_as_it_was():
    found = {"a": [np.nan, 1.5, (np.inf, {"b": -np.inf})], "c": "nan", "d": 3, "e": None, "f": np.float64("nan")}
    assert with_nulls(found) == {"a": [None, 1.5, [None, {"b": None}]], "c": "nan", "d": 3, "e": None, "f": None}


def test_a_shape_names_each_key():
    with pytest.raises(ValueError, match="name is missing, labels is missing, size is not known"):
        of_shape(Card)({"task": "classification", "size": 3})
