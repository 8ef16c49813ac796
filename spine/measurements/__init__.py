"""What a mask says in mm: heights and widths of discs and vertebrae, the canal's width, ratios of signals."""

from __future__ import annotations

from spine.measurements.measure import measure
from spine.measurements.results import Canal, Disc, Heights, Measurements, Vertebra

__all__ = ["Canal", "Disc", "Heights", "Measurements", "Vertebra", "measure"]
