"""What a model decided beside its probabilities: read from its outputs, told in words, drawn."""

import json

import numpy as np
import pytest

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.decision_rules import DecisionRules
from spine.answers.description import Description
from spine.answers.from_outputs import answers_of
from spine.answers.overlay import draw_answer
from spine.core.problems import SpineError

LABELS = ("normal", "degenerated")
RULES = DecisionRules(
    kind="sensitivity", asked=0.95, threshold=0.3125, bound=0.91, confidence=0.95, coverage=0.9, calibration="isotonic"
)
CASE = Description(
    name="lumbar",
    task="case",
    labels=("disc",),
    targets={"degeneration": LABELS},
    disc="disc",
    decided={"degeneration": RULES},
)
SIZE = (20, 40)
# Two discs and padding.
OUTPUTS = {
    "detection_boxes": np.array([[[0.5, 0, 1, 0.5], [0, 0, 0.25, 0.5], [0, 0, 0, 0]]], np.float32),
    "detection_scores": np.array([[0.9, 0.7, 0]], np.float32),
    "detection_classes": np.array([[1, 1, 0]], np.float32),
    "num_detections": np.array([2], np.float32),
    "disc_level": np.array([[1, 2, 0]], np.int32),
    "disc_probabilities_degeneration": np.array([[[0.625, 0.375], [0.125, 0.875], [0, 0]]], np.float32),
    "disc_calibrated_degeneration": np.array([[[0.5, 0.5], [0.25, 0.75], [0, 0]]], np.float32),
    "disc_decision_degeneration": np.array([[1, 1, 0]], np.int32),
    "disc_prediction_set_degeneration": np.array([[[1, 1], [0, 1], [0, 0]]], np.int32),
}


def test_each_disc_has_what_was_decided_beside_its_probabilities():
    (answer,) = answers_of(OUTPUTS, CASE, "3", [SIZE], [None])
    lower, upper = (finding.grades[0] for finding in answer.findings)
    assert (lower.best, lower.decided, lower.prediction_set) == ("normal", "degenerated", LABELS)
    assert (lower.is_undecided, lower.verdict) == (True, "undecided")
    assert (upper.decided, upper.prediction_set, upper.verdict) == ("degenerated", ("degenerated",), "degenerated")
    told = json.loads(json.dumps(answer.to_json()))
    assert told["findings"][0]["grades"][0] == {
        "target": "degeneration",
        "label": "normal",
        "probabilities": {"normal": 0.625, "degenerated": 0.375},
        "calibrated": {"normal": 0.5, "degenerated": 0.5},
        "decision": "degenerated",
        "prediction_set": ["normal", "degenerated"],
        "undecided": True,
    }
    assert told["decided_by"] == {"degeneration": RULES.model_dump(exclude_defaults=True)}
    assert "per_class" not in told["decided_by"]["degeneration"]


def test_a_disc_that_is_found_and_not_graded_is_not_decided():
    levels = {"disc_level": np.array([[1, 0, 0]], np.int32)}
    (answer,) = answers_of(OUTPUTS | levels, CASE, "3", [SIZE], [None])
    assert [len(finding.grades) for finding in answer.findings] == [1, 0]


def test_a_model_that_decides_nothing_answers_as_before():
    plain = {name: value for name, value in OUTPUTS.items() if "probabilities" in name or not name.startswith("disc_")}
    (answer,) = answers_of(plain, CASE.model_copy(update={"decided": {}}), "3", [SIZE], [None])
    (grade, *_) = (grade for finding in answer.findings for grade in finding.grades)
    assert set(grade.to_json()) == {"target", "label", "probabilities"}
    assert (grade.verdict, grade.is_undecided) == ("", False)
    assert "decided_by" not in answer.to_json()
    assert answer.said_of_decisions == ()


@pytest.mark.parametrize(
    ("decided", "held", "verdict"),
    [
        (None, None, ""),
        ("degenerated", None, "degenerated"),
        (None, ("normal",), "normal"),
        ("degenerated", ("normal",), "degenerated"),  # the operating point decides, the set only whether it may
        ("degenerated", LABELS, "undecided"),
        ("degenerated", (), "undecided"),
        (None, (), "undecided"),
    ],
)
def test_a_set_of_other_than_one_label_is_undecided(decided, held, verdict):
    grade = Grade("degeneration", LABELS, np.array([0.5, 0.5]), decided=decided, prediction_set=held)
    assert grade.verdict == verdict


@pytest.mark.parametrize(
    ("output", "value"),
    [("decision", 2), ("decision", -1), ("decision", [0, 1]), ("calibrated", [1.0]), ("prediction_set", [1, 0, 0])],
)
def test_what_does_not_fit_the_labels_is_refused(output, value):
    about = Description(
        name="ct", task="classification", targets={"fracture": ("no", "yes")}, decided={"fracture": RULES}
    )
    outputs = {"probabilities": np.array([[0.2, 0.8]]), output: np.array([value])}
    with pytest.raises(SpineError, match=f"the output {output} of fracture is .*, and there are 2 labels, no, yes"):
        answers_of(outputs, about, "1", [SIZE], [None])


def test_what_a_model_from_elsewhere_calls_a_decision_is_not_read():
    about = Description(name="ct", task="classification", targets={"fracture": ("no", "yes")})
    outputs = {"probabilities": np.array([[0.2, 0.8]]), "decision": np.array([b"operate"])}
    (answer,) = answers_of(outputs, about, "1", [SIZE], [None])
    assert answer.findings[0].grades[0].decided is None


def test_how_it_was_decided_is_told_in_sentences():
    (answer,) = answers_of(OUTPUTS, CASE, "3", [SIZE], [None])
    point, sets, calibrated = answer.said_of_decisions
    assert point == (
        "degeneration is decided degenerated from a probability of 0.312 on, chosen for a sensitivity of 0.95, at "
        "least 0.91 sensitive with 95 % confidence."
    )
    assert sets.startswith("The set of labels of degeneration holds the true one with a probability of 90 %, in patie")
    assert "undecided" in sets
    assert "isotonic" in calibrated
    apart = DecisionRules(coverage=0.8, per_class=True, kind="cost", asked=4, threshold=0.2)
    point, sets = apart.sentences("fracture", ("no", "yes"))
    assert point.endswith("from a probability of 0.200 on, chosen so that one that is missed costs 4 false alarms.")
    assert "80 %, for each label by itself" in sets
    assert DecisionRules(notes=("There are 3 patients.",)).sentences("t", ("a", "b")) == ("There are 3 patients.",)
    assert DecisionRules().sentences("fracture", ("no", "yes")) == ()


def test_a_description_tells_it_and_older_ones_do_not():
    assert Description.from_json(CASE.model_dump_json()) == CASE
    older = Description.from_json('{"name": "a", "task": "case"}')
    assert older.decided == {}
    assert "decided" not in older.model_dump(mode="json")
    assert "decided" not in older.model_dump_json()


def test_the_picture_says_undecided_however_long_the_names():
    long = ("normal" * 20, "degenerated" * 20)
    picture = np.zeros((450, 300), np.uint16)

    def drawn(**decided):
        grade = Grade("degeneration" * 8, long, np.array([0.625, 0.375]), **decided)
        return draw_answer(picture, Answer("case", "3", 450, 300, findings=(Finding("", grades=(grade,)),)))

    plain, undecided, other = drawn(), drawn(prediction_set=long), drawn(decided=long[1])
    assert plain.shape == undecided.shape
    assert (undecided != plain).any()
    assert (undecided != other).any()
    assert (other != plain).any()
    assert (drawn(decided=long[0]) == plain).all()  # it is the likeliest
