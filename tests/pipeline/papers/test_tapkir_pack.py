"""The pack of Tapkir et al. by its command at a fraction of its phantom scale: its table, its tuning, and its page.

A plain CNN of a few filters learns for an epoch, and again as the one trial of the tuning.
"""

import csv
import shlex
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from pipeline.demo.shown_run import ShownRun
from pipeline.demo.visit import Visit
from spine.dataset.manifest import Manifest
from tests.paper_pack_ran import NONE, RUNS, RanPack, read, tables_of, write, write_data, write_part

PACK = Path("configs/papers/phantom/tapkir_fracture.yaml")
PART = Path("configs/papers/phantom/tapkir_classification.yaml")
RUN = "tapkir_classification_phantom"
TINY = {"network": "plain_cnn", "filters": [4], "head": {"dense": [4]}}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_data(folder, "configs/data/phantom_fracture.yaml", patients=60, size=[128, 140])
    small = {"height": 32, "width": 32, "epochs": 1, "warmup": 0}
    write_part(
        folder, PART, {"shared": small, "members": {"plain_cnn": TINY, "deeper_cnn": None}, "tune": {"trials": 1}}
    )
    write(folder / PACK, read(PACK))
    return RanPack.of(folder, PACK)


def test_the_table_is_of_the_leaderboard_and_the_paper_prints_none(ran):
    ran.assert_one_report(1)
    ran.assert_printed()
    ran.assert_measured(least=12)


def test_the_tuning_is_told_by_optimizer_as_its_trials_were(ran):
    heads, _, *rows = tables_of(ran.page)[1]
    assert heads == ["", "AUC", "trials"]
    with (ran.folder / RUNS / RUN / "tune" / "plain_cnn" / "trials.csv").open(newline="") as stream:
        trials = list(csv.DictReader(stream))
    assert len(trials) == 1
    assert [row[0].split(" ours: ")[0] for row in rows] == ["sgd", "adam", "rmsprop"]
    for name, best, count in ([row[0].split(" ")[0], *row[1:]] for row in rows):
        own = [trial for trial in trials if trial["optimizer"] == name]
        scores = [float(trial["roc_auc"]) for trial in own if trial["roc_auc"]]
        assert best == (f"{max(scores):.4f}" if scores else NONE)
        assert count.split(" ")[0] == str(len(own))


def test_the_page_that_stands_for_the_papers_program_answers_as_the_members_did(ran, tmp_path, monkeypatch):
    command = next(line for line in unescape(ran.page).splitlines() if "spine demo" in line)
    words = shlex.split(command.replace("<pre><code>", "").replace("</code></pre>", ""))
    assert words[:2] == ["spine", "demo"]
    monkeypatch.chdir(ran.folder)
    run = ShownRun.open(words[2], words[3:])
    manifest = Manifest.read(Path("data/phantom_fracture"))
    sample = manifest.samples_in("test")[0]
    visit = Visit.begin(run, tmp_path)
    visit.open(manifest.image_path(sample))
    (grade,) = visit.answer.findings[0].grades
    assert grade.labels == ("Normal", "Abnormal")
    assert grade.members
    for name, probabilities in grade.members.items():
        stored = np.load(Path(RUNS) / RUN / "members" / name / "predictions" / "test" / "probabilities.npy")
        np.testing.assert_allclose(probabilities, stored[0], atol=1e-4)
    visit.forget()
