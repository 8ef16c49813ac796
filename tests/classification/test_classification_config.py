import subprocess
import sys

import pytest

from classification.config import Phase, Settings
from classification.networks import NETWORKS
from spine.core.problems import SpineError
from spine.core.strict import validate

SAYED2025 = {
    "network": "resnet50",
    "weights": "imagenet",
    "height": 224,
    "width": 224,
    "head": {"dense": [256, 64], "dropout": 0.2},
    "epochs": 35,
    "batch": 5,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "fine_tuning": {"epochs": 35, "learning_rate": 1e-4, "unfreeze": 0.3},
    "patience": 10,
    "class_weights": {"NO PLID": 0.702, "PLID": 1.73},
    "bootstrap": "sample",
    "augmentation": "sayed2025",
}


def settings(**changes) -> Settings:
    return validate(Settings, {"network": "vgg16", **changes}, "member")


def test_the_published_settings_of_sayed_2025_can_be_told():
    assert validate(Settings, SAYED2025, "member").phases == (
        Phase("frozen", 35, 1e-3, None),
        Phase("fine_tuning", 35, 1e-4, 0.3),
    )


def test_settings_come_back_from_what_is_written():
    told = validate(Settings, SAYED2025, "member")
    assert validate(Settings, told.model_dump(mode="json"), "member") == told


def test_pretrained_members_have_a_frozen_phase_and_others_one_phase_of_everything():
    assert [phase.unfreeze for phase in settings(fine_tuning=None).phases] == [None]
    assert settings(weights="none").phases == (Phase("scratch", 35, 1e-3, "all"),)


@pytest.mark.parametrize("unfreeze", ["all", 1, 12, 0.25])
def test_unfreezing_is_all_a_number_or_a_fraction(unfreeze):
    tuning = settings(fine_tuning={"unfreeze": unfreeze}).fine_tuning
    assert tuning.unfreeze == unfreeze
    assert type(tuning.unfreeze) is type(unfreeze)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"network": "vgg"}, "network 'vgg' is not known; it is one of .*squeezenet.*vgg16"),
        ({"network": "plain_cnn"}, "plain_cnn has no ImageNet weights"),
        ({"alpha": 0.5}, "alpha is 0.5, which only a mobilenet has"),
        ({"network": "mobilenetv3small", "alpha": 0.5}, "has ImageNet weights for alpha 0.75, 1"),
        ({"learning_rate": 0}, "learning_rate: is 0; it has to be above 0"),
        ({"fine_tuning": {"unfreeze": 0}}, "fine_tuning.unfreeze"),
        ({"fine_tuning": {"unfreeze": 1.5}}, "fine_tuning.unfreeze"),
        ({"head": {"activation": "softplsu"}}, "head.activation"),
        ({"class_weights": "equal"}, "class_weights"),
        ({"class_weights": {"a": -1}}, "class_weights"),
        ({"epoch": 3}, "unknown key; the known ones are .*epochs"),
        ({"augmentation": "sayed"}, "augmentation 'sayed' is not known"),
        ({"height": 0}, "height"),
        ({"ema": 1}, "ema: is 1; it has to be above 0 and below 1"),
        ({"warmup": -1}, "warmup: is -1; it has to be at least 0"),
        (
            {"warmup": 3, "epochs": 3},
            "warmup is 3, and the phase 'frozen' has 3 epochs, in which the rate is never reached; give it fewer",
        ),
        ({"warmup": 1.5, "fine_tuning": {"epochs": 1}}, "warmup is 1.5, and the phase 'fine_tuning' has 1 epoch, in"),
        (
            {"warmup": 2, "schedule": "cosine", "snapshots": 3, "weights": "none", "epochs": 8},
            "warmup is 2, and the first of 3 cycles of the phase 'scratch' has 2 epochs, in which",
        ),
        (
            {"test_time": ["horizontal_flip"] * 2},
            r"test_time is \[horizontal_flip, horizontal_flip\]; name each flip once",
        ),
        ({"label_smoothing": 1}, "label_smoothing: is 1; it has to be at least 0 and below 1"),
        ({"layer_decay": 0.8, "fine_tuning": None}, "layer_decay is 0.8, but no weights .* are tuned"),
        (
            {"stochastic_depth": 0.1},
            "stochastic_depth is 0.1, but vgg16 has no residual blocks .* resnet50, .*xception",
        ),
        ({"stochastic_depth": 0.1, "network": "densenet121"}, "densenet121 has no residual blocks"),
        ({"layer_decay": 0.8, "weights": "none"}, "layer_decay is 0.8, but no weights .* are tuned"),
    ],
)
def test_what_does_not_hold_is_told(changes, complaint):
    with pytest.raises(SpineError, match=complaint):
        settings(**changes)


def test_a_member_names_its_network():
    with pytest.raises(SpineError, match="network: is required"):
        validate(Settings, {"weights": "none"}, "member")


def test_sizes_are_told_for_every_network():
    assert {NETWORKS[name].least_size for name in ("inceptionv3", "inceptionresnetv2")} == {75}
    assert NETWORKS["xception"].least_size == 71
    assert NETWORKS["vgg16"].least_size == 32


def test_settings_and_the_training_command_load_without_a_framework():
    code = "import sys, classification.config, classification.train; print('tensorflow' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "False\n"
