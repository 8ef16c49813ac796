from dataclasses import replace

import pytest

from spine.training.history import History


def history(*losses: float, rate: float | list[float] = 0.1, phase: str = "frozen") -> History:
    rates = rate if isinstance(rate, list) else [rate] * len(losses)
    found = History()
    for loss, own in zip(losses, rates, strict=True):
        found = found.with_epoch(phase, {"loss": loss, "val_loss": loss}, own)
    return found


def test_an_epoch_is_told_training_before_validation_and_the_loss_first():
    metrics = {"val_accuracy": 0.4, "accuracy": 0.3, "val_loss": 2, "seconds": 9, "loss": 1}
    (row,) = History().with_epoch("frozen", metrics, 0.5).rows
    assert list(row) == [
        *("phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds", "learning_rate"),
    ]
    assert list(row.values()) == ["frozen", 1, 1, 0.3, 2, 0.4, 9, 0.5]


def test_epochs_count_on_through_the_phases():
    both = history(3, 2).with_epoch("tuning", {"loss": 1, "val_loss": 1}, 0.01)
    assert [row["epoch"] for row in both.rows] == [1, 2, 3]
    assert [row["epoch"] for row in both.of("tuning").rows] == [3]


def test_the_best_epoch_has_the_lowest_validation_loss_and_is_the_first_of_a_tie():
    assert history(3, 1, 2, 1).best["epoch"] == 2
    assert history(3, 1, 2, 1).epochs_since_best == 4 - 2
    assert History().best is None
    assert History().epochs_since_best == 0


def test_a_loss_that_is_no_number_is_worse_than_any_other():
    assert history(float("nan"), 5, float("nan")).best["epoch"] == 2


def test_waiting_starts_again_where_the_rate_changed():
    assert history(1, 2, 2, 2).epochs_at_this_rate == 3
    assert history(1, 2, 2, 2, rate=[0.1, 0.1, 0.05, 0.05]).epochs_at_this_rate == 2
    assert history(3, 3, 1, 2, rate=[0.1, 0.1, 0.05, 0.05]).epochs_at_this_rate == 1


def test_it_reads_back_as_it_was_written(tmp_path):
    written = history(1 / 3, 2 / 7, rate=1e-4)
    written.write(tmp_path / "history.csv")
    assert History.read(tmp_path / "history.csv") == written
    assert History.read(tmp_path / "none.csv") == History()
    with pytest.raises(AttributeError):
        written.rows = ()


def test_a_history_goes_on_where_an_older_version_measured_less(tmp_path):
    """As of a training that an older version began: its epochs keep what they had, and the file has all columns."""
    older = History().with_epoch("whole", {"loss": 3, "val_loss": 4}, 0.1)
    both = older.with_epoch("whole", {"loss": 2, "iou_foreground": 0.5, "val_loss": 3, "val_iou_foreground": 0.25}, 0.1)
    both.write(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "phase,epoch,loss,iou_foreground,val_loss,val_iou_foreground,learning_rate",
        "whole,1,3.0,,4.0,,0.1",
        "whole,2,2.0,0.5,3.0,0.25,0.1",
    ]
    read = History.read(tmp_path / "history.csv")
    assert read == both
    assert read.best["epoch"] == 2


def test_where_epochs_have_a_mean_average_precision_the_highest_is_the_best():
    found = History()
    for score in (float("nan"), 0.25, 0.75, 0.5):
        found = found.with_epoch("whole", {"loss": 1, "val_map50": score}, 0.1)
    assert found.best["epoch"] == 3
    assert found.epochs_since_best == 1


def test_what_is_watched_says_which_epoch_is_the_best():
    found = History(watched="val_map50_95")
    for loose, tight in ((0.9, 0.3), (1.0, 0.4), (0.9, 0.5), (0.9, float("nan"))):
        found = found.with_epoch("whole", {"loss": 1, "val_map50": loose, "val_map50_95": tight}, 0.1)
    assert (found.best["epoch"], found.monitor, found.of("whole").best["epoch"]) == (3, "val_map50_95", 3)
    assert found.epochs_per_phase == {"whole": 3}
    assert replace(found, watched=None).best["epoch"] == 2


def test_without_validation_the_last_epoch_is_the_best():
    found = History()
    for loss in (1, 3, 2):
        found = found.with_epoch("whole", {"loss": loss}, 0.1)
    assert found.best["epoch"] == 3
    assert found.epochs_since_best == 0


def test_the_lengths_of_phases_lead_to_the_best_network():
    both = history(3, 1, 2)  # the second phase starts from epoch 2
    for loss in (1.5, 0.5, 0.7):
        both = both.with_epoch("tuning", {"loss": 1, "val_loss": loss}, 0.01)
    assert both.epochs_per_phase == {"frozen": 2, "tuning": 2}
    assert history(3, 1, 2).with_epoch("tuning", {"val_loss": 5}, 0.01).epochs_per_phase == {"frozen": 2, "tuning": 0}


def test_a_phase_that_was_not_judged_is_as_long_as_it_was():
    found = History()
    for phase, score in (("rpn", float("nan")), ("rpn", float("nan")), ("head", 0.5), ("head", 0.4)):
        found = found.with_epoch(phase, {"loss": 1, "val_map50": score}, 0.1)
    assert found.epochs_per_phase == {"rpn": 2, "head": 1}
