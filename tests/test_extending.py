"""A new part of a member is one entry of one table: each is added here as an extension would, built and used."""

import subprocess
import sys

import numpy as np
import pytest

from classification.config import Settings as ClassifierSettings
from classification.fit import ClassifierFitting
from classification.networks import NETWORKS, Network
from detection.backbones.table import BACKBONES, Backbone
from detection.config import Settings as DetectorSettings
from segmentation.architectures import ARCHITECTURES, Architecture
from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings as SegmenterSettings
from segmentation.encoders import ENCODERS, Encoder
from segmentation.fit import SegmenterFitting
from segmentation.losses import LOSSES, dice_scores
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.training.history import History
from tests.experiment_on_disk import write_experiment
from tests.segmentation_on_disk import experiment_of, write_masks

SIZE = {"height": 32, "width": 32, "epochs": 1}


def signed(pixels):
    return pixels / 127.5 - 1


def toy_base(keras, input_shape):
    """A network of Keras 2 or 3 that halves its input at each of five layers: half2, half4, ... half32."""
    x = inputs = keras.Input(input_shape)
    for stride in (2, 4, 8, 16, 32):
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name=f"half{stride}")(x)
    return keras.Model(inputs, x)


def toy_of_keras(*_, weights, input_shape):
    import keras

    assert weights is None
    return toy_base(keras, input_shape)


def toy_of_keras_2(weights):
    import tf_keras

    assert weights is None
    return toy_base(tf_keras, (None, None, 3))


def jaccard(truth, probabilities):
    """One minus the mean over classes of the intersection over the union, D / (2 - D) of Dice D."""
    from keras import ops

    dice = dice_scores(truth, probabilities)
    return 1 - ops.mean(dice / (2 - dice))


def trained(fitting_class, experiment) -> History:
    """One epoch of the experiment's member "toy"."""
    return fitting_class.of(experiment, "toy", Manifest.read(experiment.data), seed=1).run()


def finite_losses(history: History) -> bool:
    return len(history) == 1 and all(np.isfinite([history.rows[0]["loss"], history.rows[0]["val_loss"]]))


def test_a_network_of_a_classifier(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "toy", Network(toy_of_keras, signed, imagenet=False))
    settings = validate(ClassifierSettings, {"network": "toy", "weights": "none", **SIZE}, "member")
    experiment = write_experiment(tmp_path, members=("toy",), patients={"train": 3, "validation": 2, "test": 1})
    history = trained(ClassifierFitting, experiment.model_copy(update={"members": {"toy": settings}}))
    assert finite_losses(history)


def test_an_encoder_an_architecture_and_a_loss_of_a_segmentation_network(tmp_path, monkeypatch):
    def decode(encoded, classes):
        from keras import layers

        return layers.UpSampling2D(4)(layers.Conv2D(classes, 1)(encoded.features[4]))

    features = ("half16", "half8", "half4", "half2")
    monkeypatch.setitem(ENCODERS, "toy", Encoder(toy_of_keras, signed, features))
    monkeypatch.setitem(ARCHITECTURES, "toy", Architecture(decode, (4,)))
    monkeypatch.setitem(LOSSES, "jaccard", lambda settings, weights: jaccard)
    write_masks(tmp_path / "data")
    member = {"architecture": "toy", "encoder": "toy", "encoder_weights": "none", "loss": "0.5 * jaccard + dice"}
    history = trained(SegmenterFitting, experiment_of(tmp_path, {"toy": {**member, **SIZE}}))
    assert finite_losses(history)


def test_a_loss_is_part_of_the_algebra(monkeypatch):
    monkeypatch.setitem(LOSSES, "gamma", lambda settings, weights: lambda truth, probabilities: settings.gamma)
    settings = validate(SegmenterSettings, {"loss": "3 * gamma", "gamma": 2}, "member")
    assert float(CompoundLoss.from_settings(settings, ("a", "b"))(np.eye(2), np.eye(2))) == 3 * 2


def test_a_backbone_of_a_detector(monkeypatch):
    from detection.model import build

    places = {level: f"half{2**level}" for level in range(2, 6)}
    monkeypatch.setitem(BACKBONES, "toy", Backbone(toy_of_keras_2, signed, places, imagenet=False))
    member = {"backbone": "toy", "backbone_weights": "none", "height": 64, "width": 64}
    settings = validate(DetectorSettings, member, "member")
    network = build(settings, classes=2)
    answer = network(np.zeros((1, 64, 64, 1), np.float32), training=False)
    assert answer["detection_boxes"].shape[0] == 1
    assert network.backbone.trunk.get_layer("half32").count_params() == 3 * 3 * 4 * 4 + 4


@pytest.mark.parametrize(
    ("settings", "member", "known"),
    [
        (ClassifierSettings, {"network": "toy"}, "network 'toy' is not known; it is one of .*vgg16"),
        (SegmenterSettings, {"encoder": "toy"}, "encoder 'toy' is not known; it is one of .*resnet34"),
        (SegmenterSettings, {"architecture": "toy"}, "architecture 'toy' is not known; it is one of .*unet"),
        (SegmenterSettings, {"loss": "toy"}, "'toy' is not known; the losses are dice, "),
        (DetectorSettings, {"backbone": "toy"}, "backbone 'toy' is not known; it is one of .*resnet50"),
    ],
)
def test_a_name_without_an_entry_is_refused_with_those_that_have_one(settings, member, known):
    with pytest.raises(SpineError, match=known):
        validate(settings, member, "member")


@pytest.mark.parametrize("task", ["classification", "segmentation", "detection"])
def test_the_tables_are_read_without_a_framework(task):
    heavy = "{'tensorflow', 'keras', 'tf_keras', 'official', 'segmentation_models'}"
    code = f"import sys, {task}.config, {task}.train; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
