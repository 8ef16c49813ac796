"""Codes of what results speak of: SNOMED CT and DICOM's own where there are some, the private scheme 99SPINE elsewhere.

A target, a grade and a class are the dataset's own words. Those that name what SNOMED CT or RadLex name are coded so;
of the others the code of 99SPINE is the word itself, since what it means the model's makers know.
"""

from __future__ import annotations

import re

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from spine.core.names import shortened

__all__ = ["SCHEME", "anatomical_structure", "declared_scheme", "grade", "one_value", "own", "structure", "target"]

SCHEME = "99SPINE"
_STRUCTURES = {
    "vertebra": ("51282000", "Vertebra"),  # PS3.16 CID 7151
    "disc": ("360499006", "Intervertebral disc"),
    "canal": ("61853006", "Vertebral canal"),  # PS3.16 CID 6115
}
_ALIKE = {
    **{"vertebrae": "vertebra", "vertebral body": "vertebra", "vertebral bodies": "vertebra"},
    **{"discs": "disc", "disk": "disc", "disks": "disc", "intervertebral disc": "disc", "ivd": "disc"},
    **{"spinal canal": "canal", "vertebral canal": "canal"},
}
_TARGETS = {
    "degeneration": ("77547008", "Degeneration of intervertebral disc"),
    "herniation": ("73589001", "Herniation of intervertebral disc"),
    "spondylolisthesis": ("274152003", "Spondylolisthesis"),
    "stenosis": ("76107001", "Spinal stenosis"),
}
_GRADES = {
    **dict.fromkeys(("positive", "present"), ("RID28472", "present")),
    **dict.fromkeys(("negative", "absent"), ("RID28473", "absent")),
}
_MOST_BYTES = 64  # of a CodeMeaning, an LO (PS3.5 table 6.2-1), which older readers count in bytes


def anatomical_structure() -> CodedConcept:
    """The category of a segment that is a structure of the body."""
    return CodedConcept("123037004", "SCT", "Anatomical Structure")


def structure(label: str) -> CodedConcept:
    """What a class of pixels or boxes is."""
    name = _plain(label)
    known = _STRUCTURES.get(_ALIKE.get(name, name))
    return CodedConcept(known[0], "SCT", known[1]) if known else own(label)


def target(name: str) -> CodedConcept:
    """What is graded."""
    known = _TARGETS.get(_plain(name))
    return CodedConcept(known[0], "SCT", known[1]) if known else own(name)


def grade(label: str) -> CodedConcept:
    """One of the grades that a target may have."""
    known = _GRADES.get(_plain(label))
    return CodedConcept(known[0], "RADLEX", known[1]) if known else own(label)


def own(word: str, meaning: str = "") -> CodedConcept:
    """A code of this project's scheme; the meaning is the word itself where none is given."""
    return CodedConcept(_unlike(word), SCHEME, _unlike(meaning or word))


def one_value(text: str, most: int = _MOST_BYTES) -> str:
    """A text as the one value of an LO: no backslash, which parts values, no line ends, and no more than it holds."""
    return _one_line(text).encode()[:most].decode(errors="ignore")


def _unlike(text: str) -> str:
    """The same, of which two long ones that begin alike stay two."""
    return shortened(_one_line(text), _MOST_BYTES)


def _one_line(text: str) -> str:
    return " ".join(text.replace("\\", "/").split()) or "unnamed"


def declared_scheme() -> list[CodingSchemeIdentificationItem]:
    """What a result says of the private scheme (PS3.3 C.12.1.1.4)."""
    return [
        CodingSchemeIdentificationItem(
            designator=SCHEME,
            name="Targets, labels and measurements of spine-ensemble, each code the word itself",
            responsible_organization="spine-ensemble",
        )
    ]


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word).strip().lower()
