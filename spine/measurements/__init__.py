"""What a mask says in mm: heights and widths of discs and vertebrae, the canal's width, ratios of signals."""

from __future__ import annotations

from spine.measurements.measure import measure
from spine.measurements.results import LENGTHS, RATIOS, Canal, Disc, Heights, Measurements, Row, Vertebra
from spine.measurements.roles import roles_of

__all__ = ["LENGTHS", "RATIOS", "Canal", "Disc", "Heights", "Measurements", "Row", "Vertebra", "measure", "roles_of"]
