"""The benchmark that holds two experiments against each other, of every task."""

import importlib
from pathlib import Path

import pytest

from spine.dataset.manifest import Manifest
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

ROOT = Path(__file__).resolve().parents[1]
FAST = {"evaluate": {"resamples": 100}}
WRITERS = {
    "classification": (write_experiment, {"AUC", "accuracy"}),
    "segmentation": (write_segmentation_experiment, {"foreground Dice", "foreground IoU"}),
    "detection": (write_detection_experiment, {"mAP at IoU 0.5", "mAP at IoU 0.5 to 0.95"}),
}


@pytest.mark.parametrize("task", WRITERS)
def test_an_experiment_is_ahead_of_itself_by_nothing(task, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    write, compared = WRITERS[task]
    experiment = write(tmp_path, **FAST)
    table = importlib.import_module("paired").paired(experiment, experiment)
    metrics, ours, theirs, ahead = (list(column.cells) for column in table.columns)
    assert compared <= set(metrics)
    assert ours == theirs
    assert set(ahead) == {"0.000 (0.000 to 0.000)"}
    manifest = Manifest.read(experiment.data)
    patients = {manifest.patient_of()[sample] for sample in manifest.samples_in("test")}
    assert str(table.title).startswith(f"{len(patients)} patients, ")
