"""What is kept of a header beside its picture: who was shown, too coarsely to name anyone, and by whose scanner."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["AGE_BANDS", "COLUMNS", "MAKERS", "OTHER_MAKER", "SEXES", "UNTOLD", "Acquired", "age_band", "maker_of"]

AGE_BANDS = (*(f"{start}-{start + 9}" for start in range(0, 90, 10)), "90+")
"""Years. All ages above 89 are one band, as 45 CFR 164.514(b)(2)(i)(C) asks of de-identified data."""

SEXES = {"F": "Female", "M": "Male", "O": "Other"}  # PatientSex, PS3.3 C.7.1.1
OTHER_MAKER = "other"
MAKERS = {  # what a maker's name holds, in lower case -> how it is called here
    **{"siemens": "Siemens", "philips": "Philips", "general electric": "GE", "ge medical": "GE", "ge health": "GE"},
    **{"canon": "Canon", "toshiba": "Canon", "fuji": "Fujifilm", "hitachi": "Hitachi", "samsung": "Samsung"},
    **{"united imaging": "United Imaging", "uih": "United Imaging", "agfa": "Agfa", "carestream": "Carestream"},
    **{"kodak": "Carestream", "konica": "Konica Minolta", "shimadzu": "Shimadzu", "esaote": "Esaote"},
    **{"hologic": "Hologic", "neusoft": "Neusoft", "mindray": "Mindray", "del medical": "Del Medical"},
}
_WHOLE = {"ge": "GE"}  # too short to be looked for within another name


@dataclass(frozen=True)
class Acquired:
    """ "" where the header does not tell.

    `age` is a band of `AGE_BANDS`, `sex` a key of `SEXES`, `manufacturer` a value of `MAKERS` or "other", `modality`
    the DICOM code, such as MR, and `burned_in` YES or NO: whether text in the pixels can identify the patient.
    """

    age: str = ""
    sex: str = ""
    manufacturer: str = ""
    modality: str = ""
    burned_in: str = ""


UNTOLD = Acquired()  # of what is no DICOM
COLUMNS = tuple(field.name for field in fields(Acquired))


def age_band(years: float) -> str:
    """The band that an age in years lies in; "" of what is no age."""
    if not 0 <= years < 150:
        return ""
    return AGE_BANDS[min(int(years) // 10, len(AGE_BANDS) - 1)]


def maker_of(name: str) -> str:
    """How a maker of scanners is called here: headers spell it in many ways, and what no list knows may be anything."""
    known = " ".join(name.lower().split())
    if not known:
        return ""
    found = (maker for part, maker in MAKERS.items() if part in known)
    return _WHOLE.get(known) or next(found, OTHER_MAKER)
