"""Members that measure, with folds, by the commands: each segmenter once, and the mean of the folds exactly."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from classification.train import train
from pipeline import cli
from pipeline.experiments import load_experiment
from spine.core.files import read_json
from spine.core.privacy import patient_hash
from spine.dataset.manifest import OUT_OF_FOLD, Manifest
from spine.experiment.folds import fold_of_patients, parts
from spine.experiment.truth import read_truth
from spine.member.measuring import measuring_of
from spine.member.member import Member
from spine.member.run_model import load_model, predict_pictures, predict_samples
from tests.jobs_here import train_here
from tests.spines_on_disk import GREYS, write_discs, write_segmenter, write_spines

pytestmark = pytest.mark.slow

FOLDS = 2
MEMBERS = {  # of one segmenter for all folds, and of a segmenter for each
    "alike": {"network": "measurements", "trees": 10, "shrinkage": 0.2, "fewest": 3},
    "apart": {"network": "measurements", "model": "logistic_regression"},
}
SEGMENTERS = {"alike": 1, "apart": FOLDS}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Trained, joined, predicted, searched, exported and judged by the commands."""
    root = tmp_path_factory.mktemp("joined")
    manifest = write_discs(root)
    write_segmenter(root / "outlines")
    experiment = write_spines(
        root,
        {**MEMBERS, "apart": MEMBERS["apart"] | {"segmenter": str(root / "folded")}},
        folds=FOLDS,
        search={"method": "equal", "resamples": 0},
    )
    fold_of = fold_of_patients(experiment, manifest)
    write_segmenter(root / "folded", tuple(fold_of))
    for fold in range(FOLDS):
        others = tuple(patient for patient, own in fold_of.items() if own != fold)
        write_segmenter(root / "folded" / f"fold-{fold}", others, GREYS + 0.02 * fold)
    file = experiment.write(root / "spines.yaml")

    def train_one(name, file, *overrides) -> int:
        train(load_experiment(file, overrides), name)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        train_here(patch, train_one)
        for stage in ("train", "predict", "search", "export", "evaluate"):
            result = CliRunner().invoke(cli.app, [stage, str(file)])
            assert result.exit_code == 0, result.output
    return experiment


@cache
def loaded(directory):
    """A member's SavedModel, loaded once for all tests."""
    return load_model(Member.open(directory))


@pytest.fixture(scope="module")
def truth(experiment):
    return read_truth(experiment, Manifest.read(experiment.data), "test")


def folds_of(experiment, name) -> list[Member]:
    return [Member.open(part.member_directory(name)) for part in parts(experiment)]


def variables_in(directory) -> int:
    """How many a SavedModel stores; a segmenter has one, and what decides by measurements none."""
    names = [name for name, _ in tf.train.list_variables(str(directory / "variables" / "variables"))]
    return sum(name.endswith("/.ATTRIBUTES/VARIABLE_VALUE") for name in names)


@pytest.mark.parametrize(("name", "count"), SEGMENTERS.items())
def test_what_is_served_is_the_mean_of_the_folds_and_has_each_segmenter_once(experiment, truth, name, count):
    joined = Member.open(experiment.member_directory(name))
    model, folds = loaded(joined.path), [loaded(fold.path) for fold in folds_of(experiment, name)]
    assert len(measuring_of(model)) == len({each for fold in folds for each in measuring_of(fold)}) == count
    assert variables_in(joined.model) == count
    for answers in (predict_samples, lambda model, truth: predict_pictures(model, truth.paths)):
        said = [np.concatenate(list(answers(one, truth))) for one in (model, *folds)]
        np.testing.assert_allclose(said[0], np.mean(said[1:], axis=0), atol=1e-6)
        assert np.abs(said[1] - said[2]).max() > 1e-3
    pictures = tf.constant(np.random.default_rng(0).uniform(0, 1, (2, 40, 30, 1)).astype(np.float32))
    of_images = [one.signatures["image"](image=pictures)["probabilities"].numpy() for one in (model, *folds)]
    np.testing.assert_allclose(of_images[0], np.mean(of_images[1:], axis=0), atol=1e-6)


@pytest.mark.parametrize("name", MEMBERS)
def test_what_is_stored_is_what_the_saved_models_say(experiment, truth, name):
    joined = Member.open(experiment.member_directory(name))
    said = np.concatenate(list(predict_samples(loaded(joined.path), truth)))
    np.testing.assert_allclose(np.asarray(joined.predictions("test").values), said, atol=1e-6)
    for fold in folds_of(experiment, name):
        own = fold.predictions(OUT_OF_FOLD)
        unseen = read_truth(experiment, Manifest.read(experiment.data), OUT_OF_FOLD)
        place = {sample: row for row, sample in enumerate(unseen.samples)}
        said = np.concatenate(list(predict_samples(loaded(fold.path), unseen)))
        rows = [place[sample] for sample in own.index["sample"]]
        np.testing.assert_allclose(np.asarray(own.values), said[rows], atol=1e-6)


def test_a_fold_is_measured_by_a_segmenter_that_has_not_seen_its_patients(experiment):
    folds = folds_of(experiment, "apart")
    assert not set.intersection(*(set(measuring_of(loaded(fold.path))) for fold in folds))
    unseen = [set(fold.predictions(OUT_OF_FOLD).index["patient"]) for fold in folds]
    for own, fold in zip(unseen, folds, strict=True):  # the card names those of its segmenter, too
        assert not set(map(patient_hash, own)) & set(fold.card.patients.trained)
    everybody = read_truth(experiment, Manifest.read(experiment.data), OUT_OF_FOLD).patients
    assert set.union(*unseen) == set(everybody)


def test_their_ensemble_has_each_segmenter_once_too_and_is_what_was_judged(experiment, truth):
    member = Member.open(experiment.ensemble_directory)
    model = loaded(member.path)
    assert variables_in(member.model) == len(measuring_of(model)) == sum(SEGMENTERS.values())
    members = [Member.open(experiment.member_directory(name)).predictions("test").values for name in MEMBERS]
    said = np.concatenate(list(predict_samples(model, truth)))
    np.testing.assert_allclose(said, np.mean([np.asarray(values) for values in members], axis=0), atol=1e-6)
    rows = {row["name"]: row["metrics"] for row in read_json(experiment.evaluation_directory / "metrics.json")["rows"]}
    assert rows["ensemble"]["accuracy"]["value"] == np.mean(said.argmax(axis=1) == truth.values)


def test_measurements_are_kept_by_segmenter_for_whoever_asks(experiment, truth):
    kept = {folder.name for folder in experiment.measurements_directory.iterdir()}
    assert kept == set(measuring_of(loaded(experiment.ensemble_directory)))
    pictures = len({region.picture for region in truth.regions})
    for folder in experiment.measurements_directory.iterdir():
        assert len(list(folder.glob("*.npz"))) >= pictures
