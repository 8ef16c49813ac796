"""The MR sequences of the phantom: how bright each tissue is, and the tags a scanner writes about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["AXIAL", "SEQUENCES", "Sequence"]


@dataclass(frozen=True)
class Sequence:
    """Signals relative to CSF on T2W; times in ms. `nucleus` are signals of nuclei of brightness 0 and 1."""

    name: str  # as annotations call it
    folder: str
    description: str  # SeriesDescription
    scanning: str  # ScanningSequence: SE or GR
    repetition_time: float
    echo_time: float
    flip_angle: float
    tissues: Mapping[str, float]
    nucleus: tuple[float, float]

    def of_nucleus(self, brightness: float) -> float:
        """Signal of a nucleus whose brightness relative to CSF on T2W is given."""
        return float(np.interp(brightness, (0, 1), self.nucleus))


_NAMES = ("air", "csf", "cord", "root", "fat", "marrow", "cortex", "annulus", "ligament", "muscle", "vessel", "bowel")


def _tissues(*signals: float) -> dict[str, float]:
    return dict(zip(_NAMES, signals, strict=True))


SEQUENCES = {
    "t2": Sequence(
        *("T2W", "t2", "t2_tse_sag", "SE", 3500.0, 102.0, 150.0),
        _tissues(0.0, 1.0, 0.5, 0.55, 0.72, 0.36, 0.07, 0.13, 0.08, 0.15, 0.06, 0.28),
        (0.05, 0.95),
    ),
    "t2star": Sequence(
        *("T2*W", "t2star", "t2star_me2d_sag", "GR", 520.0, 18.0, 25.0),
        _tissues(0.0, 0.95, 0.6, 0.65, 0.4, 0.17, 0.04, 0.26, 0.12, 0.3, 0.75, 0.35),
        (0.16, 0.95),
    ),
    "t1": Sequence(
        *("T1W", "t1", "t1_tse_sag", "SE", 560.0, 11.0, 150.0),
        _tissues(0.0, 0.17, 0.42, 0.36, 1.0, 0.55, 0.08, 0.24, 0.1, 0.33, 0.07, 0.4),
        (0.24, 0.38),
    ),
}
AXIAL = Sequence(
    *("T2W", "t2_axial", "t2_tse_tra", "SE", 4100.0, 98.0, 150.0), SEQUENCES["t2"].tissues, SEQUENCES["t2"].nucleus
)
