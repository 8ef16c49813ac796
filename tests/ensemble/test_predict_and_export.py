"""Predict and export on members that are a line of arithmetic: p(class 1) is a power of the mean grey."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from ensemble import evaluate, export, predict, search
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse import Mean
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.fuse_outputs import FuseProbabilities
from ensemble.serving.fused_model import FusedModel
from ensemble.serving.kit.warm_up import WARM_UP
from ensemble.serving.parity import PARITY, measure_parity
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.experiment.config import Experiment
from spine.experiment.stages import ExportSettings, SearchSettings
from spine.member.member import Card, Member, Patients
from spine.member.run_model import load_model, predict_pictures
from spine.member.serving import publish_model
from tests.clean_process import run_clean
from tests.experiment_on_disk import write_experiment, write_weights
from tests.grey_model import MeanGrey

EXPONENTS = {"vgg": 1.0, "dense": 2.0, "squeeze": 0.5}


@pytest.fixture
def experiment(tmp_path) -> Experiment:
    experiment = write_experiment(tmp_path, patients={"train": 1, "validation": 2, "test": 3})
    for name, exponent in EXPONENTS.items():
        directory = experiment.member_directory(name)
        card = Member.open(directory).card
        shutil.rmtree(directory / "model")
        version = publish_model(MeanGrey(exponent), directory)
        Member.publish(directory, card.model_copy(update={"model_hash": Member.hash_model(version)}))
    return experiment


def test_shards_of_the_members_are_predicted_apart(experiment):
    kept = list(ExperimentRun(experiment).members)
    paths = predict.run(experiment, slice(1, None, 2))
    assert {path.parent.parent.name for path in paths} == {kept[1]}
    with pytest.raises(SpineError, match="spine predict"):
        ExperimentRun(experiment).predictions("test")
    predict.run(experiment, slice(0, None, 2))
    assert list(ExperimentRun(experiment).predictions("test").stored) == kept


@pytest.fixture
def searched(experiment) -> Experiment:
    predict.run(experiment)
    write_weights(experiment, {"vgg": 0.7, "dense": 0.3, "squeeze": 0.0})
    return experiment


def test_predictions_come_from_the_saved_model_and_are_kept(experiment, capsys):
    with pytest.raises(SpineError, match="spine predict"):
        ExperimentRun(experiment).predictions("test")
    predict.run(experiment)
    assert capsys.readouterr().out == ""  # paths alone go to stdout
    split = ExperimentRun(experiment).predictions("test")
    picture = tf.io.decode_png(split.truth.paths[0].read_bytes(), 1, tf.uint16).numpy()
    mean = picture.mean(dtype=np.float64) / 65535
    assert split.stored["dense"].values[0, 1] == pytest.approx(mean**2, abs=1e-6)
    stamp = (split.stored["dense"].path / "probabilities.npy").stat().st_mtime_ns
    predict.run(experiment)
    assert (split.stored["dense"].path / "probabilities.npy").stat().st_mtime_ns == stamp


def test_a_re_export_makes_predictions_stale(experiment):
    predict.run(experiment)
    directory = experiment.member_directory("vgg")
    card = Member.open(directory).card
    version = publish_model(MeanGrey(1.5), directory)
    assert version.name == "2"
    Member.publish(directory, card.model_copy(update={"model_hash": Member.hash_model(version)}))
    with pytest.raises(SpineError, match="spine predict"):
        ExperimentRun(experiment).predictions("validation")
    predict.run(experiment)
    assert ExperimentRun(experiment).predictions("validation").stored["vgg"].model_hash == Member.hash_model(version)


def test_a_member_without_a_model_cannot_be_run(experiment, tmp_path):
    foreign = Member.publish(tmp_path / "foreign", Card(name="foreign", task="classification", labels=("a", "b")))
    with pytest.raises(SpineError, match="no model"):
        load_model(foreign)


def test_the_fused_model_is_the_weighted_mean_in_a_process_without_this_project(searched, tmp_path):
    export.run(searched)
    ensemble = Member.open(searched.ensemble_directory)
    split = ExperimentRun(searched).predictions("test")
    expected = 0.7 * split.stored["vgg"].values.astype(float) + 0.3 * split.stored["dense"].values.astype(float)
    code = """
