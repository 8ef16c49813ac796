"""Studies of a DICOMweb archive: all that it lists, each pulled into a temporary folder while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from pipeline.bulk.reading import Found, SourceLostError
from pipeline.bulk.studies import Study
from pipeline.client import pictures_of
from pipeline.pacs.address import Address
from pipeline.pacs.archive import Archive, Instance
from pipeline.pacs.bounded import Broken, TooLarge
from pipeline.pacs.study import images_of, pulled
from spine.core.problems import Problem, SpineError

__all__ = ["ArchivedStudies"]

MOST_BYTES, MOST_INSTANCES = 2**31, 5000  # of a study
MOST_BREAKS = 5  # studies one after the other, after which the archive counts as gone


class ArchivedStudies:
    """The studies at an address, read with a connection each, since threads share none."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._breaks = 0

    def list(self) -> list[Study]:
        """All of them, sorted by their UIDs."""
        with Archive(self.address, MOST_BYTES) as archive:
            return [Study(uid) for uid in sorted(set(archive.studies()))]

    def pictures(self, study: Study, slices: int | None, neighbours: bool) -> Iterator[Found | Problem]:
        """The pictures of one, chosen as those of a folder; each is called by the UIDs of its series and image.

        SourceLostError where the connection broke for several studies one after the other.
        """
        try:
            with Archive(self.address, MOST_BYTES) as archive, TemporaryDirectory(prefix="spine-bulk-") as name:
                images = images_of(archive.instances(study.source, MOST_INSTANCES))
                yield from _read(archive, images, Path(name), slices, neighbours)
            self._breaks = 0
        except TooLarge:
            self._breaks = 0
            most = f"{MOST_BYTES / 2**30:g} GiB"
            raise SpineError(f"it has more than {most}, which a study may have here; answer it as files") from None
        except Broken as error:
            self._breaks += 1
            if self._breaks >= MOST_BREAKS:
                raise SourceLostError(str(error)) from error
            raise
        except SpineError:
            self._breaks = 0
            raise


def _read(
    archive: Archive, images: list[Instance], folder: Path, slices: int | None, neighbours: bool
) -> Iterator[Found | Problem]:
    def name_of(path: str) -> str:
        """What an image is called in the archive, by the number that its file has; "" of a folder."""
        number = PurePath(path).name.partition(".")[0]
        return f"{images[int(number) - 1].series}/{images[int(number) - 1].uid}" if number.isdecimal() else ""

    def told(problem: Problem) -> Problem:
        """A problem without the place where the files lay for a moment."""
        texts = {field: getattr(problem, field).replace(f"{folder}/", "") for field in ("reason", "advice")}
        return replace(problem, path=name_of(problem.path) or images[0].study, **texts)

    yield from map(told, pulled(archive, images, folder))
    for one in pictures_of(folder, slices=slices, neighbours=neighbours):
        yield told(one) if isinstance(one, Problem) else Found(one, name_of(one.name))
