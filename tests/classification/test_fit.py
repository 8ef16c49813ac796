"""All devices share a training."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TWO_DEVICES = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from classification import train
from classification.config import Settings
from spine.training import keras_fitting
from tests.experiment_on_disk import write_experiment
devices = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])  # one for both: a second would use the first one's keys
keras_fitting.strategy = lambda: devices
changes = {"network": "plain_cnn", "weights": "none", "height": 16, "width": 16, "filters": [4], "epochs": 2}
experiment = write_experiment(Path(sys.argv[1]), members=("two",), patients={"train": 3, "validation": 2, "test": 1})
experiment = experiment.model_copy(update={"members": {"two": Settings(**changes)}, "name": "devices"})
directory = train.train(experiment, "two")
print(len((directory / "history.csv").read_text().splitlines()), (directory / "model" / "1").is_dir())
from pipeline.experiments import load_experiments
from tests.targets_on_disk import SMALL, write_targets
own = {**SMALL, "epochs": 2, "batch": 7, "class_weights": "balanced", "ema": 0.9, "augmentation": {"mixup": 0.2}}
both = load_experiments(write_targets(Path(sys.argv[1]) / "targets", members={"one": own}))
train.train(both[1], "one")
print([(one.member_directory("one") / "model" / "1").is_dir() for one in both])
"""


@pytest.mark.slow
def test_two_devices_train_and_publish_a_member_of_one_target_and_one_of_each_of_several(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["3 True", "[True, True]"]
