"""What is written, and shown on the page, of a model that decides; of one that does not, nothing more than before."""

from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.client.pictures import SentPicture
from pipeline.client.write import Results
from pipeline.demo.tables import findings_table
from spine.answers.answer import Answer, Finding, Grade
from spine.answers.decision_rules import DecisionRules

LABELS = ("normal", "degenerated")
OPEN = Grade(
    "degeneration",
    LABELS,
    np.array([0.625, 0.375]),
    calibrated=np.array([0.25, 0.75]),
    decided="degenerated",
    prediction_set=LABELS,
)
SURE = Grade("degeneration", LABELS, np.array([0.0, 1.0]), decided="degenerated", prediction_set=("degenerated",))
BOXES = ((3.0, 5.0, 9.0, 10.0), (3.0, 15.0, 9.0, 20.0))
RULES = {"degeneration": DecisionRules(kind="youden", threshold=0.3, coverage=0.9)}


def answer_with(*grades, **others):
    findings = [
        Finding("disc", box, 0.9, 2 - number, (grade,))
        for number, (box, grade) in enumerate(zip(BOXES, grades, strict=False))
    ]
    return Answer("case", "3", 24, 20, findings=tuple(findings), **others)


def written(answer, directory):
    pixels = np.zeros((24, 20), np.uint16)
    results = Results(directory)
    results.add(SentPicture("a.png", pixels), answer)
    results.finish()
    return pd.read_csv(directory / "findings.csv")


def test_the_table_has_the_decisions_behind_the_probabilities(tmp_path):
    found = written(answer_with(OPEN, SURE), tmp_path)
    assert found.columns[-5:].tolist() == ["probability", "calibrated", "in_set", "decision", "undecided"]
    assert found["probability"].tolist() == [0.625, 0.375, 0, 1]
    assert found["calibrated"].tolist()[:2] == [0.25, 0.75]
    assert found["calibrated"].isna().tolist() == [False, False, True, True]
    assert found["in_set"].tolist() == [True, True, False, True]
    assert set(found["decision"]) == {"degenerated"}
    assert found["undecided"].tolist() == [True, True, False, False]


def test_another_run_of_a_picture_leaves_nothing_of_the_one_before(tmp_path):
    """Whose model may have been another one: of masks, and sent to DICOM."""
    (tmp_path / "a.png.dicom").mkdir()
    kept = [tmp_path / "b.png.mask.png", tmp_path / "a.png.dicom" / "note.txt"]
    for file in (tmp_path / "a.png.mask.png", tmp_path / "a.png.dicom" / "segmentation.dcm", *kept):
        file.touch()
    (tmp_path / "measurements.csv").write_text("picture\n")
    written(answer_with(SURE), tmp_path)
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == {
        *(tmp_path / name for name in ("a.png.json", "a.png.overlay.png", "findings.csv")),
        *kept,
    }


def test_without_decisions_the_table_is_as_before(tmp_path):
    found = written(answer_with(Grade("degeneration", LABELS, np.array([0.5, 0.5]))), tmp_path)
    assert found.columns[-1] == "probability"


def test_the_page_says_undecided_and_what_was_left_open():
    shown = findings_table(answer_with(OPEN, SURE, rules=RULES))
    undecided, sure = shown.split("<tbody>")[1].split("</tr>")[:2]
    assert "<b>normal</b> 62%" in undecided
    assert "calibrated 25%" in undecided
    assert "<b>undecided</b>" in undecided
    assert "set: any label; operating point: degenerated" in undecided
    assert "undecided" not in sure
    assert '<td class="decision"><b>degenerated</b></td>' in sure
    assert "chosen for the largest sum of sensitivity and specificity" in shown
    apart = findings_table(answer_with(replace(SURE, prediction_set=("normal",))))
    assert '<b>degenerated</b><br><span class="score">set: normal</span>' in apart
    none = findings_table(answer_with(Grade("t", ("<a>", "b"), np.array([0.5, 0.5]), prediction_set=())))
    assert "set: no label" in none
    assert "<a>" not in none


def test_without_decisions_the_page_is_as_before():
    shown = findings_table(answer_with(Grade("degeneration", LABELS, np.array([0.5, 0.5]))))
    assert "Decision" not in shown
    assert "decided" not in shown
