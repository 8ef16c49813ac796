"""Training one segmentation member: killed and resumed, and the member it leaves."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ensemble.predict import run as predict
from segmentation.train import fitting_of, train
from spine.core.privacy import patient_hash
from spine.core.problems import SpineError
from spine.core.processes import exclusive_lock
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.truth import read_truth
from spine.member.member import Member
from spine.training.history import History
from spine.training.rehearsal import rehearse_member
from tests.killed_training import kill_after_epoch
from tests.member_contract import MemberContract
from tests.segmentation_on_disk import experiment_of, write_masks

ROOT = Path(__file__).resolve().parents[2]
SALT = "salt of the tests"
EPOCHS = 8
MEMBER = {
    "architecture": "unet",
    "encoder": "mobilenet0.25",
    "encoder_weights": "none",
    "height": 64,
    "width": 64,
    "batch": 4,
    "epochs": EPOCHS,
    "learning_rate": 3e-3,
    "batch_norm_momentum": 0.5,
    "test_time": ["vertical_flip"],
}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("training")
    write_masks(folder / "data")
    return experiment_of(folder, {"tiny": MEMBER})


@pytest.fixture(scope="module")
def trained(experiment) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", SALT)
        directory = train(experiment, "tiny")
        predict(experiment)
    return directory


def test_it_learns_discs_and_tells_so_in_its_history(trained):
    history = History.read(trained / "history.csv")
    assert list(history.rows[0]) == [
        *("phase", "epoch", "loss", "dice_foreground", "iou_foreground"),
        *("val_loss", "val_dice_foreground", "val_iou_foreground", "seconds", "learning_rate"),
    ]
    for kind in ("", "val_"):
        dice, iou = (np.array([row[f"{kind}{name}_foreground"] for row in history.rows]) for name in ("dice", "iou"))
        assert np.all((iou >= dice / (2 - dice) - 1e-6) & (iou < dice)), (
            kind
        )  # as the mean over several classes must lie
    assert len(history) == EPOCHS
    assert float(history.rows[-1]["val_dice_foreground"]) > 0.8
    assert float(history.rows[-1]["learning_rate"]) < float(history.rows[0]["learning_rate"]) / 4  # cosine
    assert list((trained / "logs" / "validation").glob("events.*"))


@pytest.mark.slow
def test_a_rehearsal_tells_what_a_few_batches_take_and_keeps_nothing(experiment, tmp_path):
    told = rehearse_member(fitting_of, experiment.model_copy(update={"runs": tmp_path}), "tiny")
    assert told.lengths == {"whole": 2}
    assert told.epoch_seconds["whole"] > 0
    assert list(tmp_path.iterdir()) == []


def test_its_stored_maps_are_those_of_its_best_epoch_at_the_pictures_own_size(experiment, trained):
    member = Member.open(trained)
    stored = member.predictions("validation")
    truth = read_truth(experiment, Manifest.read(experiment.data), "validation")
    assert stored.values.dtype == np.float16
    assert stored.values.shape == (2 * 48 * 48 + 2 * 40 * 56, 3)
    both = either = np.zeros(3)
    for number, row in enumerate(stored.index.itertuples()):
        answer = stored.values[row.offset : row.offset + row.height * row.width].argmax(axis=1)
        said = np.eye(3)[answer]
        true = np.eye(3)[truth.mask(number).ravel()]
        both, either = both + (said * true).sum(axis=0), either + (said + true).sum(axis=0)
    dice = np.mean(2 * both[1:] / either[1:])
    assert dice == pytest.approx(
        member.card.details["val_dice_foreground"], abs=0.05
    )  # there without flips, at 64 x 64


def test_the_card_names_its_patients_by_hash(trained):
    patients = Member.open(trained).card.patients
    assert set(patients.trained) == {patient_hash(f"train{number:02d}") for number in range(6)}
    assert set(patients.stopped) == {patient_hash(f"validation{number:02d}") for number in range(2)}


@pytest.mark.slow
def test_a_killed_run_resumes_with_as_many_epochs(experiment, trained):
    killed = experiment.model_copy(update={"name": "killed"})
    file = killed.write(killed.directory / "experiment.yaml")
    directory = killed.member_directory("tiny")
    process = subprocess.Popen(
        [sys.executable, "-m", "segmentation.train", str(file), "--member", "tiny"],
        cwd=ROOT,
        env={**os.environ, "SPINE_SALT": SALT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    kill_after_epoch(3, process, directory)
    assert not (directory / "member.json").exists()
    before = History.read(directory / "history.csv")
    resumed, whole = (History.read(train(killed, "tiny") / "history.csv"), History.read(trained / "history.csv"))
    assert 2 <= len(before) < EPOCHS  # history.csv follows the checkpoint
    assert resumed.rows[: len(before)] == before.rows
    for column in ("epoch", "learning_rate", "loss", "val_loss"):
        values = ([row[column] for row in history.rows] for history in (resumed, whole))
        np.testing.assert_allclose(*values, rtol=2e-2, err_msg=column)


def test_a_member_that_another_process_trains_is_refused(experiment):
    other = experiment.model_copy(update={"name": "other"})
    with (
        exclusive_lock(other.member_directory("tiny")),
        pytest.raises(SpineError, match=rf"tiny is being written by process {os.getpid()} on"),
    ):
        train(other, "tiny")
    assert not other.member_directory("tiny").exists()


@pytest.mark.slow
def test_a_training_ends_with_the_command_that_started_it(experiment):
    longer = experiment.members["tiny"].model_copy(update={"epochs": 1000, "patience": 1000})
    killed = experiment.model_copy(update={"name": "ended", "members": {"tiny": longer}})
    file = killed.write(killed.directory / "experiment.yaml")
    lock = killed.member_directory("tiny").with_name(".tiny.lock")
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "train", str(file)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "SPINE_SALT": SALT}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not lock.exists() or not lock.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        trains = int(lock.read_text().split()[1])
        assert trains != process.pid
        process.kill()
    time.sleep(3)
    with exclusive_lock(killed.member_directory("tiny")):  # free again, so the training has ended
        pass


class TestTrainedMember(MemberContract):
    @pytest.fixture
    def member_directory(self, trained) -> Path:
        return trained
