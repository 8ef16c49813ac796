"""Members that measure, joined of their folds: each segmenter once, and the mean of the folds as exactly as ever."""

import numpy as np
import pytest
import tensorflow as tf

from classification.train import train
from ensemble import join_folds
from ensemble.export import run as export
from ensemble.predict import run as predict
from ensemble.search import run as search
from spine.dataset.manifest import OUT_OF_FOLD, Manifest
from spine.experiment.folds import fold_of_patients, parts
from spine.experiment.truth import read_truth
from spine.member.measuring import measuring_of
from spine.member.member import Member
from spine.member.run_model import load_model, predict_pictures, predict_samples
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
    """Joined of their folds, predicted, searched and exported."""
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
    for part in parts(experiment):
        for name in MEMBERS:
            train(part, name)
    join_folds.run(experiment)
    predict(experiment)
    search(experiment)
    export(experiment)
    return experiment


@pytest.fixture(scope="module")
def truth(experiment):
    return read_truth(experiment, Manifest.read(experiment.data), "test")


def folds_of(experiment, name) -> list[Member]:
    return [Member.open(part.member_directory(name)) for part in parts(experiment)]


def stored(directory, suffix: str) -> list[str]:
    """The variables that a SavedModel stores, of those whose name ends so."""
    names = [name for name, _ in tf.train.list_variables(str(directory / "variables" / "variables"))]
    return [name for name in names if name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").endswith(suffix)]


@pytest.mark.parametrize(("name", "count"), SEGMENTERS.items())
def test_what_is_served_is_the_mean_of_the_folds_and_has_each_segmenter_once(experiment, truth, name, count):
    joined = Member.open(experiment.member_directory(name))
    model, folds = load_model(joined), list(map(load_model, folds_of(experiment, name)))
    assert len(measuring_of(model)) == len({each for fold in folds for each in measuring_of(fold)}) == count
    assert len(stored(joined.model, "greys")) == count
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
    said = np.concatenate(list(predict_samples(load_model(joined), truth)))
    np.testing.assert_allclose(np.asarray(joined.predictions("test").values), said, atol=1e-6)
    for fold in folds_of(experiment, name):
        own = fold.predictions(OUT_OF_FOLD)
        unseen = read_truth(experiment, Manifest.read(experiment.data), OUT_OF_FOLD)
        place = {sample: row for row, sample in enumerate(unseen.samples)}
        said = np.concatenate(list(predict_samples(load_model(fold), unseen)))
        rows = [place[sample] for sample in own.index["sample"]]
        np.testing.assert_allclose(np.asarray(own.values), said[rows], atol=1e-6)


def test_a_fold_is_measured_by_a_segmenter_that_has_not_seen_its_patients(experiment):
    by_fold = [set(measuring_of(load_model(fold))) for fold in folds_of(experiment, "apart")]
    assert not set.intersection(*by_fold)


def test_their_ensemble_has_each_segmenter_once_too(experiment, truth):
    member = Member.open(experiment.ensemble_directory)
    model = load_model(member)
    assert len(stored(member.model, "greys")) == len(measuring_of(model)) == sum(SEGMENTERS.values())
    members = [Member.open(experiment.member_directory(name)).predictions("test").values for name in MEMBERS]
    said = np.concatenate(list(predict_samples(model, truth)))
    np.testing.assert_allclose(said, np.mean([np.asarray(values) for values in members], axis=0), atol=1e-6)


def test_measurements_are_kept_by_segmenter_for_whoever_asks(experiment, truth):
    kept = {folder.name for folder in experiment.measurements_directory.iterdir()}
    assert kept == set(measuring_of(load_model(Member.open(experiment.ensemble_directory))))
    pictures = len({region.picture for region in truth.regions})
    for folder in experiment.measurements_directory.iterdir():
        assert len(list(folder.glob("*.npz"))) >= pictures
