"""The epochs of one training: what each gave, which was best, when to stop. The rows are all the state there is.

Early stopping and a falling learning rate are read off the rows, so a resumed run decides as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spine.files import atomic_file

__all__ = ["MONITOR", "History"]

Row = Mapping[str, float | int | str]

MONITOR = "val_loss"  # lower is better
FIRST = ("phase", "epoch", "loss")
LAST = "learning_rate"


@dataclass(frozen=True)
class History:
    """Rows of epochs in order: phase, epoch (1-based, counted through all phases), losses, metrics, learning_rate."""

    rows: tuple[Row, ...] = ()

    @classmethod
    def read(cls, path: Path) -> History:
        """Read `history.csv`; empty where it does not exist."""
        if not path.exists():
            return cls()
        table = pd.read_csv(path, float_precision="round_trip")
        return cls(tuple({str(key): value for key, value in row.items()} for row in table.to_dict("records")))

    def write(self, path: Path) -> None:
        """Write `history.csv` atomically."""
        with atomic_file(path) as temporary:
            pd.DataFrame(self.rows).to_csv(temporary, index=False)

    def __len__(self) -> int:
        return len(self.rows)

    def adding(self, phase: str, metrics: Mapping[str, float], learning_rate: float) -> History:
        """This history and one more epoch."""
        others = {key: float(value) for key, value in metrics.items() if key not in (*FIRST, LAST)}
        row: Row = {"phase": phase, "epoch": len(self) + 1, "loss": float(metrics["loss"]), **others}
        return History((*self.rows, {**row, LAST: float(learning_rate)}))

    def of(self, phase: str) -> History:
        """The epochs of one phase."""
        return History(tuple(row for row in self.rows if row["phase"] == phase))

    @property
    def best(self) -> Row | None:
        """The epoch of the lowest validation loss, the first on a tie; None where there is none."""
        return min(self.rows, key=lambda row: _number(row[MONITOR]), default=None)

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return int(self.rows[-1]["epoch"]) - int(self.best["epoch"]) if self.best else 0

    @property
    def waited_at_this_rate(self) -> int:
        """Epochs since the best one or since the learning rate last changed, whichever is later."""
        same = 0
        for row in reversed(self.rows):
            if row[LAST] != self.rows[-1][LAST]:
                break
            same += 1
        return min(self.waited, same)


def _number(value: float | int | str) -> float:
    # A loss that became NaN is worse than any other, not better than all.
    number = float(value)
    return number if number == number else float("inf")
