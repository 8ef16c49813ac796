"""The papers' own numbers: facts load, and what they imply is what was computed by hand."""

import re

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.papers.check import CHECKS, check_paper, summary
from pipeline.papers.facts import PAPERS, Facts, read_facts
from pipeline.papers.finding import Finding
from pipeline.papers.recompute import Matrix
from pipeline.papers.sayed2025 import confusion_matrices
from spine.core.problems import SpineError


def findings(paper):
    return {one.about: one for one in check_paper(paper)}


def test_every_paper_has_facts_and_a_check():
    assert set(CHECKS) == set(PAPERS)
    for paper in PAPERS:
        facts = read_facts(paper)
        assert facts.citation
        assert all(fact.source for fact in facts.facts.values())


@pytest.mark.parametrize("paper", PAPERS)
def test_no_finding_is_told_twice_or_left_empty(paper):
    found = check_paper(paper)
    assert len({one.about for one in found}) == len(found)
    assert all(one.about and one.printed and one.implied for one in found)


def test_sayed2025_confusion_matrices():
    found = confusion_matrices(read_facts("sayed2025_plid"))
    assert found == {
        "vgg16": [Matrix(31, 16, 111, 0)],
        "vgg19": [Matrix(35, 12, 111, 0)],
        "resnet50": [Matrix(44, 3, 109, 2)],
        "densenet121": [Matrix(37, 10, 110, 1)],
        "inceptionv3": [Matrix(42, 5, 105, 6)],
        "xception": [Matrix(45, 2, 108, 3)],
        "AEM": [Matrix(44, 3, 111, 0)],
        "WAEM": [Matrix(46, 1, 111, 0)],
    }


@pytest.mark.parametrize(
    ("paper", "about", "told", "verdict"),
    [
        ("sayed2025_plid", "xception, AUC", "96.525: of hard labels, not of scores", "implies"),
        ("sayed2025_plid", "Table 1, without regions", "the fewest units that give it are 29", "contradicts"),
        ("sayed2025_plid", "WAEM against resnet50", "p from 0.125 to 0.219", "implies"),
        ("sayed2025_plid", "weights of classification", "sum to 0.6; to 1: 0.167, 0.167, 0.333, 0.333", "contradicts"),
        ("sayed2025_plid", "weights of segmentation", "sum to 0.7", "contradicts"),
        ("sayed2025_plid", "WAEM, mIoU", "90.60 without the background", "contradicts"),
        ("sayed2025_plid", "WAEM, Dice", "95.74 with the background, 95.06 without it", "implies"),
        ("sayed2025_plid", "the custom loss", "is 0.75, not 0", "implies"),
        ("sayed2025_plid", "WAEM, Dice of precision and recall", "2 P R / (P + R) = 95.74", "agrees"),
        ("sayed2025_plid", "Table 5, with one definition", "not recomputed. Needed are its rows", "open"),
        ("sayed2025_plid", "unet_resnet34, Dice of mIoU", "= 95.59", "agrees"),
        ("sayed2025_plid", "the ensemble's segmenters", "24,310 sets of 8", "implies"),
        ("ma2020_cervical", "two groups of patients", "1010", "contradicts"),
        ("ma2020_cervical", "the result", "the very numbers of sci2024_cord", "implies"),
        ("sci2024_cord", "injured patients", "0 injured patients are left", "implies"),
        ("sci2024_cord", "decay of the learning rate", "1e-18", "contradicts"),
        ("sci2024_cord", "proposals", "of 17,100 anchors", "implies"),
        ("tapkir_fracture", "split", "3248, 406 and 406", "agrees"),
        ("levan2020_implant", "images", "598", "agrees"),
        ("levan2020_implant", "resnet50, accuracy", "between 0.89 and 0.91", "contradicts"),
        ("levan2020_implant", "always saying Lum", "0.836 without looking", "implies"),
        ("levan2020_implant", "units of the accuracies", "are 200", "contradicts"),
    ],
)
def test_what_follows_by_hand(paper, about, told, verdict):
    one = findings(paper)[about]
    assert told in one.implied
    assert one.verdict == verdict


def test_what_cannot_be_recomputed_is_counted_apart():
    told = [Finding("it", "printed", "implied", verdict) for verdict in ("agrees", "implies", "open")]
    assert summary(told) == (
        "1 agree, 0 contradict each other, 1 follow from what is printed, 1 left open for want of numbers"
    )
    assert summary(told[:2]) == "1 agree, 0 contradict each other, 1 follow from what is printed"


def test_other_numbers_have_other_verdicts():
    facts = read_facts("sayed2025_plid")
    raw = facts.model_dump()
    raw["tables"]["classification"]["rows"]["vgg16"] = (91.00, 81.01, 90.00, 100, 100, 65.96, 79.49)
    raw["weights"]["classification"]["values"] = {"vgg16": 0.5, "vgg19": 0.5}
    found = {one.about: one for one in CHECKS["sayed2025_plid"](Facts.model_validate(raw))}
    assert found["vgg16, confusion matrix"].verdict == "contradicts"
    assert found["vgg16, AUC"].verdict == "agrees"
    assert found["weights of classification"].verdict == "agrees"


def test_a_table_is_rectangular():
    raw = read_facts("sayed2025_plid").model_dump()
    raw["tables"]["segmentation"]["rows"]["WAEM"] = (91.86,)
    with pytest.raises(ValueError, match="row 'WAEM' has not 2 numbers"):
        Facts.model_validate(raw)


def test_an_unknown_paper_lists_the_known_ones():
    with pytest.raises(
        SpineError, match=r"'sayed2025' is not known; .*levan2020_implant\. Did you mean 'sayed2025_plid'"
    ):
        read_facts("sayed2025")


def test_the_command_line_lists_shows_and_checks():
    runner = CliRunner()
    listed = runner.invoke(app, ["papers"])
    assert [line.split(":")[0] for line in listed.stdout.splitlines()] == list(PAPERS)
    shown = runner.invoke(app, ["papers", "show", "sayed2025_plid"], env={"COLUMNS": "160"})
    assert re.search(r"test discs +158 discs +confusion matrix", shown.stdout)
    assert re.search(r"WAEM +99.37 +96.84 +98.94", shown.stdout)
    checked = runner.invoke(app, ["papers", "check", "tapkir_fracture"], env={"COLUMNS": "160"})
    assert re.search(r"split +80/10/10 of 4,060 images +3248, 406 and 406 images +agrees", checked.stdout)
    assert checked.exit_code == 0
