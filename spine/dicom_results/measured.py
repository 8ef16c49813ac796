"""What was measured in a mask, as measurements of a structured report: names, units and, where there is none, why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from highdicom import sr
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from spine.dicom_results.codes import own, structure
from spine.measurements import Canal, Disc, Measurements, Vertebra

__all__ = ["Structure", "measured_structures", "measurement"]

_UNITS = {"mm": codes.UCUM.Millimeter, "px": Code("{pixels}", "UCUM", "pixels")}
_PLACES = {"anterior": codes.SCT.Anterior, "middle": codes.SCT.Central, "posterior": codes.SCT.Posterior}
_RATIOS = {
    "height_index": "Disc height by that of the vertebra above",
    "signal_to_canal": "Mean signal by that of the canal",
    "signal_to_vertebrae": "Mean signal by that of the vertebrae",
    "wedge_ratio": "Anterior by posterior height",
    "biconcavity_ratio": "Middle by posterior height",
}


@dataclass(frozen=True)
class Structure:
    """One structure of a level: what it is, its measurements, and remarks such as that the picture's edge cuts it."""

    name: str
    code: sr.CodedConcept
    level: int
    measurements: list[sr.Measurement]
    remarks: list[sr.QualitativeEvaluation]


def measured_structures(measured: Measurements | None) -> Iterator[Structure]:
    """Discs, vertebrae and the canal behind each disc, lowest first."""
    if measured is None:
        return
    unit = _UNITS[measured.unit]
    for kind, found in (("disc", measured.discs), ("vertebra", measured.vertebrae), ("canal", measured.canal)):
        for one in found:
            remarks = [] if one.status == "measured" else [_remark(one.status)]
            code = structure(kind)
            yield Structure(f"{kind} {one.level}", code, one.level, list(_all_of(one, code, unit)), remarks)


def measurement(
    name: Code | sr.CodedConcept, value: float | None, unit: Code, sites: list[sr.FindingSite] | None = None
) -> Iterator[sr.Measurement]:
    """A measurement of six digits behind the point; none where the value is None or no finite number."""
    if value is not None and math.isfinite(value):
        yield sr.Measurement(name, round(float(value), 6), unit, finding_sites=sites)


def _all_of(one: Disc | Vertebra | Canal, code: sr.CodedConcept, unit: Code) -> Iterator[sr.Measurement]:
    if isinstance(one, Canal):
        yield from measurement(own("least AP width", "Least antero-posterior width"), one.least_width, unit)
        return
    for place, modifier in _PLACES.items():
        site = sr.FindingSite(code, topographical_modifier=modifier)
        yield from measurement(codes.DCM.Height, getattr(one.heights, place, None), unit, [site])
    if isinstance(one, Disc):
        yield from measurement(codes.SCT.Width, one.width, unit)
    for name, meaning in _RATIOS.items():
        yield from measurement(own(name, meaning), getattr(one, name, None), codes.UCUM.Ratio)


def _remark(status: str) -> sr.QualitativeEvaluation:
    meanings = {
        "cut": "It reaches the picture's edge",
        "merged": "Several structures that were not told apart",
        "irregular": "It has no shape of a whole disc or vertebra",
        "absent": "There is none in the mask",
    }
    return sr.QualitativeEvaluation(own("not measured", "Why it was not measured"), own(status, meanings[status]))
