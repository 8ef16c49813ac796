"""Which contrast an MR series has: T2W, T2*W, T1W, PDW or STIR.

The rule, first match wins:

1. AcquisitionContrast of an enhanced object (PS3.3 C.8.13.3.3.1), where it says one of the five.
2. The words of SeriesDescription, ProtocolName and SequenceName: STIR or TIRM; T2* (t2*, t2 star, MEDIC, MERGE, mFFE,
   or T2 said of a pure gradient echo); T2; T1; PD. A text that names two of T1, T2 and PD decides nothing.
3. The timing. A gradient echo dephases with T2*: it is T2*W from an echo time of 10 ms on with a flip angle up to
   40 degrees, else T1W. A spin echo with a repetition time from 1500 ms on is T2W from an echo time of 60 ms on, else
   PDW; with a shorter one it is T1W up to an echo time of 30 ms.

Short and long are told as Nitz and Reimer do ("Contrast mechanisms in MR imaging", European Radiology 9, 1999, 1032-
1046) and, for gradient echoes, Chavhan et al. ("Principles, techniques, and applications of T2*-based MR imaging",
RadioGraphics 29, 2009, 1433-1449); the numbers between them are this project's.
"""

from __future__ import annotations

import re

from spine.images.dicom.objects import modality_of
from spine.images.dicom.values import Header

__all__ = ["echo_time", "sequence_of"]

_MOST = 1e6  # ms or degrees: no sequence waits longer

_CONTRASTS = {"T1": "T1W", "T2": "T2W", "T2_STAR": "T2*W", "PROTON_DENSITY": "PDW", "STIR": "STIR"}

# A word may start with one letter s (Philips: sT2W_TSE); "pat2" and "part1" are no contrasts.
_START = r"(?<![a-z])s?"
_STIR = re.compile(r"stir|tirm")
_T2_STAR = re.compile(_START + r"t2(\*|[ _-]?star|s\b)|\bmedic|_medic|\bmerge\b|m-?ffe|\*?\bme2d")
_WORDS = {
    "T2W": re.compile(_START + r"t2(?!\d)"),
    "T1W": re.compile(_START + r"t1(?!\d)"),
    "PDW": re.compile(_START + r"pdw?(?![a-z])"),
}


def sequence_of(header: Header, frame: int = 0) -> str:
    """ "T2W", "T2*W", "T1W", "PDW" or "STIR"; "" for another modality or where nothing tells."""
    if modality_of(header) not in ("MR", ""):
        return ""
    return _from_contrast(header, frame) or _from_words(header) or _from_timing(header, frame)


def _from_contrast(header: Header, frame: int) -> str:
    of_frame = header.macro("MRImageFrameTypeSequence", frame)
    return _CONTRASTS.get(of_frame.text("AcquisitionContrast") or header.text("AcquisitionContrast"), "")


def _from_words(header: Header) -> str:
    keywords = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
    text = " ".join(map(header.label, keywords)).lower()
    if _STIR.search(text):
        return "STIR"
    if _T2_STAR.search(text):
        return "T2*W"
    found = [name for name, pattern in _WORDS.items() if pattern.search(text)]
    if len(found) != 1:
        return ""
    return "T2*W" if found == ["T2W"] and _is_gradient_echo(header) else found[0]


def _from_timing(header: Header, frame: int) -> str:
    timing = header.macro("MRTimingAndRelatedParametersSequence", frame)
    echo, repetition = echo_time(header, frame), _positive(timing, "RepetitionTime")
    if _is_gradient_echo(header):
        flip = _positive(timing, "FlipAngle")
        return "" if not echo else "T2*W" if echo >= 10 and flip <= 40 else "T1W"
    if not echo or not repetition:
        return ""
    if repetition >= 1500:
        return "T2W" if echo >= 60 else "PDW"
    return "T1W" if echo <= 30 else ""


def echo_time(header: Header, frame: int = 0) -> float:
    """The echo time of a frame in ms, the effective one of an enhanced object; 0 where it is not known."""
    effective = header.macro("MREchoSequence", frame)
    return _positive(effective, "EffectiveEchoTime") or _positive(header, "EchoTime")


def _is_gradient_echo(header: Header) -> bool:
    kinds = set(header.names("ScanningSequence"))
    return header.text("EchoPulseSequence") == "GRADIENT" or ("GR" in kinds and "SE" not in kinds)


def _positive(header: Header, keyword: str) -> float:
    """A time in ms or an angle; 0 where it is missing or, with a remark, damaged, so that it tells nothing."""
    values = header.known(keyword, lambda values: len(values) == 1 and 0 <= values[0] <= _MOST, "is no time or angle")
    return values[0] if values else 0.0
