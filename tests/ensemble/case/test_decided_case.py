"""A case whose classifiers decide: each disc has its decisions, rows that are no disc none, as its stages have them."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ensemble.case import export, parity
from ensemble.case.decided import shares_of
from ensemble.case.export import describe, load_chain
from ensemble.case.parity import measure_case_parity
from ensemble.case.parts import open_parts
from ensemble.case.stages import Stages
from ensemble.results.decisions import Calibration, Conformal, Decisions, OperatingPoint
from spine.answers.from_outputs import answers_of
from spine.core.problems import SpineError
from spine.dataset.truth import Region
from spine.images.pictures import write_png16
from tests.case_on_disk import scan, write_case
from tests.member_contract import png

# With the region around them, the upper disc is 0.58 grey, the lower 0.79.
PICTURE = scan(100, 80, (10, 10, 60, 90), (20, 20, 50, 28), (22, 60, 52, 70))
NOTHING = np.zeros_like(PICTURE)
POINT = OperatingPoint(kind="youden", threshold=0.7, bound=0.8, confidence=0.95, sensitivity=0.9, specificity=0.7)
DEGENERATION = Decisions(
    calibration=Calibration(method="isotonic", knots=[[(0.25, 0.0), (0.6, 1.0)], [(0.4, 0.0), (0.75, 1.0)]]),
    operating_point=POINT,
    conformal=Conformal(coverage=0.9, per_class=False, thresholds=[0.6, 0.6]),
)
SETS = Decisions(conformal=Conformal(coverage=0.9, per_class=True, thresholds=[0.1, 0.2]))


class Decided:
    """The case in memory, called as its SavedModel is."""

    def __init__(self, case):
        parts = open_parts(case, lambda path: None)
        decided = {"degeneration": DEGENERATION, "narrowing": SETS}
        grades = {target: replace(part, decisions=decided[target]) for target, part in parts.grades.items()}
        self.settings, self.parts = case, replace(parts, grades=grades)
        self.chain = load_chain(case, self.parts)
        self.signatures = {name: getattr(self.chain, name) for name in ("serving_default", "members")}

    def ask(self, *pictures, signature="serving_default"):
        served = self.signatures[signature](image_bytes=tf.constant([png(picture) for picture in pictures], tf.string))
        return {name: value.numpy() for name, value in served.items()}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    return Decided(write_case(tmp_path_factory.mktemp("case"), segmentation=None))


def test_each_disc_is_decided_and_other_rows_are_not(decided):
    outputs = decided.ask(PICTURE)
    assert outputs["disc_level"].tolist() == [[0, 2, 1]]
    upper, lower = outputs["disc_probabilities_degeneration"][0, 1:, 1].astype(float)
    assert 0.5 < upper < 0.6 < 0.75 < lower
    assert outputs["disc_decision_degeneration"].tolist() == [[0, 0, 1]]
    assert outputs["disc_prediction_set_degeneration"].tolist() == [[[0, 0], [1, 1], [0, 1]]]
    np.testing.assert_allclose(
        outputs["disc_calibrated_degeneration"][0],
        [[0, 0], [(1 - upper - 0.25) / 0.35, (upper - 0.4) / 0.35], [0, 1]],
        atol=1e-6,
    )
    assert "disc_decision_narrowing" not in outputs
    assert outputs["disc_prediction_set_narrowing"].dtype == np.int32
    likeliest = np.eye(2, dtype=int)[outputs["disc_probabilities_narrowing"][0, 1:].argmax(axis=1)].tolist()
    assert outputs["disc_prediction_set_narrowing"].tolist() == [[[0, 0], *likeliest]]


def test_where_nothing_is_found_or_asked_nothing_is_decided(decided):
    assert decided.ask(NOTHING)["disc_decision_degeneration"].shape == (1, 0)
    assert decided.ask(NOTHING)["disc_prediction_set_degeneration"].shape == (1, 0, 2)
    assert {len(value) for value in decided.ask().values()} == {0}
    both = decided.ask(NOTHING, PICTURE)
    assert both["disc_decision_degeneration"].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert not both["disc_prediction_set_degeneration"][0].any()


def test_members_come_with_the_same_decisions(decided):
    own, with_members = decided.ask(PICTURE), decided.ask(PICTURE, signature="members")
    for name, values in own.items():
        np.testing.assert_array_equal(with_members[name], values)


def test_it_equals_its_stages_and_a_wrong_decision_is_found(decided, tmp_path, monkeypatch):
    write_png16(PICTURE, tmp_path / "a.png")
    write_png16(NOTHING, tmp_path / "b.png")
    stages = Stages(decided.settings, decided.parts)
    assert measure_case_parity(decided, stages, [Region(path) for path in sorted(tmp_path.iterdir())]) < 1e-5
    honest = parity.answer_files
    for name in ("calibrated", "decision", "prediction_set"):
        of_discs = f"disc_{name}_degeneration"
        for row, message in ((1, f"output {name} differs"), (0, "of boxes that are no disc")):

            def wrong(model, paths, of_discs=of_discs, row=row):
                answer = honest(model, paths)
                answer[of_discs][0, row] += 1
                return answer

            monkeypatch.setattr(parity, "answer_files", wrong)
            with pytest.raises(SpineError, match=message):
                measure_case_parity(decided, stages, [Region(tmp_path / "a.png")])


def test_the_card_names_the_outputs_and_the_description_how_they_are_decided(decided):
    outputs = decided.ask(PICTURE)
    card = export._card(decided.settings, decided.parts, "hash", decided.settings.detector, 0.0)
    assert {name: told["dtype"] for name, told in card.outputs.items()} == {
        name: value.dtype.name for name, value in outputs.items()
    }
    assert card.outputs["disc_decision_degeneration"]["shape"] == [None, None]
    assert card.outputs["disc_prediction_set_narrowing"]["shape"] == [None, None, 2]
    description = describe(decided.settings, decided.parts)
    (answer,) = answers_of(outputs, description, "1", [PICTURE.shape], [None])
    upper, lower = (dict((grade.target, grade) for grade in finding.grades) for finding in answer.findings[1:])
    assert (upper["degeneration"].verdict, lower["degeneration"].verdict) == ("undecided", "degenerated")
    assert upper["narrowing"].prediction_set == (upper["narrowing"].verdict,)
    assert description.decided["degeneration"].kind == "youden"
    assert description.decided["narrowing"].per_class


def test_what_decisions_on_discs_are_worth_is_counted():
    decisions = Decisions(
        operating_point=POINT.model_copy(update={"threshold": 0.4}),
        conformal=Conformal(coverage=0.8, per_class=False, thresholds=[0.45, 0.45]),
    )
    positive = np.array([0.9, 0.5, 0.2, 0.6, 0.1])
    truth, patients = np.array([1, 1, 1, 0, 0]), ["a", "a", "b", "c", "c"]
    shares = shares_of(decisions, np.stack([1 - positive, positive], axis=1), truth, patients)
    once, twice_a = np.ones(5), np.array([2, 2, 1, 1, 1])
    assert shares["sensitivity, as decided"](np.stack([once, twice_a])) == pytest.approx([2 / 3, 4 / 5])
    assert shares["specificity, as decided"](once) == 1 / 2
    # Sets: the true label, both, the other, the other, the true one; a patient counts once.
    assert shares["coverage of the sets"](once) == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert shares["share undecided"](once) == 1 / 5
    assert np.isnan(shares["specificity, as decided"](np.array([1, 1, 1, 0, 0])))
    assert shares_of(Decisions(), np.zeros((0, 3)), np.zeros(0, int), []) == {}
