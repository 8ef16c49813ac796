"""Several targets trained by two jobs at once give the members that one job after another gives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from classification.train import train
from ensemble.predict import run as predict
from pipeline.experiments import load_experiment, load_experiments
from pipeline.training import train_members
from spine.member.member import Member
from spine.training.history import History
from tests.jobs_here import train_here
from tests.spines_on_disk import LABELS, write_discs, write_segmenter

pytestmark = pytest.mark.slow

MEMBERS = {
    "measured": {"network": "measurements", "trees": 10, "shrinkage": 0.2, "fewest": 3},
    "plain": {"network": "plain_cnn", "weights": "none", "height": 16, "width": 24, "filters": [4], "epochs": 2},
}
TARGETS = {"narrowing": LABELS, "place": ("lower", "upper")}


@pytest.fixture
def file(tmp_path):
    """An experiment file of both targets; the segmenter that the first member measures with is there."""
    manifest = write_discs(tmp_path)
    places = manifest.labels.assign(target="place")
    places["value"] = [TARGETS["place"][number % 2] for number in range(len(places))]
    replace(manifest, labels=pd.concat([manifest.labels, places])).write()
    segmenter = write_segmenter(tmp_path / "outlines")
    raw = {
        "name": "grades",
        "task": "classification",
        "data": str(manifest.root),
        "targets": {target: {"labels": list(labels)} for target, labels in TARGETS.items()},
        "members": {**MEMBERS, "measured": MEMBERS["measured"] | {"segmenter": str(segmenter)}},
    }
    (tmp_path / "grades.yaml").write_text(yaml.safe_dump(raw))
    return tmp_path / "grades.yaml"


def train_one(name, file, *overrides) -> int:
    train(load_experiment(file, overrides), name)
    return 0


def test_two_jobs_give_the_members_that_one_gives(file, monkeypatch):
    found = {}
    for jobs in (1, 2):
        shown = []
        for experiment in load_experiments(file, [f"jobs={jobs}", f"runs={file.parent / f'runs{jobs}'}"]):
            with monkeypatch.context() as patch:
                if jobs == 1:
                    train_here(patch, train_one)  # one after another, without processes
                train_members(experiment, shown.append)
            predict(experiment)
            for name in MEMBERS:
                member = Member.open(experiment.member_directory(name))
                found[jobs, experiment.target, name] = member, History.read(member.path / "history.csv")
        assert sum(line.startswith("train plain") and "up to date" in line for line in shown) == 1  # of both targets
    for target in TARGETS:
        for name in MEMBERS:
            (one, history), (other, again) = found[1, target, name], found[2, target, name]
            assert one.card.config_hash == other.card.config_hash
            assert one.card.patients == other.card.patients
            assert len(history) == len(again)
            for split in ("validation", "test"):
                said, repeated = (np.asarray(each.predictions(split).values) for each in (one, other))
                np.testing.assert_allclose(said, repeated, atol=1e-4)
                assert np.ptp(said[:, 1]) > 1e-4
