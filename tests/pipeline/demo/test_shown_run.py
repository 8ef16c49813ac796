"""What a run, a case or a directory is opened as, and what is told where it cannot be."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from classification.config import Settings
from classification.export import ServedClassifier
from classification.model import build
from ensemble.case.parts import Part
from ensemble.fusion.fuse import Mean
from pipeline.demo import shown_run
from pipeline.demo.shown_run import ShownRun
from spine.core.problems import SpineError
from spine.member.member import Member
from tests.case_on_disk import GRADES, NOBODY, write_member

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
SETTINGS = Settings(network="plain_cnn", weights="none", filters=(4,), height=16, width=16, head={"dense": [3]})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("quickstart.yaml", "is a suite; show one of its cases, such as configs/cases/quickstart.yaml"),
        ("quickstart/classification.yaml", "has no model in .*; run `spine export .*classification.yaml`"),
        ("cases/quickstart.yaml", "has no model in .*quickstart_case yet; run `spine export"),
        ("nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_what_cannot_be_shown_is_told_with_what_to_do(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    with pytest.raises(SpineError, match=message):
        ShownRun.open(CONFIGS / path, [f"runs={tmp_path}"])


def test_members_of_a_classification_can_be_watched(tmp_path, monkeypatch):
    module = ServedClassifier(build(SETTINGS, 2), SETTINGS)
    member = Member.open(write_member(tmp_path / "cnn", "classification", GRADES, module))
    part = Part("t", "classification", GRADES, (member,), Mean((1.0,)), None, NOBODY)
    monkeypatch.setattr(Part, "of_experiment", lambda name, experiment: part)
    experiment = SimpleNamespace(task="classification", members={"cnn": SETTINGS}, labels=GRADES, ordinal=False)
    run = shown_run._with_graders(None, {"t": experiment, "u": None}, 0.1)
    assert "directory" in run.reasons["u"]
    picture = np.random.default_rng(0).random((16, 16), np.float32)
    said, _ = run.graders["t"].networks[0].look(picture, [(0, 0, 1, 1)], [1])
    expected = module.image(picture[np.newaxis, ..., np.newaxis])["probabilities"]
    np.testing.assert_allclose(said, expected, atol=1e-5)


def test_members_that_cannot_be_watched_leave_their_reason(tmp_path, monkeypatch):
    def gone(name, experiment):
        raise SpineError("weights.json does not exist")

    monkeypatch.setattr(Part, "of_experiment", gone)
    run = shown_run._with_graders(None, {"t": SimpleNamespace()}, 0.1)
    assert run.reasons == {"t": "weights.json does not exist"}
    assert not run.graders
