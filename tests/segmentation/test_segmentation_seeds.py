"""Seeds and snapshots of a segmentation member, trained: members alike in their settings that answer differently."""

import numpy as np
import pytest

from ensemble.predict import run as predict
from segmentation.train import train
from spine.member.member import Member
from spine.training.history import History
from tests.segmentation_on_disk import experiment_of, write_masks

pytestmark = pytest.mark.slow

TINY = {"encoder": "mobilenet0.25", "encoder_weights": "none", "height": 32, "width": 32, "batch": 4}
MEMBERS = {
    "seeded": {**TINY, "epochs": 1, "seeds": 2},
    "snapped": {**TINY, "epochs": 4, "schedule": "cosine", "learning_rate": 0.01, "snapshots": 2},
}


def test_seeds_are_trainings_of_their_own_and_snapshots_are_cycles_of_one(tmp_path):
    write_masks(tmp_path / "data")
    experiment = experiment_of(tmp_path, MEMBERS)
    assert list(experiment.members) == ["seeded_seed1", "seeded_seed2", "snapped-1", "snapped-2"]
    for name in ("seeded_seed1", "seeded_seed2", "snapped-2"):
        train(experiment, name)
    predict(experiment)
    members = {name: Member.open(experiment.member_directory(name)) for name in experiment.members}
    said = {name: np.asarray(member.predictions("validation").values, np.float64) for name, member in members.items()}
    for one, other in (("seeded_seed1", "seeded_seed2"), ("snapped-1", "snapped-2")):
        assert np.abs(said[one] - said[other]).max() > 0.01
        assert members[one].card.patients == members[other].card.patients
    assert len({member.card.model_hash for member in members.values()}) == len(members)
    history = History.read(members["snapped-1"].path / "history.csv")
    losses = [float(row["val_loss"]) for row in history.rows]
    for name, cycle in (("snapped-1", losses[:2]), ("snapped-2", losses[2:])):
        assert members[name].card.details["val_loss"] == min(cycle)
    rates = [float(row["learning_rate"]) for row in history.rows]
    assert rates[0] == rates[2] > rates[1] == rates[3]  # each cycle begins anew
