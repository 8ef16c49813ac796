"""A file that somebody dropped on the page -> pictures, or sentences that say why not, without this machine's paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.client import SentPicture, pictures_of
from spine.core.problems import Problem, SpineError, printable

__all__ = ["MOST_PICTURES", "MOST_PIXELS", "Upload", "read_upload"]

MOST_PICTURES = 24  # of an archive: what is beyond them is told, not shown
MOST_PIXELS = 4096 * 4096  # of a picture: a radiograph has fewer, and a mask's probabilities fit the memory
_TOLD = 3  # problems in words


@dataclass(frozen=True)
class Upload:
    """The pictures of a file, at least one, and a sentence on each of the first problems."""

    pictures: tuple[SentPicture, ...]
    remarks: tuple[str, ...]


def read_upload(path: Path, scratch: Path) -> Upload:
    """Read a PNG, JPEG, TIFF, DICOM file, volume or archive; archives are unpacked into `scratch`.

    SpineError where there is no picture in it that can be shown.
    """
    pictures: list[SentPicture] = []
    remarks: list[str] = []
    for one in pictures_of(path, scratch=scratch):
        if isinstance(one, Problem):
            remarks.append(_sentence(one, path, scratch))
        elif one.height * one.width > MOST_PIXELS:
            remarks.append(
                f"{Path(one.name).name} has {one.width} x {one.height} pixels, and {MOST_PIXELS:,} are shown at most; "
                "send a smaller export of it."
            )
        elif len(pictures) == MOST_PICTURES:
            remarks.append(f"Only the first {MOST_PICTURES} pictures are shown; send fewer series at a time.")
            break
        else:
            pictures.append(one)
    if not pictures:
        raise SpineError(" ".join(remarks[:_TOLD]) or f"{path.name} holds no picture; send a PNG, JPEG or DICOM file.")
    more = [f"{len(remarks) - _TOLD} more files could not be read."] if len(remarks) > _TOLD else []
    return Upload(tuple(pictures), (*remarks[:_TOLD], *more))


def _sentence(problem: Problem, path: Path, scratch: Path) -> str:
    told = f"{problem.path} {problem.reason}; {problem.advice}"
    for place in (f"{path}/", f"{path.parent}/", f"{scratch}/"):
        told = told.replace(place, "")
    return printable(" ".join(told.split())).rstrip(".") + "."
