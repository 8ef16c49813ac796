"""Fitting in phases, in half precision and on several devices: what learns when, and what is published."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from segmentation import train as training
from segmentation.config import Settings
from segmentation.data import Data
from segmentation.fit import SegmenterFitting
from segmentation.model import encoder_of
from spine.member.member import Member
from spine.training.history import History
from tests.member_contract import grey, png
from tests.segmentation_on_disk import experiment_of, write_masks

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"encoder": "mobilenet0.25", "encoder_weights": "none", "height": 64, "width": 64, "batch": 4, "epochs": 2}
FEW = {"train": 2, "validation": 1, "test": 1}


class WatchedFitting(SegmenterFitting):
    """Notes the encoder's weights, moving statistics included, as each phase begins."""

    def set_trainable(self, network, phase):
        super().set_trainable(network, phase)
        self.seen.append([value.copy() for value in encoder_of(network).get_weights()])
        self.networks.append(network)


@pytest.mark.slow
def test_the_encoder_keeps_its_weights_in_the_first_phase_and_learns_in_the_second(tmp_path, monkeypatch):
    file = tmp_path / "encoder.weights.h5"
    base = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, input_shape=(64, 64, 3))
    base.save_weights(file)
    settings = Settings(**{**SMALL, "encoder_weights": str(file), "freeze_encoder": 1})
    manifest = write_masks(tmp_path / "data", FEW)
    experiment = experiment_of(tmp_path, {"frozen": settings.model_dump()})
    monkeypatch.setattr(WatchedFitting, "seen", [], raising=False)
    monkeypatch.setattr(WatchedFitting, "networks", [], raising=False)
    data = Data.of(experiment, manifest, settings, seed=1)
    history = WatchedFitting("frozen", settings, data, 1, tmp_path / "frozen").run()
    assert [row["phase"] for row in history.rows] == ["frozen", "whole"]
    *_, before, after_first = (
        WatchedFitting.seen
    )  # as each phase begins: before them all, what each trains is looked at
    for value, kept in zip(after_first, before, strict=True):
        np.testing.assert_array_equal(value, kept)
    after_second = encoder_of(WatchedFitting.networks[-1]).get_weights()
    assert all((value != kept).any() for value, kept in zip(after_second, before, strict=True))


@pytest.mark.slow
def test_mixed_precision_trains_and_publishes_a_model_of_float32(tmp_path):
    write_masks(tmp_path / "data", FEW)
    # 24 steps: the first of them are left out until the loss is scaled to what half floats hold.
    member = {**SMALL, "architecture": "linknet", "batch": 1, "epochs": 6, "learning_rate": 0.01}
    experiment = experiment_of(tmp_path, {"mixed": {**member, "mixed_precision": True}})
    directory = training.train(experiment, "mixed")
    history = History.read(directory / "history.csv")
    losses, rates = ([float(row[name]) for row in history.rows] for name in ("loss", "learning_rate"))
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 0.1
    assert rates[-1] < rates[0] / 4  # the schedule reaches the optimizer within the one that scales the loss
    assert keras.config.dtype_policy().name == "float32"  # the process is left as it was
    model = tf.saved_model.load(str(Member.open(directory).model))
    signature = model.signatures["serving_default"]
    kinds = {tensor.dtype for node in signature.graph.get_operations() for tensor in node.outputs}
    assert {variable.dtype for variable in signature.variables} == {tf.float32}
    assert tf.float16 not in kinds
    answer = signature(image_bytes=tf.constant([png(grey(40, 60))]))["probabilities"]
    np.testing.assert_allclose(answer.numpy().sum(axis=-1), 1, atol=1e-5)


def test_objects_of_every_phase_are_float32_under_mixed_precision(tmp_path):
    manifest = write_masks(tmp_path / "data", FEW)
    settings = Settings(**SMALL, mixed_precision=True)
    data = Data.of(experiment_of(tmp_path, {"one": SMALL}), manifest, settings, seed=1)
    objective = SegmenterFitting("one", settings, data, 1, tmp_path).objective()
    truth = np.zeros((1, 300, 300, 3), np.float16)
    truth[..., 1] = 1  # 90,000 pixels, above the 65,504 that a half float holds; the other classes are absent
    assert float(objective["loss"](truth, truth)) == pytest.approx(0, abs=1e-5)
    for metric in objective["metrics"]:
        metric.update_state(tf.constant(truth), tf.constant(truth))
    assert [float(metric.result()) for metric in objective["metrics"]] == [1, 1]  # Dice and IoU


TWO_DEVICES = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from segmentation import train
from spine.training import keras_fitting
from tests.segmentation_on_disk import experiment_of, write_masks
keras_fitting.strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
folder = Path(sys.argv[1])
write_masks(folder / "data", {"train": 3, "validation": 2, "test": 1})
encoder = {"encoder": "mobilenet0.25", "encoder_weights": "none"}
member = {"architecture": "pspnet", **encoder, "height": 64, "width": 64, "batch": 4, "epochs": 1}
directory = train.train(experiment_of(folder, {"two": member}), "two")
print(len((directory / "history.csv").read_text().splitlines()), (directory / "model" / "1").is_dir())
"""


@pytest.mark.slow
def test_two_devices_train_and_publish_one_member(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 True"
