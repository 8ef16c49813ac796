"""What every result says of itself: its UIDs, its series, the equipment that made it, whom it shows.

UIDs are made of what they name: the answer of one model version to one frame always has the same UIDs. So an archive
that receives it again has it once, and whether it is there can be asked before the model is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.uid import generate_uid

from spine import __version__
from spine.answers.answer import Answer
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.dicom_results.codes import declared_scheme, one_value
from spine.dicom_results.source import Source, StoredFrame
from spine.images.dicom.headers import read_header
from spine.images.dicom.values import Header

__all__ = ["MANUFACTURER", "Identity", "is_result", "uid_of", "uids_of_results"]

MANUFACTURER = "spine-ensemble"
_SERIES = {"segmentation": 1, "report": 2, "overlay": 3}  # added to a hundred times the source's SeriesNumber
_MOST_NUMBER = 2**31 // 100 - 1  # of an IS, once it is a hundredfold


@dataclass(frozen=True)
class Identity:
    """The keywords that highdicom's classes share, for one kind of result of an answer about a frame.

    `occasion` tells results apart that are wanted beside earlier ones of the same model version; "" of the first.
    """

    kind: str
    answer: Answer
    frame: StoredFrame
    occasion: str = ""

    @property
    def model(self) -> str:
        """The model's name, as one value."""
        return one_value(self.answer.model)

    @property
    def version(self) -> str:
        """The version of the model that answered."""
        return one_value(str(self.answer.version), 48)

    @property
    def sop_instance(self) -> str:
        """The UID of the result."""
        model, version = self.answer.model, str(self.answer.version)
        return _uid_of_result(self.kind, self.frame, model, version, self.occasion)

    def keywords(self) -> dict[str, Any]:
        """Series, instance and equipment, as keyword arguments."""
        return {
            "series_instance_uid": uid_of(
                self.kind, "series", self.frame.image.uid, self.answer.model, self.answer.version, self.occasion
            ),
            "series_number": self._series_number,
            "sop_instance_uid": self.sop_instance,
            "instance_number": self._instance_number,
            "series_description": f"{one_value(self.model, 30)} {self.kind} - not for diagnosis",
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": self.model,
            "device_serial_number": f"version {self.version}",
            "software_versions": [f"model {self.version}", f"spine-ensemble {__version__}"],
            "coding_schemes": declared_scheme(),
            "specific_character_set": "ISO_IR 192",
        }

    @property
    def note(self) -> str:
        """What people read of it first."""
        return f"{NOT_FOR_DIAGNOSIS} Answered by {self.model}, version {self.version}."

    @property
    def _series_number(self) -> int:
        stated = self.frame.image.series_number
        number = int(stated) if stated.isdecimal() and int(stated) <= _MOST_NUMBER else 0
        return 100 * number + _SERIES[self.kind]

    @property
    def _instance_number(self) -> int:
        number = self.frame.number or self.frame.image.number
        return max(1, number or 1)


def uid_of(*parts: object) -> str:
    """A UID that is the same for the same parts."""
    return str(generate_uid(entropy_srcs=["spine-ensemble results", *(f"{len(str(part))}:{part}" for part in parts)]))


def uids_of_results(source: Source, model: str, version: str, *, mask: bool) -> dict[str, str]:
    """The UIDs that results of a model version about a frame have, by kind; `mask` tells whether it gives one.

    SpineError where the frame cannot be referred to.
    """
    frame = source.read()
    kinds = [kind for kind in _SERIES if mask or kind != "segmentation"]
    return {kind: _uid_of_result(kind, frame, model, str(version), "") for kind in kinds}


def is_result(path: Path) -> bool:
    """Whether a DICOM file is a result of ours, of whatever model; SpineError where it cannot be read."""
    return Header.of(read_header(path)[0]).label("Manufacturer") == MANUFACTURER


def _uid_of_result(kind: str, frame: StoredFrame, model: str, version: str, occasion: str) -> str:
    return uid_of(kind, frame.image.uid, frame.image.instance, frame.source.frame, model, version, occasion)
