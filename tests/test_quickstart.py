"""The quickstart as a user runs it, from generated DICOM to the report; that its data is worth an ensemble; and the
commands of the pages that go on from it.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from ensemble.experiment_run import ExperimentRun
from pipeline.experiments import load_experiment
from spine import metrics
from spine.core.files import read_json
from spine.experiment.config import Experiment
from spine.metrics.matches import match_images
from tests.walked_pages import WALKED, walk

ROOT = Path(__file__).resolve().parents[1]
SPINE = [sys.executable, "-c", "from pipeline.cli import main; main()"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working directory in which the quickstart has run."""
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "configs").symlink_to(ROOT / "configs")
    run_quickstart(folder)
    return folder


def load(task: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SPINE_SALT", raising=False)
    return load_experiment(f"configs/quickstart/{task}.yaml")


@pytest.fixture(params=["detection", "classification", "segmentation"])
def experiment(request, folder, monkeypatch) -> Experiment:
    return load(request.param, folder, monkeypatch)


@pytest.fixture(params=["classification", "segmentation"])
def experiment_of_classes(request, folder, monkeypatch) -> Experiment:
    return load(request.param, folder, monkeypatch)


def run_quickstart(folder: Path) -> str:
    """Run it as a user does, with the salt of the folder: each run has the same, whatever test asks for it."""
    own = {name: value for name, value in os.environ.items() if name != "SPINE_SALT"}
    command = [*SPINE, "run", "configs/quickstart.yaml"]
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def judged(experiment: Experiment) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Member -> the class it gives to each test disc or pixel (N,), and the true classes (N,)."""
    split = ExperimentRun(experiment).predictions("test")
    if experiment.task == "classification":
        members, truth, _ = split.to_resample()
        return {name: probabilities.argmax(axis=1) for name, probabilities in members.items()}, truth
    truth = np.concatenate([mask.ravel() for mask in split.truth])
    return {name: stored.values.argmax(axis=1) for name, stored in split.stored.items()}, truth


def errors(experiment: Experiment) -> dict[str, np.ndarray]:
    """Member -> whether it is wrong on each test disc or pixel."""
    called, truth = judged(experiment)
    return {name: classes != truth for name, classes in called.items()}


def test_no_member_is_perfect_and_each_has_learned(experiment_of_classes):
    _, truth = judged(experiment_of_classes)
    always_the_commonest = 1 - np.bincount(truth).max() / len(truth)
    for name, wrong in errors(experiment_of_classes).items():
        assert 0 < wrong.mean() < always_the_commonest, name


def test_members_err_differently(experiment_of_classes):
    for (first, one), (second, other) in itertools.combinations(errors(experiment_of_classes).items(), 2):
        shared = np.sum(one & other) / np.sum(one | other)
        assert shared < 0.75, (first, second, shared)


def test_every_detector_finds_discs(folder, monkeypatch):
    experiment = load("detection", folder, monkeypatch)
    split = ExperimentRun(experiment).predictions("test")
    assert len(split.stored) >= 2
    for name, stored in split.stored.items():
        found = metrics.detection.average_precision(match_images(split.truth, stored), iou=0.5)
        assert 0.5 < found[split.truth.labels.index("disc")] < 1, name


def test_the_cost_of_detection_is_told(folder):
    found = read_json(folder / "runs/quickstart_classification/evaluation-phantom_discs_detected/metrics.json")
    assert {row["name"] for row in found["rows"]} >= {"equal weights", "ensemble"}
    assert found["against_own_dataset"]


def test_the_optimum_is_a_grid_vector_no_worse_than_any_member(experiment):
    found = read_json(experiment.ensemble_directory / "weights.json")
    optimum = found["rules"]["optimum"]
    weights = np.array(list(optimum["weights"].values()))
    np.testing.assert_allclose(weights * 10, np.round(weights * 10), atol=1e-9)
    assert weights.sum() == pytest.approx(1)
    assert optimum["score"] >= max(found["singles"].values())
    assert sum(found["weights"].values()) == pytest.approx(1)
    assert found["split"] == "validation"


def test_every_row_of_the_leaderboard_has_its_interval(experiment):
    found = read_json(experiment.evaluation_directory / "metrics.json")
    assert {row["name"] for row in found["rows"]} == {*experiment.members, "equal weights", "ensemble"}
    for row in found["rows"]:
        score = row["metrics"][found["headline"]]
        assert score["low"] <= score["value"] <= score["high"]


def test_a_second_run_changes_nothing(folder):
    """Before the pages go on in the folder."""
    files = [path for path in (folder / "runs").rglob("*") if path.is_file() and path.name != "experiment.yaml"]
    before = {path: path.stat().st_mtime_ns for path in files}
    printed = run_quickstart(folder)
    assert {path: path.stat().st_mtime_ns for path in files} == before
    for task in ("detection", "classification", "segmentation"):
        assert f"quickstart_{task}/report.html" in printed
    assert "ensemble" in printed


def test_decisions_of_trained_members_hold_on_test(folder, monkeypatch):
    """Of one disc a patient the sets hold the true class as often as was asked, and the operating point misses few."""
    found = read_json(load("classification", folder, monkeypatch).evaluation_directory / "metrics.json")
    sets, point, patients = (
        found["decisions"]["sets"],
        found["decisions"]["operating_point"],
        found["counts"]["patients"],
    )
    covered = binomtest(round(sets["coverage"]["value"] * patients), patients)
    assert sets["asked"] == 0.9
    assert covered.proportion_ci(0.99).high >= 0.9
    assert sets["undecided"]["value"] < 0.5
    assert point["sensitivity"]["high"] >= 0.9
    assert point["specificity"]["value"] > 0.25


@pytest.mark.parametrize("page", [page for page in WALKED if page != "docs/client.md"])  # README.md goes on with it
def test_the_commands_of_a_page_do_what_it_says(page, folder):
    walk(page, folder)
