"""What a training decides from its history."""

import math
from types import SimpleNamespace

import pytest

from spine.training.history import History
from spine.training.schedule import (
    Phase,
    Plateau,
    cycle_at,
    cycles_of,
    is_over,
    next_rate,
    warm_up,
    why_stopped,
    with_epochs,
)

PHASE = Phase("frozen", epochs=5, learning_rate=0.1)


def history(*losses: float, phase: str = "frozen", rate: float = 0.1, before: History | None = None) -> History:
    found = before or History()
    for loss in losses:
        found = found.with_epoch(phase, {"loss": loss, "val_loss": loss}, rate)
    return found


def settings(**changes):
    return SimpleNamespace(
        **{"schedule": "constant", "warmup": 0, "reduce_on_plateau": None, "patience": 10, **changes}
    )


def test_a_phase_ends_with_its_epochs():
    assert not is_over(history(5, 4, 3, 2), PHASE, settings())
    assert is_over(history(5, 4, 3, 2, 1), PHASE, settings())


def test_a_phase_ends_when_its_patience_does():
    assert not is_over(history(1, 2), PHASE, settings(patience=2))
    assert is_over(history(1, 2, 2), PHASE, settings(patience=2))


def test_a_phase_is_patient_with_its_own_epochs_only():
    both = history(2, 3, phase="tuning", before=history(1, 5, 5))
    assert not is_over(both, Phase("tuning", 5, 0.01), settings(patience=2))


def test_the_rate_falls_on_a_plateau_again_and_again_but_not_below_its_minimum():
    falling = settings(reduce_on_plateau=Plateau(patience=2, factor=0.5, minimum=0.02))
    assert next_rate(history(1, 2), PHASE, falling) == 0.1
    assert next_rate(history(1, 2, 2), PHASE, falling) == 0.1 * 0.5
    once = history(1, 2, 2)
    assert next_rate(history(2, rate=0.05, before=once), PHASE, falling) == 0.05
    assert next_rate(history(2, 2, rate=0.05, before=once), PHASE, falling) == 0.05 * 0.5
    assert next_rate(history(1, 2, 2, rate=0.03), PHASE, falling) == 0.02
    assert next_rate(history(1, 2, 2, rate=0.01), PHASE, falling) == 0.01  # started below it: left alone


def test_a_constant_rate_stays():
    assert next_rate(history(1, 2, 2, 2, 2), PHASE, settings()) == 0.1


def test_a_cosine_falls_to_nothing_over_its_own_phase():
    before = history(9, 9, 9, phase="tuning")
    rates = [
        next_rate(history(*[1] * epochs, before=before), PHASE, settings(schedule="cosine")) for epochs in range(1, 6)
    ]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * epochs / 5)) for epochs in range(1, 6)])
    assert rates[-1] == 0


def test_a_warm_up_rises_from_a_tenth_along_a_straight_line():
    assert [warm_up(epochs, 2) for epochs in (0, 0.5, 1, 2, 3)] == pytest.approx([0.1, 0.325, 0.55, 1, 1])
    assert warm_up(0, 0) == 1


def test_after_a_warm_up_a_constant_rate_is_the_phase_s_and_waits_for_a_plateau_from_then_on():
    warming = settings(warmup=1.5, reduce_on_plateau=Plateau(patience=2, factor=0.5, minimum=0))
    rising = history(1, 2, rate=0.055)  # as its second epoch's last step may have it, within the warm-up
    assert next_rate(history(1, rate=0.055), PHASE, warming) == next_rate(rising, PHASE, warming) == 0.1
    assert next_rate(history(2, before=rising), PHASE, warming) == 0.1
    assert next_rate(history(2, 2, before=rising), PHASE, warming) == 0.1 * 0.5


def test_a_cosine_of_cycles_starts_anew_and_no_patience_ends_one():
    phase = Phase("frozen", 7, 0.1, cycles=3)
    assert [cycle_at(epoch, phase) for epoch in range(7)] == [*[(0, 2)] * 2, *[(2, 4)] * 2, *[(4, 7)] * 3]
    assert [cycle_at(epoch, PHASE) for epoch in range(5)] == [(0, 5)] * 5
    rates = [next_rate(history(*[1] * epochs), phase, settings(schedule="cosine")) for epochs in range(1, 8)]
    assert rates == pytest.approx([0.05, 0.1, 0.05, 0.1, 0.075, 0.025, 0])  # cos 60 degrees is a half
    assert not is_over(history(1, 2, 2, 2, 2, 2), phase, settings(patience=2))
    assert is_over(history(1, 2, 2, 2, 2, 2, 2), phase, settings(patience=2))


def test_cycles_are_those_of_their_phase_that_have_begun():
    found = history(5, 4, 3, before=history(1, 2, phase="before"))
    cycles = cycles_of(found, Phase("frozen", 7, 0.1, cycles=3))
    assert [[row["epoch"] for row in cycle.rows] for cycle in cycles] == [[3, 4], [5]]


def test_phases_take_the_lengths_of_a_refit_and_those_of_none_are_left_out():
    phases = (PHASE, Phase("tuning", 7, 0.01), Phase("last", 3, 0.001))
    assert with_epochs(phases, {"frozen": 2, "tuning": 0, "last": 4}) == (
        Phase("frozen", 2, 0.1),
        Phase("last", 4, 0.001),
    )


def test_a_phase_whose_patience_ran_out_says_what_is_kept():
    line = "stopped: no lower val_loss for 2 epochs; epoch 1 is kept"
    assert why_stopped(history(1, 2, 2), PHASE, settings(patience=2)) == line
    assert why_stopped(history(1, 2), PHASE, settings(patience=2)) == ""  # not yet
    assert why_stopped(history(3, 2, 1, 2, 2), PHASE, settings(patience=2)) == ""  # its epochs were over anyway
    tuning = history(2, 3, 3, phase="tuning", before=history(5, 1, 5))
    line = "stopped: no lower val_loss for 2 epochs; epoch 2 is kept"  # of the phase before it
    assert why_stopped(tuning, Phase("tuning", 5, 0.01), settings(patience=2)) == line


def test_a_detectors_phase_waits_for_a_higher_precision():
    found = History()
    for precision in (0.2, 0.4, 0.3, 0.4):
        found = found.with_epoch("frozen", {"loss": 1.0, "val_map50": precision}, 0.1)
    line = "stopped: no higher val_map50 for 2 epochs; epoch 2 is kept"
    assert why_stopped(found, PHASE, settings(patience=2)) == line


def test_without_validation_nothing_stops_a_phase():
    found = History().with_epoch("frozen", {"loss": 1.0}, 0.1).with_epoch("frozen", {"loss": 2.0}, 0.1)
    assert why_stopped(found, PHASE, settings(patience=1)) == ""
