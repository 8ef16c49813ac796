"""The report's table of members: what each sees, where its weights come from, and how it was trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from ensemble.report.member_facts import MemberTable
from pipeline.registry import task_settings
from spine.member.member import Card, Member
from spine.training.network_input import NetworkInput
from spine.training.view import View

TOLD = {"network": "mobilenet", "parameters": 1200, "epochs": 24, "best_epoch": 16, "training_seconds": 90.0}


def facts(settings, details=TOLD, **card):
    (found,) = MemberTable.of({"one": member(details, **card)}, {"one": settings} if settings is not None else {}).rows
    return replace(found, options=", ".join(found.options))


def member(details=TOLD, **card):
    return Member(Path("nowhere"), Card(name="one", task="any", labels=("a", "b"), details=details, **card))


def trained(task, **settings):
    return task_settings(task).model_validate(settings).model_dump(mode="json")


def test_a_member_that_was_short_of_memory_tells_its_batch():
    settings = trained("segmentation", batch=16)
    assert "batch 8, as memory ran out" in facts(settings, {**TOLD, "batch": 8}).options
    assert "memory" not in facts(settings).options


def test_a_seed_is_told_as_one_and_so_is_its_snapshot():
    settings = trained("classification", network="mobilenet", snapshots=2, schedule="cosine")
    for name, snapshot in (("plain_seed2", None), ("plain_seed2-1", 1)):
        card = Member(Path(), Card(name=name, task="classification", labels=("a", "b")))
        table = MemberTable.of({name: card}, {name: {**settings, "snapshot": snapshot}})
        assert table.rows[0].options[0] == "a seed of plain"


def test_a_classifier_tells_its_view_its_weights_and_the_options_that_are_on():
    settings = trained(
        "classification",
        network="mobilenet",
        weights="imagenet",
        augmentation={"preset": "mr", "mixup": 0.2},
        schedule="cosine",
        ema=0.99,
        label_smoothing=0.1,
        test_time=["vertical_flip"],
        class_weights="balanced",
    )
    reads = NetworkInput(96, 160, "percentile", View(grow=0.5, aspect="stretch", levels="picture"))
    found = facts(settings, input={"network": reads.card})
    assert found.sees == (
        "96 × 160 pixels, percentile grey levels; the box grown by 50 %, stretched, levels of the whole picture"
    )
    reads = NetworkInput(96, 160, "minmax", View(slices=3))
    assert facts(settings, input={"network": reads.card}).sees.endswith(", the slices next to it as channels")
    assert (found.network, found.parameters, found.weights) == ("mobilenet", 1200, "ImageNet")
    assert found.options == (
        "cosine learning rate, weights averaged (0.99), label smoothing 0.1, class weights, augmentation mr, "
        "MixUp 0.2, mean over vertical flip at test time"
    )
    assert found.epochs == "16 of 24, 1.5 min"


def test_nothing_is_told_to_be_on_that_is_off():
    settings = trained("classification", network="plain_cnn", weights="none")
    found = facts(settings, input={"network": NetworkInput(96, 160, "minmax", View(grow=0.0)).card})
    assert (found.options, found.weights) == ("", "random")
    assert found.sees == "96 × 160 pixels, minmax grey levels; the box as it is, aspect kept"


@pytest.mark.parametrize(
    ("task", "settings", "network", "sees", "options"),
    [
        (
            "segmentation",
            {"encoder": "resnet18", "encoder_weights": "none", "deep_supervision": True, "patches": {}},
            "mobilenet",
            "patches of 256 × 256 pixels, minmax grey levels",
            "cosine learning rate, deep supervision",
        ),
        (
            "detection",
            {"backbone": "resnet18", "backbone_weights": "none", "augmentation": {"rotation": 5, "cutmix": 1}},
            "Faster R-CNN, resnet18",
            "256 × 256 pixels, minmax grey levels",
            "cosine learning rate, warm-up epochs: 1, augmentation (rotation), CutMix 1",
        ),
    ],
)
def test_the_other_tasks_tell_theirs(task, settings, network, sees, options):
    found = facts(trained(task, **settings))
    assert (found.network, found.sees, found.options, found.weights) == (network, sees, options, "random")


def test_folds_snapshots_measuring_and_strange_members():
    folds = facts({}, {"epochs": 30, "fold_models": 3, "training_seconds": 60.0}, kind="folds")
    assert (folds.network, folds.epochs) == ("folds", "30 in 3 folds, 60 s")
    assert facts({"snapshots": 3, "snapshot": 2}).options == "snapshot 2 of 3"
    measured = facts({"class_weights": "balanced"}, {"segmenter": "outlines", "masks": "measured on true masks"})
    assert (measured.sees, measured.weights) == ("measured on true masks", "of the segmenter outlines")
    strange = facts(None, {}, kind="foreign")
    assert (strange.network, strange.sees, strange.weights, strange.epochs) == ("foreign", "", "", "")
    # Files of the project's own are told by their name alone, and what another version wrote is left out.
    other = facts({"weights": "/home/me/lite0.h5", "fine_tuning": None, "augmentation": {"older": 1}})
    assert (other.weights, other.options) == ("lite0.h5, frozen", "")


def test_what_all_networks_were_trained_with_is_told_once():
    shared = {"augmentation": "mr", "schedule": "cosine"}
    one = trained("classification", network="plain_cnn", weights="none", **shared)
    other = trained("classification", network="plain_cnn", weights="none", ema=0.9, **shared)
    settings = {"one": one, "other": other, "measured": {"class_weights": "balanced"}}
    table = MemberTable.of({name: member() for name in (*settings, "foreign")}, settings)
    assert table.shared == ("cosine learning rate", "augmentation mr")
    assert [row.options for row in table.rows] == [(), ("weights averaged (0.9)",), ("class weights",), ()]
    alone = MemberTable.of({"one": member()}, {"one": one})
    assert (alone.shared, alone.rows[0].options) == ((), ("cosine learning rate", "augmentation mr"))
