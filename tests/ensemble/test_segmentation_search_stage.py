"""The stage `spine search` for segmentation on a small experiment on disk."""

import numpy as np
import pandas as pd
import pytest

from ensemble.engine.nested.nested_search_images import nested_search_images
from ensemble.engine.nested.resampled_gains import grid_weights
from ensemble.engine.scoring import images
from ensemble.engine.scoring.class_members import TooManyPixels
from ensemble.engine.scoring.images import reduce_images
from ensemble.evaluators.segmentation import SegmentationEvaluator
from ensemble.experiment_run import ExperimentRun
from ensemble.problem_of import problem_of_split
from ensemble.results.found_weights import FoundWeights, NestedScore
from ensemble.search import run, search_weights
from ensemble.search_problem.nested_estimate import find_nested_estimate
from ensemble.search_problem.resampling import resample
from spine.core.files import read_json
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import MaskTruth
from spine.experiment.config import Experiment
from spine.experiment.stages import SearchSettings
from spine.member.member import Card, Member
from spine.metrics.statistics import patient_resamples
from spine.predictions.predictions import Predictions
from tests.experiment_on_disk import write_segmentation_experiment
from tests.segmentation_on_disk import LABELS, experiment_of, write_masks

pytestmark = pytest.mark.slow

MEMBERS = ("unet", "linknet", "fpn")


@pytest.fixture
def experiment(tmp_path) -> Experiment:
    """Three members that see each mask through noise of their own; only validation is predicted."""
    manifest = write_masks(tmp_path / "data")
    experiment = experiment_of(tmp_path, {name: {} for name in MEMBERS})
    truth = MaskTruth.of_segmentation(manifest, "validation", LABELS)
    for seed, name in enumerate(MEMBERS):
        store(experiment, name, truth, seed)
    return experiment


def store(experiment: Experiment, name: str, truth: MaskTruth, seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = np.concatenate([np.eye(3)[mask.ravel()] for mask in truth]) * 2
    powers = np.exp(logits + random.normal(0, 1, logits.shape))
    index = pd.DataFrame({"sample": truth.samples, "patient": truth.patients})
    index[["height", "width"]] = truth.sizes
    index["offset"] = [0, *np.cumsum([height * width for height, width in truth.sizes])[:-1]]
    directory = experiment.member_directory(name)
    Predictions.write(
        directory / "predictions" / "validation",
        (powers / powers.sum(axis=1, keepdims=True)).astype(np.float16),
        index,
        task="segmentation",
        labels=truth.labels,
        split="validation",
        model_hash=name,
        truth_hash=truth.hash,
    )
    Member.publish(directory, Card(name=name, task="segmentation", labels=truth.labels, model_hash=name))


def test_it_writes_what_the_search_on_validation_finds(experiment):
    paths = run(experiment)
    assert [path.name for path in paths] == ["weights.json", "search.csv", "study.db"]
    written = read_json(paths[0])
    predictions = ExperimentRun(experiment).predictions("validation")
    truth = predictions.truth
    arrays = [stored.values.astype(np.float64) for stored in predictions.stored.values()]
    found = search_weights(predictions.stored, truth, "segmentation")
    assert written["rules"]["optimum"]["weights"] == found.weights
    assert [written["task"], written["metric"]] == ["segmentation", "dice_foreground"]
    assert written["rules"]["optimum"]["score"] == found.score
    called = sum(weight * array for weight, array in zip(written["weights"].values(), arrays, strict=True))
    called = called.argmax(axis=1)
    true = np.concatenate([mask.ravel() for mask in truth])
    dices = [2 * ((called == c) & (true == c)).sum() / ((called == c).sum() + (true == c).sum()) for c in (1, 2)]
    assert written["score"] == pytest.approx(np.mean(dices))
    assert written["score"] > max(written["singles"].values())
    assert written["counts"] == {"samples": 4, "units": 4, "patients": 2}
    patients = {Manifest.read(experiment.data).patient_of()[sample] for sample in truth.samples}
    assert written["patients"]["searched"] == sorted(map(patient_hash, patients))
    assert list(written["predictions"]) == list(MEMBERS)


def test_what_is_unchanged_is_skipped(experiment):
    before = [path.stat().st_mtime_ns for path in run(experiment)]
    assert [path.stat().st_mtime_ns for path in run(experiment)] == before


def test_predictions_of_another_truth_are_refused(experiment):
    manifest = Manifest.read(experiment.data)
    manifest.images["mask_sha256"] = "changed"
    manifest.write()
    with pytest.raises(SpineError, match="another truth"):
        run(experiment)


def test_class_weights_and_temperatures_are_written_and_judged(tmp_path):
    settings = {"metric": "dice_foreground", "step": 0.25, "temperature": True, "per_class": True, "resamples": 12}
    experiment = write_segmentation_experiment(tmp_path, search=settings, evaluate={"resamples": 100})
    found = read_json(run(experiment)[0])
    assert set(found["temperatures"]) == set(found["class_weights"]) == set(experiment.members)
    estimate = found["nested"]
    split, temperatures = ExperimentRun(experiment).predictions("validation"), tuple(found["temperatures"].values())
    both = [reduce_images(*split.to_search(), True, temperatures, per_class) for per_class in (False, True)]
    draws = patient_resamples(split.truth.patients, 12, experiment.seed)
    again = np.array(list(nested_search_images(*both, "dice_foreground", draws, grid_weights(3, 4))))
    assert estimate["score"] == pytest.approx(np.nanmean(again))
    assert estimate["resamples"] == np.isfinite(again).sum() > 0
    plain = experiment.model_copy(update={"search": experiment.search.model_copy(update={"per_class": False})})
    assert estimate["plain"] == read_json(run(plain)[0])["nested"]["score"] != estimate["score"]
    assert estimate["low"] <= estimate["score"] <= estimate["high"]
    assert estimate["optimism"] == pytest.approx(found["score"] - estimate["score"])
    rows = SegmentationEvaluator.of(split, FoundWeights.model_validate(found))
    assert rows.score(rows.ensemble, "dice_foreground") == found["score"]


def test_what_no_memory_allows_to_estimate_is_told(experiment, monkeypatch):
    def too_many(chunks):
        raise TooManyPixels("too many pixels")

    settings, split = SearchSettings(per_class=True), ExperimentRun(experiment).predictions("validation")
    context = problem_of_split(experiment, split, None).context(settings, {})
    monkeypatch.setattr(images, "within_memory", too_many)
    weights = np.array([0.2, 0.3, 0.5])
    estimate = find_nested_estimate(context, settings, weights, 0.9, resample(context, settings))
    assert estimate == NestedScore(resamples=0, why="too many pixels")
