"""What is measured of one picture. Lengths are in the `unit` of the `Measurements`: mm, or pixels; ratios have none.

A structure that cannot be measured is there all the same, so that the levels stay what they are: its `status` says why,
and its values are None.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["LENGTHS", "RATIOS", "Canal", "Disc", "Heights", "Measurements", "Row", "Side", "Status", "Unit", "Vertebra"]

Side = Literal["left", "right"]
Unit = Literal["mm", "px"]
# cut: it reaches the picture's edge, or the volume ends within it; merged: several structures that could not be told
# apart; irregular: no shape of a whole disc or vertebra; absent: there is none, or it ends within the level.
Status = Literal["measured", "cut", "merged", "irregular", "absent"]

# Name of a row -> what people read.
LENGTHS = {
    "anterior_height": "anterior height",
    "middle_height": "middle height",
    "posterior_height": "posterior height",
    "width": "width",
    "least_width": "least antero-posterior width",
}
RATIOS = {
    "height_index": "height index",
    "signal_to_canal": "signal / canal's",
    "signal_to_vertebrae": "signal / vertebrae's",
    "wedge_ratio": "wedge ratio",
    "biconcavity_ratio": "biconcavity ratio",
}


@dataclass(frozen=True)
class Heights:
    """Distances of the upper from the lower border, across the structure's own antero-posterior axis."""

    anterior: float | None  # None where it is not known which side is anterior
    middle: float
    posterior: float | None


@dataclass(frozen=True)
class Disc:
    """One disc; `level` 1 is the lowest, L5/S1 where the whole lumbar spine is in the picture."""

    level: int
    centre: tuple[float, float]  # y, x in pixels; (0, 0) is the centre of the first pixel
    status: Status
    heights: Heights | None = None
    width: float | None = None  # from the foremost to the hindmost point, protrusions included
    height_index: float | None = None  # mean of its three heights / mean of the three of the vertebra above it
    signal_to_canal: float | None = None  # its mean grey level / that of the canal
    signal_to_vertebrae: float | None = None  # its mean grey level / that of all vertebrae

    def values(self) -> dict[str, float | None]:
        """Its values by name."""
        ratios = {name: getattr(self, name) for name in ("height_index", "signal_to_canal", "signal_to_vertebrae")}
        return {**_by_name(self.heights), "width": self.width, **ratios}


@dataclass(frozen=True)
class Vertebra:
    """One vertebral body; `level` 1 is the lowest."""

    level: int
    centre: tuple[float, float]  # y, x in pixels
    status: Status
    heights: Heights | None = None
    wedge_ratio: float | None = None  # anterior / posterior height
    biconcavity_ratio: float | None = None  # middle / posterior height

    def values(self) -> dict[str, float | None]:
        """Its values by name."""
        ratios = {"wedge_ratio": self.wedge_ratio, "biconcavity_ratio": self.biconcavity_ratio}
        return {**_by_name(self.heights), **ratios}


@dataclass(frozen=True)
class Canal:
    """The canal behind the disc of that level, half-way to the discs above and below."""

    level: int
    status: Status
    least_width: float | None = None  # antero-posterior, across the canal's own direction; 0 where it is interrupted

    def values(self) -> dict[str, float | None]:
        """Its value by name."""
        return {"least_width": self.least_width}


@dataclass(frozen=True)
class Row:
    """One value of a list of all. Without a value `status` says why.

    `unknown`: what it is told by is not there. Anterior and posterior need a canal, a height index needs the vertebra
    above the disc, a signal needs the picture.
    """

    structure: Literal["disc", "vertebra", "canal"]
    level: int
    name: str  # a key of LENGTHS or RATIOS
    value: float | None
    unit: Literal["mm", "px", "ratio"]
    status: Status | Literal["unknown"]


@dataclass(frozen=True)
class Measurements:
    """All of one picture, lowest level first; `posterior` is the side of the picture, None where it is not known."""

    unit: Unit
    posterior: Side | None
    discs: tuple[Disc, ...]
    vertebrae: tuple[Vertebra, ...]
    canal: tuple[Canal, ...]
    ignored: int  # specks, and pieces of vertebrae behind the canal

    def rows(self) -> list[Row]:
        """Every value with its unit and status: of the discs, the vertebrae and the canal, lowest level first."""
        return [
            *(row for disc in self.discs for row in self._rows("disc", disc)),
            *(row for vertebra in self.vertebrae for row in self._rows("vertebra", vertebra)),
            *(row for canal in self.canal for row in self._rows("canal", canal)),
        ]

    def _rows(self, structure: Literal["disc", "vertebra", "canal"], own: Disc | Vertebra | Canal) -> list[Row]:
        lacking: Status | Literal["unknown"] = "unknown" if own.status == "measured" else own.status
        return [
            Row(
                structure,
                own.level,
                name,
                value,
                "ratio" if name in RATIOS else self.unit,
                lacking if value is None else own.status,
            )
            for name, value in own.values().items()
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values: the unit, the posterior side, how many pieces were ignored, and the rows as `values`."""
        rows = [asdict(row) for row in self.rows()]
        return {"unit": self.unit, "posterior": self.posterior, "ignored": self.ignored, "values": rows}


def _by_name(heights: Heights | None) -> dict[str, float | None]:
    sides = ("anterior", "middle", "posterior")
    return {f"{side}_height": None if heights is None else getattr(heights, side) for side in sides}
