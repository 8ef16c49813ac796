"""A DICOM header -> what is kept of it; names, dates and numbers stay behind."""

from __future__ import annotations

import re
from datetime import date

from spine.core.problems import SpineError
from spine.images.acquired import SEXES, Acquired, age_band, maker_of
from spine.images.dicom.objects import is_burned_in, modality_of
from spine.images.dicom.values import Header

__all__ = ["acquired_of"]

_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12, "Y": 1}  # of the units of an AS, PS3.5 table 6.2-1


def acquired_of(header: Header) -> Acquired:
    """Of one file's header; "" where an element is absent or damaged, for the picture can do without."""
    sex, modality = _label(header, "PatientSex").upper(), modality_of(header)
    burned_in = is_burned_in(header)
    return Acquired(
        age=age_band(years) if (years := _years(header)) is not None else "",
        sex=sex if sex in SEXES else "",
        manufacturer=maker_of(_label(header, "Manufacturer")),
        modality=modality if re.fullmatch("[A-Z]{2,8}", modality) else "",
        burned_in={True: "YES", False: "NO", None: ""}[burned_in],
    )


def _years(header: Header) -> float | None:
    """PatientAge, else the time from PatientBirthDate to StudyDate."""
    if stated := re.fullmatch(r"(\d{1,3})([DWMY])", _label(header, "PatientAge").upper()):
        return int(stated[1]) / _A_YEAR[stated[2]]
    birth, study = (_day(_label(header, keyword)) for keyword in ("PatientBirthDate", "StudyDate"))
    return (study - birth).days / 365.25 if birth and study else None


def _day(text: str) -> date | None:
    digits = re.fullmatch(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})", text)
    try:
        return date(*map(int, digits.groups())) if digits else None
    except ValueError:
        return None


def _label(header: Header, keyword: str) -> str:
    try:
        return header.label(keyword)
    except SpineError:
        return ""
