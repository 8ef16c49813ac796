"""Files, folders and archives -> pictures that may be sent: grey levels as 16-bit PNG and their spacing alone.

They are found, chosen and decoded as the intake does it (`spine.intake.reading`), so that a model is asked about what
it was trained on. A PNG made here holds no name, no date and no header: patient data stays with whoever reads the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.client.model import Neighbours, Spacing
from pipeline.client.unzip import LIMITS, ZipLimits, is_zip, unzip
from spine.core.files import walk
from spine.core.names import frame_of
from spine.core.problems import Problem, SpineError, one_file
from spine.dicom_results.source import Source
from spine.images.kinds import kind_of
from spine.images.pictures import Picture, encode_png

__all__ = ["SentPicture", "pictures_of"]


@dataclass(frozen=True, eq=False)
class SentPicture:
    """A picture to be asked about: `png` and `spacing` are all of it that may leave this machine.

    `name` is the file's path below what was given, with `#k` for slice, page or frame k (0-based) of a file of several;
    `pixels` (H, W) uint16 as measured; `spacing` (row, column) in mm. `source` is the frame of a DICOM file that
    results are filed with, None of other files. `note` tells why this slice was chosen, and what a reader should know.
    """

    name: str
    pixels: np.ndarray
    spacing: Spacing | None = None
    source: Source | None = None
    note: str = ""
    burned_in: bool = False  # its pixels show text, which may be the patient's name
    neighbours: Neighbours | None = None  # as PNG too, where they were asked for and there are any
    series: str = ""  # the UID of its series, of DICOM; it stays here
    frame: int | None = None  # 0-based, of a file of several

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @cached_property
    def png(self) -> bytes:
        """A 16-bit grey PNG without any words in it."""
        return encode_png(self.pixels)

    @classmethod
    def of(cls, picture: Picture) -> SentPicture:
        """What may be sent of a picture that the intake read."""
        is_dicom = kind_of(picture.path) == "dicom"
        return cls(
            picture.name,
            picture.pixels,
            picture.spacing,
            Source.of(picture) if is_dicom else None,
            picture.note,
            is_dicom and "burned-in annotation" in picture.note.split("; "),
            series=picture.series if is_dicom else "",
            frame=frame_of(picture.name, picture.path.name),
        )


def pictures_of(
    path: Path,
    *,
    slices: int | None = 1,
    scratch: Path | None = None,
    limits: ZipLimits = LIMITS,
    neighbours: bool = False,
    files: Sequence[Path] | None = None,
) -> Iterator[SentPicture | Problem]:
    """The pictures of a file, a folder or a .zip of PNG, JPEG, TIFF, DICOM, NIfTI, MHA or NRRD, and what is wrong.

    Of a volume, and of a patient's DICOM series, come the `slices` nearest the mid-sagittal one, with None all; one
    picture is in memory at a time. With `neighbours` each has the slices next to it in its series or volume, chosen or
    not; then all of them are in memory. An archive is unpacked into `scratch`, a folder that the caller removes once no
    `source` is needed any more; without one, into a temporary folder that lasts until the next picture is taken or the
    iterator closed. With `files`, which lie below a folder, those alone are read. Whatever is wrong with what was given
    comes as a Problem: nothing is raised over it.
    """
    path = Path(path)
    if not is_zip(path):
        yield from _found(path, slices, neighbours=neighbours, files=files)
        return
    with _folder(scratch) as folder:
        try:
            problems = unzip(path, folder, limits)
        except SpineError as error:
            yield Problem.from_error(error, path)
            return
        yield from problems
        yield from (_as_in(one, folder, path) for one in _found(folder, slices, path, not problems, neighbours))


@contextmanager
def _folder(scratch: Path | None) -> Iterator[Path]:
    if scratch:
        yield Path(tempfile.mkdtemp(dir=scratch))
    else:
        with tempfile.TemporaryDirectory(prefix="spine-") as folder:
            yield Path(folder)


def _as_in(one: SentPicture | Problem, folder: Path, archive: Path) -> SentPicture | Problem:
    """A problem with the names that whoever packed the archive knows."""
    if isinstance(one, SentPicture):
        return one
    told = {field: getattr(one, field).replace(str(folder), str(archive)) for field in ("path", "reason", "advice")}
    return replace(one, **told)


def _found(
    root: Path,
    slices: int | None,
    given: Path | None = None,
    tell_of_none: bool = True,
    neighbours: bool = False,
    files: Sequence[Path] | None = None,
) -> Iterator[SentPicture | Problem]:
    from spine.intake.reading import read_images

    none = True
    try:
        with one_file(root):
            images = read_images(root, slices=slices, neighbours=neighbours, files=files)
        for picture in _together(images) if neighbours else map(SentPicture.of, images):
            none = False
            yield picture
    except SpineError as error:
        yield Problem.from_error(error, root)
        return
    problems = [*dict.fromkeys(images.problems), *(_archives_within(root) if files is None else ())]
    yield from problems
    if none and tell_of_none and not any(problem.severity == "error" for problem in problems):
        reason = "holds no picture" if root.is_dir() else "is no picture"
        yield Problem(
            str(given or root), reason, "give a PNG, JPEG, TIFF, DICOM, NIfTI, MHA or NRRD, or a folder of them"
        )


def _together(images: Iterable[Picture]) -> Iterator[SentPicture]:
    """The chosen pictures with the slices next to them, where those are of one size."""
    pictures = list(images)
    placed = {(picture.stack, picture.place): picture.pixels for picture in pictures if picture.stack}

    def png(picture: Picture, step: int) -> bytes:
        pixels = placed.get((picture.stack, picture.place + step))
        return b"" if pixels is None or pixels.shape != picture.pixels.shape else encode_png(pixels)

    for picture in pictures:
        if not picture.beside:
            beside = png(picture, -1), png(picture, 1)
            yield replace(SentPicture.of(picture), neighbours=beside if any(beside) else None)


def _archives_within(root: Path) -> Iterator[Problem]:
    """The .zip archives below a folder, which may hold what was to be asked about."""
    for path in walk(root).files if root.is_dir() else ():
        if path.suffix.lower() == ".zip" and is_zip(path):
            yield Problem(str(path), "is an archive within what was given, and was not read", "give it by itself")
