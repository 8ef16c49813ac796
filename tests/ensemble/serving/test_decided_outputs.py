"""What is decided on probabilities: the same in the graph as in NumPy, and what independent arithmetic says it is."""

import numpy as np
import pytest
import tensorflow as tf

from ensemble.decisions.decide import decide, interpolated
from ensemble.fusion.fuse import Mean
from ensemble.results.decisions import Calibration, Conformal, Decisions, OperatingPoint
from ensemble.serving.decide_outputs import Decided, decided_on_card, deciding
from ensemble.serving.fuse_outputs import FuseProbabilities
from ensemble.serving.parity import require_decisions
from spine.core.problems import SpineError

POINT = OperatingPoint(
    kind="sensitivity", asked=0.95, threshold=0.3, bound=0.9, confidence=0.95, sensitivity=0.96, specificity=0.5
)
RANDOM = np.random.default_rng(13)


def knots(count=12):
    x, y = np.sort(RANDOM.uniform(0.05, 0.95, count)), np.sort(RANDOM.uniform(0, 1, count))
    x[4] = x[3] + 1e-7  # float32 can hardly tell them apart
    return list(zip(x.tolist(), y.tolist(), strict=True))


def decisions_on(classes, method="isotonic", **parts):
    calibration = (
        Calibration(method="isotonic", knots=[knots() for _ in range(classes)])
        if method == "isotonic"
        else Calibration(method="temperature", temperature=1.7)
    )
    sets = Conformal(coverage=0.9, per_class=True, thresholds=np.linspace(0.5, 0.7, classes).tolist())
    point = POINT if classes == 2 else None
    return Decisions(**{"calibration": calibration, "operating_point": point, "conformal": sets, **parts})


def rows(classes, decisions):
    """Random probabilities, certain ones, equal ones, and such as lie on a threshold or beside it; float32."""
    some = RANDOM.dirichlet(np.full(classes, 0.7), 200)
    edges = np.concatenate([np.eye(classes), np.full((1, classes), 1 / classes)])
    on = []
    for threshold in [0.3, *(1 - np.asarray(decisions.conformal.thresholds))]:
        for last in (threshold, np.nextafter(np.float32(threshold), 0), np.nextafter(np.float32(threshold), 1)):
            on.append([(1 - float(last)) / (classes - 1)] * (classes - 1) + [float(last)])
    return np.concatenate([some, edges, on]).astype(np.float32)


def in_graph(probabilities, decisions):
    fuse = Decided(FuseProbabilities(Mean((1.0,))), decisions)

    @tf.function(input_signature=[tf.TensorSpec([None, probabilities.shape[1]], tf.float32)])
    def answer(values):
        return fuse([{"probabilities": values}])

    return {name: value.numpy() for name, value in answer(tf.constant(probabilities)).items()}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_the_graph_decides_as_numpy_does(classes, method):
    decisions = decisions_on(classes, method)
    probabilities = rows(classes, decisions)
    served = in_graph(probabilities, decisions)
    np.testing.assert_array_equal(served["probabilities"], probabilities)
    expected = decide(probabilities.astype(np.float64), decisions)
    assert set(served) - {"probabilities"} == set(expected)
    np.testing.assert_allclose(served["calibrated"], expected["calibrated"], atol=1e-6)
    for name in expected.keys() - {"calibrated"}:
        assert served[name].dtype == np.int32
        np.testing.assert_array_equal(served[name], expected[name])
    require_decisions(served, decisions)


@pytest.mark.parametrize("classes", [2, 3])
def test_of_no_pictures_nothing_is_decided(classes):
    decisions = decisions_on(classes)
    served = in_graph(np.zeros((0, classes), np.float32), decisions)
    shapes = {"probabilities": (0, classes), "calibrated": (0, classes), "prediction_set": (0, classes)}
    assert {name: value.shape for name, value in served.items()} == shapes | (
        {"decision": (0,)} if classes == 2 else {}
    )
    require_decisions(served, decisions)


def test_a_probability_on_the_threshold_is_positive_and_in_the_set():
    decisions = Decisions(
        operating_point=POINT.model_copy(update={"threshold": 0.25}),
        conformal=Conformal(coverage=0.9, per_class=False, thresholds=[0.75] * 2),
    )
    said = np.array([[0.75, 0.25], [0.75 + 2**-20, 0.25 - 2**-20], [0, 1], [1, 0]], np.float32)
    served = in_graph(said, decisions)
    assert served["decision"].tolist() == [1, 0, 1, 0]
    assert served["prediction_set"].tolist() == [[1, 1], [1, 0], [0, 1], [1, 0]]
    assert "calibrated" not in served


def test_sets_hold_the_likeliest_label_and_may_hold_all():
    told = Decisions(conformal=Conformal(coverage=0.5, per_class=True, thresholds=[0.0, 0.5, 0.75]))
    said = np.array([[0.5, 0.375, 0.125], [0.125, 0.5, 0.375], [0.375, 0.375, 0.25]], np.float32)
    assert in_graph(said, told)["prediction_set"].tolist() == [[1, 0, 0], [0, 1, 1], [1, 1, 1]]


def test_lines_between_knots_are_numpy_interp_s_and_end_with_them():
    lines = knots(40)
    x, y = np.transpose(lines)
    values = np.concatenate([RANDOM.uniform(0, 1, 500), x, [0, 1]])
    expected = np.interp(values, x, y)
    np.testing.assert_allclose(interpolated(values[:, None], lines)[:, 0], expected, atol=1e-8)
    np.testing.assert_allclose(interpolated(tf.constant(values[:, None]), lines)[:, 0], expected, atol=1e-8)
    assert interpolated(np.array([[0.2], [0.9]]), [(0.5, 0.7)]).tolist() == [[0.7], [0.7]]  # one knot


def test_a_model_that_decides_otherwise_is_not_published():
    decisions = decisions_on(2)
    served = in_graph(rows(2, decisions), decisions)
    for name, change in (("calibrated", 1e-4), ("decision", 1), ("prediction_set", 1)):
        wrong = {**served, name: served[name] + np.asarray(change, served[name].dtype)}
        with pytest.raises(SpineError, match=f"output {name} differs"):
            require_decisions(wrong, decisions)


def test_the_card_names_the_outputs_that_there_are():
    assert decided_on_card(None, 2) == {}
    assert decided_on_card(Decisions(operating_point=POINT), 2) == {"decision": {"dtype": "int32", "shape": [None]}}
    for classes in (2, 3):
        decisions = decisions_on(classes)
        served = in_graph(rows(classes, decisions), decisions)
        told = decided_on_card(decisions, classes)
        assert served.keys() - {"probabilities"} == told.keys()
        for name, output in told.items():
            assert output["dtype"] == served[name].dtype.name
            assert output["shape"][1:] == list(served[name].shape[1:])


def test_decisions_on_other_labels_are_refused_and_none_change_nothing():
    fuse = FuseProbabilities(Mean((1.0,)))
    assert deciding(fuse, None, 2) is fuse
    assert deciding(fuse, Decisions(notes=["nothing could be fitted"]), 2) is fuse
    assert deciding(fuse, decisions_on(3, "temperature"), 3) != fuse
    for made, part in (
        (Decisions(operating_point=POINT), "operating_point is of 2 labels, and there are 4"),
        (Decisions(conformal=decisions_on(3).conformal), r"conformal.thresholds is of 3 labels, and there are 4"),
        (Decisions(calibration=decisions_on(3).calibration), r"calibration.knots is of 3 labels, and there are 4"),
    ):
        with pytest.raises(SpineError, match=part):
            deciding(fuse, made, 4)
