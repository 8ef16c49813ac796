"""What a case is worth: its measures with intervals, as a table and as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.results.few_patients import caution, caution_of_width
from spine.core.files import write_json
from spine.metrics.statistics import Interval

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["CaseEvaluation", "Measured"]


@dataclass(frozen=True)
class Measured:
    """One measure of a `part`, with the regions that were detected and with the true ones, None where there are none.

    `detected`, `true` and `difference` (detected less true) are values with 95 % intervals over patients, drawn alike.
    """

    part: str
    measure: str
    patients: int
    units: int
    detected: Interval
    true: Interval | None = None
    difference: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; undefined ones are null."""
        told: dict[str, Any] = {"part": self.part, "measure": self.measure}
        told |= {"patients": self.patients, "units": self.units}
        for name in ("detected", "true", "difference"):
            if (value := getattr(self, name)) is not None:
                told[name] = {key: _finite(getattr(value, key)) for key in ("value", "low", "high")}
        return told


@dataclass(frozen=True)
class CaseEvaluation:
    """All measures of some `patients`; `left_out` more were seen by a part.

    `discs` counts the graded discs in their pictures, `found` those that a detected box matches.
    """

    patients: int
    left_out: int
    discs: int
    found: int
    measures: tuple[Measured, ...]
    parts: tuple[str, ...] = ()  # that the case has, as measures name them

    @property
    def not_judged(self) -> list[str]:
        """The parts without a measure."""
        return [part for part in self.parts if part not in {measured.part for measured in self.measures}]

    @property
    def summary(self) -> str:
        """Whom it was judged on, and how many of the graded discs were found."""
        seen = f"; {self.left_out} more were left out, since a part has seen them" if self.left_out else ""
        graded = f", {self.found} of {self.discs} graded discs found" if self.discs else ""
        return f"{self.patients} test patients{seen}{graded}"

    @property
    def _intervals(self) -> list[Interval]:
        """Those that the table shows."""
        shown = [(one.detected, one.true, one.difference) for one in self.measures]
        return [one for values in shown for one in values if one is not None]

    def table(self) -> Table:
        """For the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        told = " ".join(filter(None, [caution(self.patients), caution_of_width(self._intervals)])) or None
        table = Table(
            title="95 % intervals over patients", caption=told, caption_justify="left", box=SIMPLE_HEAD, padding=0
        )
        for heading in ("", "measure", "patients", "detected regions", "true regions", "difference"):
            table.add_column(heading, justify="right" if heading == "patients" else "left", overflow="fold")
        for one in self.measures:
            values = [_told(value) for value in (one.detected, one.true, one.difference)]
            table.add_row(one.part, one.measure, str(one.patients), *values)
        return table

    def write(self, path: Path) -> Path:
        """As JSON."""
        told = {"patients": self.patients, "left_out": self.left_out, "discs": self.discs, "found": self.found}
        write_json({**told, "measures": [measured.to_json() for measured in self.measures]}, path)
        return path


def _told(value: Interval | None) -> str:
    if value is None:
        return ""
    if not np.isfinite(value.value):
        return "undefined"
    return f"{value.value:z.3f} ({value.low:z.2f} to {value.high:z.2f})"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
