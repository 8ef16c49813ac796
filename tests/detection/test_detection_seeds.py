"""Seeds of a detection member, trained: alike in their settings, and their boxes differ."""

import numpy as np
import pytest

from detection.train import train
from ensemble.predict import run as predict
from spine.core.problems import SpineError
from spine.member.member import Member
from tests.detection.test_detection_train import MEMBER
from tests.detection_on_disk import experiment_of, write_boxes

pytestmark = pytest.mark.slow


def test_seeds_are_trainings_of_their_own(tmp_path):
    write_boxes(tmp_path / "data", {"train": 4, "validation": 2, "test": 2})
    experiment = experiment_of(tmp_path, {"tiny": {**MEMBER, "epochs": 1, "seeds": 2}})
    assert list(experiment.members) == ["tiny_seed1", "tiny_seed2"]
    members = [Member.open(train(experiment, name)) for name in experiment.members]
    predict(experiment)
    one, other = (member.predictions("validation") for member in members)
    assert one.index.equals(other.index)
    assert any(
        len(first) != len(second) or np.abs(first.boxes - second.boxes).max(initial=0) > 1e-3
        for first, second in zip(one, other, strict=True)
    )
    assert members[0].card.patients == members[1].card.patients
    assert members[0].card.model_hash != members[1].card.model_hash


def test_snapshots_are_refused_with_the_reason(tmp_path):
    with pytest.raises(SpineError, match="its cosine falls once"):
        experiment_of(tmp_path, {"tiny": {**MEMBER, "snapshots": 2}})
