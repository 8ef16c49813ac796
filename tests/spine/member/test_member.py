import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.member.member import Card, Member
from spine.predictions.predictions import Predictions, require_same

VALUES = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
INDEX = pd.DataFrame({"sample": ["a", "b"], "patient": ["p", "q"], "height": [4, 4], "width": [5, 5], "offset": [0, 1]})


def store(path, values=VALUES, index=INDEX, **changes):
    head = {"task": "classification", "labels": ("no", "yes"), "split": "test", "model_hash": "", "truth_hash": "t"}
    return Predictions.write(path, values, index, **{**head, **changes})


def test_what_was_stored_is_read_again(tmp_path):
    stored = store(tmp_path / "test")
    np.testing.assert_array_equal(stored.values, VALUES)
    assert stored.labels == ("no", "yes")
    assert stored.index["patient"].tolist() == ["p", "q"]


@pytest.mark.parametrize(
    "changes",
    [
        {"values": VALUES[:, ::-1]},
        {"index": INDEX[::-1].assign(offset=[0, 1])},
        {"model_hash": "m"},
        {"truth_hash": "u"},
        {"labels": ("yes", "no")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_hash_tells_any_change_of_what_is_stored(tmp_path, changes):
    stored = store(tmp_path / "one")
    assert store(tmp_path / "other").hash == stored.hash
    assert store(tmp_path / "changed", **changes).hash != stored.hash


def test_predictions_of_another_model_are_stale(tmp_path):
    store(tmp_path / "predictions" / "test", model_hash="old")
    card = Card(name="m", task="classification", labels=("no", "yes"), model_hash="new")
    with pytest.raises(SpineError, match="made by model old"):
        Member.publish(tmp_path, card).predictions("test")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"truth_hash": "u"}, "truth_hash"), ({"labels": ("n", "y")}, "labels"), ({"index": INDEX[::-1]}, "samples")],
)
def test_predictions_that_disagree_are_refused_by_name(tmp_path, changes, reason):
    members = {"first": store(tmp_path / "1"), "second": store(tmp_path / "2", **changes)}
    with pytest.raises(SpineError, match=rf"'first' and 'second' .*{reason}"):
        require_same(members)


def test_a_foreign_member_has_no_model_to_run(tmp_path):
    Member.publish(tmp_path, Card(name="theirs", task="classification", labels=("no", "yes"), kind="foreign"))
    with pytest.raises(SpineError, match=r"'theirs' .* has no model"):
        _ = Member.open(tmp_path).model
