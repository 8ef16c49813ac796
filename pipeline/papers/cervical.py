"""What the printed numbers of Ma et al. 2020, and of the study of 2024 that prints the same result, imply."""

from __future__ import annotations

from pipeline.papers.facts import Facts, read_facts
from pipeline.papers.finding import Finding, agrees_if
from pipeline.papers.recompute import rate_after

__all__ = ["check_ma2020", "check_sci2024"]

STRIDE = 16  # of VGG-16's conv5_3


def check_ma2020(facts: Facts) -> list[Finding]:
    """The findings on the paper of 2020."""
    return [*_groups(facts), _same_result(facts, "sci2024_cord"), _same_patients(facts), *_training(facts, 0)]


def check_sci2024(facts: Facts) -> list[Finding]:
    """The findings on the study of 2024."""
    train, validation, images = facts.whole("train", "validation", "test_images")
    injured, normal = facts.whole("injured_patients", "normal_patients")
    left = injured - train - validation
    return [
        *_groups(facts),
        _same_result(facts, "ma2020_cervical"),
        Finding(
            "injured patients",
            f"{train} for training and {validation} for validation, of {injured}",
            f"{left} injured patients are left to test on",
            "implies",
        ),
        Finding(
            "test images",
            f"{images}, and {normal} normal patients",
            "if they are the normal patients, they hold no lesion, and an mAP on them is undefined",
            "implies",
        ),
        *_training(facts, train),
    ]


def _groups(facts: Facts) -> list[Finding]:
    one, other, together = facts.whole("one_group", "other_group", "groups_together")
    return [
        Finding(
            "two groups of patients",
            f"{one} + {other} = {together}",
            f"{one + other}",
            agrees_if(one + other == together),
        )
    ]


def _same_result(facts: Facts, other: str) -> Finding:
    own, theirs = facts.tables["detection"].rows, read_facts(other).tables["detection"].rows
    told = "; ".join(f"{name} mAP {row[0]:g}, {row[1]:g} s" for name, row in own.items())
    same = "the very numbers" if own == theirs else "other numbers"
    return Finding("the result", told, f"{same} of {other}: one result, printed twice", "implies")


def _same_patients(facts: Facts) -> Finding:
    disc, injured, normal = facts.whole("disc_patients", "injured_patients", "normal_patients")
    theirs = read_facts("sci2024_cord").whole("injured_patients", "normal_patients", "train", "validation")
    told = f"{disc} disc, {injured} injured, {normal} normal patients"
    implied = (
        f"in sci2024_cord {theirs[0]} are injured, and {theirs[2]} and {theirs[3]} are its training and validation "
        f"sets; {theirs[1]} are normal"
    )
    return Finding("who the patients are", told, implied, agrees_if(injured == theirs[0]))


def _training(facts: Facts, images: int) -> list[Finding]:
    rate, gamma, step, other, epochs = (
        facts[name] for name in ("learning_rate", "gamma", "step", "other_step", "epochs")
    )
    ends = [rate_after(rate, gamma, every, epochs) for every in (step, other)]
    anchors, ratios, others = facts.whole("anchors", "ratios", "other_ratios")
    height, width, proposals, batch = facts.whole("height", "width", "proposals", "batch")
    places = -(-height // STRIDE) * -(-width // STRIDE)
    return [
        Finding(
            "decay of the learning rate",
            f"a tenth every {step:g} epochs, and every {other:g} epochs",
            f"in the last of {epochs:g} epochs {ends[0]:.0e}, nothing is learned; or {ends[1]:.0e}",
            "contradicts",
        ),
        Finding(
            "anchors",
            f"{anchors}; ratios {facts.facts['ratios'].note}, and {facts.facts['other_ratios'].note}",
            f"{ratios} ratios at {anchors // ratios} scales; {others} ratios do not divide {anchors}",
            agrees_if(anchors % ratios == 0 and anchors % others == 0),
        ),
        Finding(
            "proposals",
            f"about {proposals}, of {height} x {width} pixels",
            f"of {places * anchors:,} anchors at stride {STRIDE}, {100 * proposals / (places * anchors):.1f} %",
            "implies",
        ),
        *(
            [
                Finding(
                    "training steps",
                    f"{epochs:g} epochs, batch {batch}, {images} patients",
                    f"{epochs * -(-images // batch):,.0f} steps at one image a patient, ten times as many augmented",
                    "implies",
                )
            ]
            if images
            else []
        ),
    ]
