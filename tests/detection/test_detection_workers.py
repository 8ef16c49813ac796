"""Two processes on the loopback train one member: they learn, agree, end together, and one writes."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from spine.member.member import Member
from spine.training.history import History
from tests.detection.test_detection_train import MEMBER, PATIENTS, ROOT, SALT
from tests.detection_on_disk import experiment_of, write_boxes

pytestmark = pytest.mark.slow


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def run_two(command_of: Callable[[int], list[str]]) -> list[str]:
    """Run Python as worker 0 and worker 1; what each wrote to its standard error."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = [start(command_of(index), addresses, index) for index in range(2)]
    ended = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended
    return [stderr for _, stderr in ended]


def start(command: list[str], addresses: list[str], index: int) -> subprocess.Popen:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "SPINE_SALT": SALT, "TF_CONFIG": json.dumps(config), "TF_NUM_INTRAOP_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_workers_stop_at_the_same_epoch_and_the_chief_alone_writes(tmp_path):
    write_boxes(tmp_path / "data", PATIENTS)
    # A rate of next to nothing: the first epoch stays the best, and patience runs out after the second of nine.
    still = {**MEMBER, "epochs": 9, "patience": 1, "learning_rate": 1e-12}
    experiment = experiment_of(tmp_path, {"tiny": still})
    file = experiment.write(experiment.directory / "experiment.yaml")
    told = run_two(lambda index: ["-m", "detection.train", str(file), "--member", "tiny"])
    lines = [[line for line in stderr.splitlines() if line.startswith("tiny whole")] for stderr in told]
    history = History.read(experiment.member_directory("tiny") / "history.csv")
    assert len(history) == 2
    assert [len(own) for own in lines] == [3, 3]
    assert lines[0] == lines[1]
    assert lines[0][-1] == "tiny whole stopped: no higher val_map50 for 1 epoch; epoch 1 is kept"
    assert Member.open(experiment.member_directory("tiny")).card.details["epochs"] == 2


ONE_OF_TWO = """
import sys
import numpy as np
from pipeline.experiments import load_experiment
from tests.watched_detector import train_watched
parts = train_watched(load_experiment(sys.argv[1]), "tiny")["whole"].after
np.savez(sys.argv[2], **{name: weight for part in parts.values() for name, weight in part.items()})
"""


def test_two_workers_learn_and_end_with_the_same_weights(tmp_path):
    write_boxes(tmp_path / "data", PATIENTS)
    experiment = experiment_of(tmp_path, {"tiny": MEMBER})
    file = experiment.write(experiment.directory / "experiment.yaml")
    run_two(lambda index: ["-c", ONE_OF_TWO, str(file), str(tmp_path / f"{index}.npz")])
    history = History.read(experiment.member_directory("tiny") / "history.csv")
    loss, score = (np.array([float(row[name]) for row in history.rows]) for name in ("loss", "val_map50"))
    assert loss[-1] < loss[0] / 2
    assert score[-5:].mean() > score[0] + 0.25
    with np.load(tmp_path / "0.npz") as first, np.load(tmp_path / "1.npz") as second:
        assert len(first.files) > 100
        assert first.files == second.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)


TWO_DEVICES = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from detection import train, workers
from tests.detection.test_detection_train import MEMBER
from tests.detection_on_disk import experiment_of, write_boxes
workers.devices.strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
folder = Path(sys.argv[1])
write_boxes(folder / "data", {"train": 5, "validation": 2, "test": 1})
directory = train.train(experiment_of(folder, {"two": {**MEMBER, "epochs": 2}}), "two")
print(len((directory / "history.csv").read_text().splitlines()), (directory / "model" / "1").is_dir())
"""


def test_two_devices_of_one_machine_train_and_publish_one_member(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3 True"
