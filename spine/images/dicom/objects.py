"""What a DICOM object is and whom it shows, as its header tells or, where an anonymiser was at work, its class."""

from __future__ import annotations

from pydicom.uid import UID

from spine.images.dicom.values import Header

__all__ = [
    *("class_of", "is_burned_in", "is_capture_class", "is_directory", "is_image", "is_told", "may_be_image_class"),
    *("modality_of", "patient_of"),
]

_OF_CLASS = (
    ("MR", "MR"),
    ("Enhanced MR", "MR"),
    ("CT", "CT"),
    ("Enhanced CT", "CT"),
    ("Positron", "PT"),
    ("Segmentation", "SEG"),
    ("Label Map Segmentation", "SEG"),
    ("RT Dose", "RTDOSE"),
)
_NO_PICTURES = ("SEG", "RTDOSE")  # they have rows and columns all the same
_UNKNOWN = "unknown class"


def class_of(header: Header) -> str:
    """The name of its SOP class, or of one that is unknown its modality."""
    name = getattr(header.dataset.get("SOPClassUID"), "name", "")
    return name or header.text("Modality") or _UNKNOWN


def is_told(header: Header) -> bool:
    """Whether the header tells what the object is: that of a file which is junk, or was cut, ends before its class.

    A class that nobody knows may be one that was cut, unless its object's UID (PS3.3 C.12.1) or Modality is behind it.
    """
    found = class_of(header)
    if found == str(header.dataset.get("SOPClassUID")):
        return any(keyword in header.dataset for keyword in ("SOPInstanceUID", "Modality"))
    return found != _UNKNOWN


def modality_of(header: Header) -> str:
    """Modality, or where that is empty what the object's class tells; "" where neither does."""
    kind = class_of(header)
    return header.text("Modality") or next((name for start, name in _OF_CLASS if kind.startswith(start)), "")


def patient_of(header: Header) -> str:
    """Who is shown: PatientID, or PatientName where that is empty; "" where neither tells."""
    return header.label("PatientID") or header.label("PatientName").strip("^")


def is_image(header: Header) -> bool:
    """Whether the object is a picture: it has rows and columns, and is no segmentation or dose."""
    return all(keyword in header.dataset for keyword in ("Rows", "Columns")) and modality_of(header) not in _NO_PICTURES


def may_be_image_class(sop_class: str) -> bool:
    """Whether objects of a class, given by its UID, may be pictures: those of images, and those that nobody knows."""
    name = UID(sop_class).name
    return name == sop_class or "Image Storage" in name


def is_capture_class(sop_class: str) -> bool:
    """Whether objects of a class, given by its UID, are captures of a screen or film, such as of a dose report."""
    return "Secondary Capture" in UID(sop_class).name


def is_directory(header: Header) -> bool:
    """Whether the file is a DICOMDIR, the index of a medium, and no picture with an element of one that is empty."""
    keyword = "DirectoryRecordSequence"
    return keyword in header.dataset and ("Rows" not in header.dataset or bool(header.items(keyword)))


def is_burned_in(header: Header) -> bool | None:
    """Whether text is burned into the pixels; None where the header does not say."""
    return {"YES": True, "NO": False}.get(header.text("BurnedInAnnotation"))