import glob, json
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
files = [open(path, "rb").read() for path in sys.argv[2:]]
served = model.signatures["serving_default"](image_bytes=tf.constant(files))["probabilities"].numpy()
pixels = tf.stack([tf.cast(tf.io.decode_png(f, 1, tf.uint16), tf.float32) / 65535.0 for f in files])
direct = model.signatures["image"](image=pixels)["probabilities"].numpy()
print(json.dumps([served.tolist(), direct.tolist()]))
"""
    printed = run_clean(code, tmp_path, str(ensemble.model), *map(str, split.truth.paths))
    served, direct = json.loads(printed.splitlines()[-1])
    np.testing.assert_allclose(served, expected, atol=1e-5)
    np.testing.assert_allclose(direct, expected, atol=1e-5)


def test_the_ensemble_is_a_member_that_knows_whom_it_has_seen(searched):
    export.run(searched)
    card = Member.open(searched.ensemble_directory).card
    one = Member.open(searched.member_directory("vgg")).card
    assert card.kind == "ensemble"
    assert card.model_hash == Member.hash_model(Member.open(searched.ensemble_directory).model)
    assert card.details["weights"] == {"vgg": 0.7, "dense": 0.3}
    assert card.details["parity"] < PARITY
    assert card.patients.trained == one.patients.trained
    assert set(card.patients.searched) == set(one.patients.stopped)  # both are the validation patients


def test_export_is_skipped_when_unchanged_and_takes_the_next_version_when_not(searched):
    first, *_ = export.run(searched)
    assert export.run(searched)[0] == first
    write_weights(searched, {"vgg": 0.5, "dense": 0.5, "squeeze": 0.0})
    assert export.run(searched)[0].name == "2"
    assert first.exists()


def test_a_fusion_that_differs_is_not_published(experiment):
    half = FuseProbabilities(Mean((0.5,)))
    ensemble = Ensemble.load([Member.open(experiment.member_directory("vgg"))], half)
    saved = publish_model(FusedModel(ensemble), experiment.directory / "wrong")
    pictures = list(ExperimentRun(experiment).truth("validation").paths[:8])
    with pytest.raises(SpineError, match="not published"):
        measure_parity(tf.saved_model.load(str(saved)), ensemble.models, [1.0], pictures)


def test_hashes_of_different_salts_are_not_united(searched):
    directory = searched.member_directory("dense")
    card = Member.open(directory).card
    Member.publish(directory, card.model_copy(update={"patients": Patients(salt="other")}))
    with pytest.raises(SpineError, match="salts"):
        export.run(searched)


def test_the_serving_kit_names_the_model(searched):
    model, config, *_ = export.run(searched)
    assert 'base_path: "/models/small/model"' in config.read_text()
    assert (model / WARM_UP).exists()


def test_unreadable_predictions_are_told_and_made_anew(experiment):
    predict.run(experiment)
    stored = experiment.member_directory("vgg") / "predictions" / "test"
    for file, content in (("index.csv", None), ("probabilities.npy", b""), ("predictions.json", b"{")):
        (stored / file).unlink() if content is None else (stored / file).write_bytes(content)
        with pytest.raises(SpineError, match="spine predict"):
            ExperimentRun(experiment).predictions("test")
        predict.run(experiment)
        assert len(ExperimentRun(experiment).predictions("test").stored) == len(EXPONENTS)


def test_a_lost_model_or_serving_kit_is_exported_again(searched):
    model, *kit = export.run(searched)
    kit[1].unlink()
    assert export.run(searched) == [model, *kit]
    assert kit[1].exists()
    (model / "saved_model.pb").unlink()
    assert export.run(searched)[0].name == "2"
    named = searched.model_copy(update={"export": ExportSettings(name="other")})
    assert '"/models/other/model"' in export.run(named)[1].read_text()


def test_weights_of_predictions_that_have_changed_are_not_exported(searched):
    directory = searched.member_directory("dense")
    version = publish_model(MeanGrey(3.0), directory)
    card = Member.open(directory).card
    Member.publish(directory, card.model_copy(update={"model_hash": Member.hash_model(version)}))
    predict.run(searched)
    with pytest.raises(SpineError, match="searched on earlier predictions of dense, which have changed since"):
        export.run(searched)


def test_a_model_exported_with_other_weights_is_not_judged(experiment):
    predict.run(experiment)
    write_weights(experiment, {"vgg": 0.7, "dense": 0.3, "squeeze": 0.0})
    export.run(experiment)
    evaluate.run(experiment)
    write_weights(experiment, {"vgg": 0.5, "dense": 0.5, "squeeze": 0.0})
    with pytest.raises(SpineError, match="spine export"):
        evaluate.run(experiment)
    export.run(experiment)
    evaluate.run(experiment)


def test_temperatures_and_class_weights_are_searched_served_and_judged_alike(experiment):
    predict.run(experiment)
    settings = SearchSettings(metric="log_loss", step=0.25, temperature=True, per_class=True, resamples=20)
    judged = experiment.evaluate.model_copy(update={"resamples": 100})
    asked = experiment.model_copy(update={"search": settings, "evaluate": judged})
    found = read_json(search.run(asked)[0])
    assert set(found["temperatures"]) == set(found["class_weights"]) == set(EXPONENTS)
    assert 0 < found["nested"]["resamples"] <= 20
    export.run(asked)
    card = Member.open(asked.ensemble_directory).card
    assert card.details["parity"] < PARITY
    weights = ExperimentRun(asked).weights
    assert {key: card.details[key] for key in ("temperatures", "class_weights")} == weights.fusion_settings

    test = ExperimentRun(asked).predictions("test")
    names = list(weights.kept)
    expected = weights.mean()([test.stored[name].values.astype(float) for name in names])
    model = load_model(Member.open(asked.ensemble_directory))
    served = np.concatenate(list(predict_pictures(model, test.truth.paths)))
    np.testing.assert_allclose(served, expected, atol=1e-5)

    evaluate.run(asked)
    rows = ExperimentRun(asked).evaluator("test")
    units = {name: test.truth.by_unit(stored.values)[0] for name, stored in test.stored.items()}
    expected = weights.mean()([units[name] for name in names])
    np.testing.assert_array_equal(rows.ensemble.probabilities, expected)

    path = asked.ensemble_directory / "weights.json"
    write_json({**found, "temperatures": dict.fromkeys(EXPONENTS, 1.5)}, path)
    with pytest.raises(SpineError, match="exported with other weights"):
        evaluate.run(asked)
