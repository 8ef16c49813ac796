"""What a training decides from its history, and that all devices may share it."""

import subprocess
import sys
from pathlib import Path

import pytest

from classification.config import Phase, Plateau, Settings
from classification.fit import _optimizer, is_over, next_rate
from spine.history import History

ROOT = Path(__file__).resolve().parents[2]
PHASE = Phase("frozen", epochs=5, learning_rate=0.1, unfreeze=None)


def history(*losses: float, phase: str = "frozen", rate: float = 0.1, before: History | None = None) -> History:
    found = before or History()
    for loss in losses:
        found = found.adding(phase, {"loss": loss, "val_loss": loss}, rate)
    return found


def settings(**changes) -> Settings:
    return Settings(network="plain_cnn", weights="none", **changes)


def test_a_phase_ends_with_its_epochs():
    assert not is_over(history(5, 4, 3, 2), PHASE, settings())
    assert is_over(history(5, 4, 3, 2, 1), PHASE, settings())


def test_a_phase_ends_when_its_patience_does():
    assert not is_over(history(1, 2), PHASE, settings(patience=2))
    assert is_over(history(1, 2, 2), PHASE, settings(patience=2))


def test_a_phase_is_patient_with_its_own_epochs_only():
    both = history(2, 3, phase="tuning", before=history(1, 5, 5))
    assert not is_over(both, Phase("tuning", 5, 0.01, "all"), settings(patience=2))


def test_the_rate_falls_on_a_plateau_again_and_again_but_not_below_its_minimum():
    falling = settings(reduce_on_plateau=Plateau(patience=2, factor=0.5, minimum=0.02))
    assert next_rate(history(1, 2), falling) == 0.1
    assert next_rate(history(1, 2, 2), falling) == 0.1 * 0.5
    once = history(1, 2, 2)
    assert next_rate(history(2, rate=0.05, before=once), falling) == 0.05
    assert next_rate(history(2, 2, rate=0.05, before=once), falling) == 0.05 * 0.5
    assert next_rate(history(1, 2, 2, rate=0.03), falling) == 0.02
    assert next_rate(history(1, 2, 2, rate=0.01), falling) == 0.01  # started below it: left alone


def test_the_rate_stays_without_a_plateau_setting():
    assert next_rate(history(1, 2, 2, 2, 2), settings()) == 0.1


TWO_DEVICES = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from classification import fit, train
from tests.experiment_on_disk import write_experiment
fit._strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
changes = {"network": "plain_cnn", "weights": "none", "height": 16, "width": 16, "filters": [4], "epochs": 2}
experiment = write_experiment(Path(sys.argv[1]), members=("two",), patients={"train": 3, "validation": 2, "test": 1})
experiment = experiment.model_copy(update={"members": {"two": fit.Settings(**changes)}, "name": "devices"})
directory = train.train(experiment, "two")
print(len((directory / "history.csv").read_text().splitlines()), (directory / "model" / "1").is_dir())
"""


@pytest.mark.slow
def test_two_devices_train_and_publish_one_member(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3 True"


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_each_optimizer_takes_the_phase_s_rate(optimizer):
    made = _optimizer(PHASE, settings(optimizer=optimizer, momentum=0.8))
    assert type(made).__name__.lower() == optimizer
    assert float(made.learning_rate) == pytest.approx(0.1)
    assert getattr(made, "momentum", 0.8) == 0.8
