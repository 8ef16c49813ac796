"""`spine tune` by its command on phantoms: trainings of the plain CNN, killed in the first trial, and gone on with."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipeline.data import build_dataset
from pipeline.experiments import load_experiment
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.intake.config import DataConfig
from spine.training.history import History

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 5


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """The experiment of the quickstart's discs, small, its pictures of test removed: nothing may read them."""
    monkeypatch.chdir(tmp_path)
    raw = yaml.safe_load((ROOT / "configs" / "data" / "phantom_discs.yaml").read_text())
    raw["phantom"]["settings"] = {"patients": 10, "seed": 1, "size": [128, 160], "slices": [3]}
    manifest = Manifest.read(build_dataset(validate(DataConfig, raw, "the discs"), lambda line: None))
    for sample in manifest.samples_in("test"):
        (manifest.root / "images" / f"{sample}.png").unlink()
    content = {
        "name": "discs",
        "task": "classification",
        "data": str(manifest.root),
        "target": "degeneration",
        "labels": ["normal", "degenerated"],
        "shared": {"weights": "none", "height": 24, "width": 32, "batch": 8, "epochs": EPOCHS},
        "members": {"plain": {"network": "plain_cnn", "filters": [4, 8], "head": {"dense": [8]}}},
        "search": {"metric": "log_loss"},
        "tune": {"member": "plain", "trials": 2, "space": {"optimizer": ["sgd", "adam"], "head.dropout": [0.1, 0.2]}},
    }
    (tmp_path / "discs.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "discs.yaml"


def test_a_killed_tuning_goes_on_and_writes_what_it_found(file):
    command = [sys.executable, "-P", "-m", "pipeline.cli", "tune", file.name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    directory = file.parent / "runs" / "discs" / "tune"
    trial = directory / "plain" / "trials" / "0000"
    history = trial / "discs" / "members" / "plain" / "history.csv"
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not History.read(history) and first.poll() is None:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not (trial / "result.json").exists()
    time.sleep(1)  # the training ends by itself when it finds that its parent is gone
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "runs/discs/tune/best.yaml"
    assert all(Path(line).is_file() for line in done.stdout.splitlines())
    assert [line[:12] for line in done.stderr.splitlines() if "/2" in line] == ["== 1/2  tria", "== 2/2  tria"]
    with (directory / "plain" / "trials.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["state"], row["epochs"]) for row in rows] == [("complete", str(EPOCHS))] * 2
    assert (rows[0]["optimizer"], rows[0]["head.dropout"]) == ("adam", "0.2")  # the file's own
    assert (trial / "log.txt").read_text().count(f"plain scratch 1/{EPOCHS}") == 1  # it went on after it
    assert not list((directory / "plain").rglob("saved_model.pb"))
    best = min(rows, key=lambda row: float(row["log_loss"]))
    member = load_experiment(directory / "best.yaml").members["plain"]
    assert (member.optimizer, str(member.head.dropout)) == (best["optimizer"], best["head.dropout"])
