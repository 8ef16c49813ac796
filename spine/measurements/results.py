"""What is measured of one picture. Lengths are in the `unit` of the `Measurements`: mm, or pixels; ratios have none.

A structure that cannot be measured is there all the same, so that the levels stay what they are: its `status` says why,
and its values are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Canal", "Disc", "Heights", "Measurements", "Side", "Status", "Unit", "Vertebra"]

Side = Literal["left", "right"]
Unit = Literal["mm", "px"]
# cut: it reaches the picture's edge; merged: several structures that could not be told apart, so that the levels above
# it are too low; absent: there is none, or it ends within the level.
Status = Literal["measured", "cut", "merged", "absent"]


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


@dataclass(frozen=True)
class Vertebra:
    """One vertebral body; `level` 1 is the lowest."""

    level: int
    centre: tuple[float, float]  # y, x in pixels
    status: Status
    heights: Heights | None = None
    wedge_ratio: float | None = None  # anterior / posterior height
    biconcavity_ratio: float | None = None  # middle / posterior height


@dataclass(frozen=True)
class Canal:
    """The canal behind the disc of that level, half-way to the discs above and below."""

    level: int
    status: Status
    least_width: float | None = None  # antero-posterior, across the canal's own direction; 0 where it is interrupted


@dataclass(frozen=True)
class Measurements:
    """All of one picture, lowest level first; `posterior` is the side of the picture, None where it is not known."""

    unit: Unit
    posterior: Side | None
    discs: tuple[Disc, ...]
    vertebrae: tuple[Vertebra, ...]
    canal: tuple[Canal, ...]
    ignored: int  # specks, and pieces of vertebrae behind the canal
