import subprocess
import sys

import pytest

from segmentation.algebra import Term, parse
from segmentation.architectures import ARCHITECTURES
from segmentation.config import Phase, Settings
from segmentation.encoders import ENCODERS
from segmentation.losses import LOSSES
from spine.core.problems import SpineError
from spine.core.strict import validate
from tests.segmentation.published_networks import SAYED2025

PUBLISHED = {  # Sayed et al. 2025
    "architecture": "linknet",
    "encoder": "resnext50",
    "height": 400,
    "width": 400,
    "loss": "paper_dice + 1.0 * focal",
    "class_weights": 0.25,
    "epochs": 30,
    "batch": 3,
    "learning_rate": 0.003,
    "schedule": "constant",
    "patience": 10,
    "augmentation": "sayed2025",
}


def settings(**changes) -> Settings:
    return validate(Settings, changes, "member")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("dice", [Term(1, "dice")]),
        ("dice + 1.0 * focal", [Term(1, "dice"), Term(1, "focal")]),
        (" 0.5*cross_entropy+dice*2 ", [Term(0.5, "cross_entropy"), Term(2, "dice")]),
        ("100 * paper_dice + .5 * focal + 3. * dice", [Term(100, "paper_dice"), Term(0.5, "focal"), Term(3, "dice")]),
        ("dice+focal", [Term(1, "dice"), Term(1, "focal")]),
    ],
)
def test_a_loss_is_a_sum_of_weighted_names(text, terms):
    assert list(parse(text)) == terms


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' is no term"),
        ("dice +", "'' is no term"),
        ("dice - focal", "'dice - focal' is no term"),
        ("2 dice", "'2 dice' is no term"),
        ("2 * dice * 3", "is no term"),
        ("-1 * dice", "is no term"),
        ("dice + jaccard", "'jaccard' is not known; the losses are " + ", ".join(LOSSES)),
        ("dice + 0 * focal", "'focal' has weight 0"),
        ("__import__('os').remove('x')", "is no term"),
        ("1e3 * dice", "is no term"),
        ("(dice + focal)", "is no term"),
    ],
)
def test_another_text_is_refused(text, complaint):
    with pytest.raises(SpineError) as raised:
        settings(loss=text)
    assert complaint in str(raised.value)
    assert f"loss {text!r}" in str(raised.value)


def test_the_published_settings_can_be_told_and_come_back():
    told = settings(**PUBLISHED)
    assert told.phases == (Phase("whole", 30, 0.003, True),)
    assert validate(Settings, told.model_dump(mode="json"), "member") == told
    assert told.network == "linknet-resnext50"


def test_the_published_networks_are_17_and_known():
    assert len(set(SAYED2025)) == 17
    assert {architecture for architecture, _ in SAYED2025} == set(ARCHITECTURES)
    assert {encoder for _, encoder in SAYED2025} == {"resnet34", "resnet50", "resnext50", "vgg16"} <= set(ENCODERS)
    for architecture, encoder in SAYED2025:
        settings(architecture=architecture, encoder=encoder)


def test_a_frozen_encoder_takes_the_first_of_the_epochs():
    assert settings(freeze_encoder=4, epochs=10, learning_rate=1e-3).phases == (
        Phase("frozen", 4, 1e-3, False),
        Phase("whole", 6, 1e-3, True),
    )
    assert [phase.name for phase in settings(freeze_encoder=10, epochs=10).phases] == ["frozen"]


@pytest.mark.parametrize(
    ("architecture", "encoder", "size", "padded"),
    [
        ("unet", "resnet34", (400, 400), (416, 416)),  # 13 * 32
        ("pspnet", "resnet50", (400, 400), (432, 432)),  # 9 * 48
        ("deeplabv3plus", "resnet50", (384, 385), (384, 416)),
        ("fpn", "inceptionv3", (33, 70), (96, 96)),  # 75 at the least
        ("pspnet", "vgg16", (32, 49), (48, 96)),
    ],
)
def test_a_size_is_padded_to_the_network_s_multiple(architecture, encoder, size, padded):
    chosen = settings(architecture=architecture, encoder=encoder, height=size[0], width=size[1])
    assert chosen.padded_size == padded


def test_class_weights_are_one_for_all_or_by_label():
    labels = ("background", "disc")
    assert settings().weight_of_classes(labels) == (1, 1)
    assert settings(class_weights=0.25).weight_of_classes(labels) == (0.25, 0.25)
    assert settings(class_weights={"disc": 2, "background": 0}).weight_of_classes(labels) == (0, 2)
    with pytest.raises(SpineError, match=r"class_weights names \['disc'\]; the labels are \['background', 'disc'\]"):
        settings(class_weights={"disc": 2}).weight_of_classes(labels)
    with pytest.raises(SpineError, match="class_weights is 0 for every label"):
        settings(class_weights=0).weight_of_classes(labels)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"encoder": "resnet"}, "encoder 'resnet' is not known; it is one of .*resnet34"),
        ({"architecture": "unet++"}, r"architecture 'unet\+\+' is not known; it is one of .*deeplabv3plus"),
        ({"encoder_weights": "none", "freeze_encoder": 1}, "freeze_encoder would keep a random encoder"),
        ({"freeze_encoder": 31}, "freeze_encoder is 31 of 30 epochs"),
        ({"reduce_on_plateau": {"patience": 2}}, "set schedule to constant"),
        ({"label_smoothing": 0.1}, "label_smoothing gives every pixel a part of every class.* dice would be of that"),
        ({"stochastic_depth": 0.1, "encoder": "vgg16"}, "stochastic_depth is 0.1, but vgg16 has no residual blocks"),
        ({"stochastic_depth": 0.1, "encoder": "resnext50"}, "resnext50 has no residual blocks that can be left out"),
        ({"layer_decay": 0.8, "freeze_encoder": 30}, "layer_decay is 0.8, but no weights .* are tuned"),
        ({"gamma": -1}, "gamma: is -1; it has to be at least 0"),
        ({"class_weights": {"disc": -1}}, "class_weights"),
        ({"height": 16}, "height: is 16; it has to be 32 to 8,192"),
        ({"test_time": ["diagonal"]}, "test_time"),
        ({"encoders": "vgg16"}, "encoders: unknown key; the known ones are .*, architecture, encoder, "),
    ],
)
def test_settings_that_do_not_hold_are_refused(changes, complaint):
    with pytest.raises(SpineError, match=complaint):
        settings(**changes)


def test_settings_load_without_tensorflow():
    heavy = "{'tensorflow', 'keras', 'segmentation_models'}"
    code = f"import sys, segmentation.config; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
