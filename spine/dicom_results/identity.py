"""What every result says of itself: its UIDs, its series, the equipment that made it, whom it shows.

UIDs are made of what they name: one answer of one model version to one frame always gives the same UIDs, so that an
archive that receives it again has it once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pydicom.uid import generate_uid

from spine import __version__
from spine.answers.answer import Answer
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.core.files import fingerprint
from spine.core.problems import brief
from spine.dicom_results.codes import declared_scheme
from spine.dicom_results.source import StoredFrame

__all__ = ["MANUFACTURER", "Identity", "uid_of"]

MANUFACTURER = "spine-ensemble"
_SERIES = {"segmentation": 1, "report": 2, "overlay": 3}  # added to a hundred times the source's SeriesNumber
_MOST_LETTERS = 64  # of an LO
_MOST_NUMBER = 2**31 // 100 - 1  # of an IS, once it is a hundredfold


@dataclass(frozen=True)
class Identity:
    """The keywords that highdicom's classes share, for one kind of result of an answer about a frame."""

    kind: str
    answer: Answer
    frame: StoredFrame

    @property
    def model(self) -> str:
        """The model's name, as long as an LO may be."""
        return brief(self.answer.model.replace("\\", "/"), _MOST_LETTERS)

    @property
    def version(self) -> str:
        """The version of the model that answered."""
        return brief(str(self.answer.version).replace("\\", "/"), 48)

    @property
    def sop_instance(self) -> str:
        """The UID of the result."""
        return uid_of(self.kind, *self._place, self.frame.source.frame, *self._model, _content(self.answer))

    def keywords(self) -> dict[str, Any]:
        """Series, instance and equipment, as keyword arguments."""
        return {
            "series_instance_uid": uid_of(self.kind, "series", self.frame.image.uid, *self._model),
            "series_number": self._series_number,
            "sop_instance_uid": self.sop_instance,
            "instance_number": self._instance_number,
            "series_description": brief(f"{self.model} {self.kind} - not for diagnosis", _MOST_LETTERS),
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
    def _place(self) -> tuple[str, str]:
        return self.frame.image.uid, self.frame.image.instance

    @property
    def _model(self) -> tuple[str, str]:
        return self.answer.model, str(self.answer.version)

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


def _content(answer: Answer) -> str:
    mask = b"" if answer.mask is None else answer.mask.astype("<i8").tobytes()
    return fingerprint([answer.to_json(), hashlib.sha256(mask).hexdigest()])
