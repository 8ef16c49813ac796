"""The epochs of one training: what each gave, which was best, when to stop. The rows are all the state there is.

Early stopping and a falling learning rate are read off the rows, so a resumed run decides as an uninterrupted one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from spine.core.files import atomic_file

__all__ = ["MONITORS", "History", "in_order"]

Row = Mapping[str, float | int | str]

# The first that an epoch has says how good it was, unless another is watched; 1: lower is better.
MONITORS = {"val_map50": -1, "val_map50_95": -1, "val_loss": 1}
RATE = "learning_rate"


@dataclass(frozen=True)
class History:
    """Rows of epochs in order: phase, epoch (1-based, counted through all phases), losses, metrics, learning_rate.

    `watched` is which of MONITORS says how good an epoch was; None leaves it to their order.
    """

    rows: tuple[Row, ...] = ()
    watched: str | None = None

    @classmethod
    def read(cls, path: Path, watched: str | None = None) -> History:
        """Read `history.csv`; empty where it does not exist."""
        if not path.exists():
            return cls(watched=watched)
        with path.open(newline="") as stream:
            rows = ({key: _parsed(key, text) for key, text in row.items() if text} for row in csv.DictReader(stream))
            return cls(tuple(rows), watched)

    def write(self, path: Path) -> None:
        """Write `history.csv` atomically, every number exactly.

        What an older version did not measure is left empty in its epochs.
        """
        columns = dict.fromkeys(key for row in reversed(self.rows) for key in row)
        with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def with_epoch(self, phase: str, metrics: Mapping[str, float], learning_rate: float) -> History:
        """This history and one more epoch."""
        row: Row = {"phase": phase, "epoch": len(self) + 1, **in_order(metrics), RATE: float(learning_rate)}
        return replace(self, rows=(*self.rows, row))

    def renamed(self, name: Callable[[str], str]) -> History:
        """The same epochs, with what `name` makes of each column's name; without those of which it makes nothing."""
        rows = ({name(column): value for column, value in row.items() if name(column)} for row in self.rows)
        return replace(self, rows=tuple(rows))

    def of(self, phase: str) -> History:
        """The epochs of one phase."""
        return self._of({phase})

    def _of(self, phases: Collection[str]) -> History:
        return replace(self, rows=tuple(row for row in self.rows if row["phase"] in phases))

    @property
    def best(self) -> Row | None:
        """The epoch of the highest validation mAP or lowest validation loss, the first on a tie; None where none is.

        Without validation, as of a refit, it is the last.
        """
        return min(self.rows, key=self._badness, default=None)

    @property
    def monitor(self) -> str | None:
        """What tells how good an epoch was, one of MONITORS; None without validation."""
        return next((name for name in self._monitors if any(name in row for row in self.rows)), None)

    @property
    def epochs_per_phase(self) -> dict[str, int]:
        """Phase -> how many of its epochs the best network went through: each phase starts from the best one so far."""
        epochs: dict[str, int] = {}
        for phase in dict.fromkeys(str(row["phase"]) for row in self.rows):
            so_far = self._of({*epochs, phase})
            before = len(so_far) - len(so_far.of(phase))
            best = so_far.best
            kept = int(best["epoch"]) if best and self._badness(best) < float("inf") else len(so_far)
            epochs[phase] = max(kept - before, 0)
        return epochs

    @property
    def epochs_since_best(self) -> int:
        """Epochs since the best one."""
        return int(self.rows[-1]["epoch"]) - int(self.best["epoch"]) if self.best else 0

    @property
    def epochs_at_this_rate(self) -> int:
        """Epochs since the best one or since the learning rate last changed, whichever is later."""
        same = 0
        for row in reversed(self.rows):
            if row[RATE] != self.rows[-1][RATE]:
                break
            same += 1
        return min(self.epochs_since_best, same)

    @property
    def _monitors(self) -> tuple[str, ...]:
        return (self.watched, *MONITORS) if self.watched else tuple(MONITORS)

    def _badness(self, row: Row) -> float:
        # What became NaN is worse than any other, not better than all.
        measured = (MONITORS[name] * float(row[name]) for name in self._monitors if name in row)
        number = next(measured, -float(row["epoch"]))
        return number if number == number else float("inf")


def in_order(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of an epoch as people read them: training before validation, the loss first."""
    keys = sorted(metrics, key=lambda key: (key == "seconds", key.startswith("val_"), not key.endswith("loss"), key))
    return {key: float(metrics[key]) for key in keys}


def _parsed(key: str, text: str) -> float | int | str:
    return text if key == "phase" else int(text) if key == "epoch" else float(text)
