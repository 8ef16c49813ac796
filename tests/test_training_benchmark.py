"""What the benchmark of training tells of its measurements; the loops themselves run in the benchmark alone."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return tuple(map(importlib.import_module, ("training", "training_times")))


def test_the_median_of_the_rounds_ratios_is_told(modules):
    training, _ = modules
    row = training.Measured("a", [(2.0, 3.0), (3.0, 3.0), (4.4, 3.0)], [(2.0, 2.0), (2.0, 3.0), (4.0, 1.0)], 0.5)
    assert row.ratios(0) == pytest.approx([1.0, 1.5, 1.1])
    cells = [next(iter(column.cells)) for column in training.table_of([row]).columns]
    assert cells == ["a", "3.00", "2.00", "1.10", "1.00 to 1.50", "reached", "1.50", "0.50"]
    slower = row._replace(ours=[(2.5, 1.0)], bare=[(2.0, 1.0)], validation=None)
    cells = [next(iter(column.cells)) for column in training.table_of([slower]).columns]
    assert cells[3:6] == ["1.25", "1.25 to 1.25", "missed"]


def test_the_first_epoch_is_left_out(modules):
    _, times = modules
    began = [(0.0, 0.0), (10.0, 5.0), (11.0, 5.5), (13.0, 7.0), (14.0, 8.0)]
    assert times.of_epochs(began) == (1.0, 1.0)
    assert times.of_epochs(began, first=0) == (1.5, 1.25)


def test_measures_above_0_are_asked_for(modules, capsys):
    training, _ = modules
    assert training.parse([]).tasks == training.TASKS
    with pytest.raises(SystemExit):
        training.parse(["--rounds", "0"])
    assert "above 0" in capsys.readouterr().err
