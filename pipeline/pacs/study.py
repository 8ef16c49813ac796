"""One study: its images are pulled, those that the intake would take are answered, results are stored beside them.

What is there already is not done again: results have UIDs that follow from the image and the model version, and the
archive's list of the study tells whether it has them. So a run that was broken off is continued by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

from pipeline.pacs.archive import Archive, Instance, checked_uid
from pipeline.pacs.bounded import Broken
from spine.core.privacy import pseudonym
from spine.core.problems import Problem, SpineError, one_file
from spine.core.progress import track

if TYPE_CHECKING:
    from pipeline.client import Model, SentPicture
    from spine.dicom_results.source import Source

__all__ = ["Outcome", "Request", "answer_study", "images_of", "pulled", "shown_study"]

_UID = re.compile(r"\b[0-2](?:\.\d+){4,}\b")


@dataclass(frozen=True)
class Request:
    """What is wanted of a study: one `series` of it or all, of its stacks the `slices` nearest the mid-sagittal one.

    With `again` results are made that are there already, with `dry_run` it is only told what would be done. Pictures
    with burned-in annotation, which may show the patient's name, are shown to the model with `burned_in` only. A study
    of more than `most_instances` objects is refused.
    """

    series: str = ""
    slices: int = 1
    again: bool = False
    dry_run: bool = False
    burned_in: bool = False
    most_instances: int = 5000


@dataclass
class Outcome:
    """How many pictures were answered, or had their results already; how many results were stored; what went wrong."""

    answered: int = 0
    skipped: int = 0
    stored: int = 0
    problems: list[Problem] = field(default_factory=list)


def shown_study(study: str) -> str:
    """A study's name in what is printed: a salted hash, since UIDs of scanners have dates in them."""
    return pseudonym(study, "study ")


def answer_study(archive: Archive, study: str, model: Model, request: Request, tell: Callable[[str], None]) -> Outcome:
    """Answer the study with this UID and store the results; `tell` is given a sentence on each picture.

    SpineError where the archive cannot be asked, or has no image of the study. A bad image, a picture that cannot be
    answered and a result that is refused are problems of the outcome.
    """
    listed = archive.instances(checked_uid(study), request.most_instances)
    work = _Work(archive, study, model, request, tell, {one.uid for one in listed})
    with TemporaryDirectory(prefix="spine-pacs-") as name:
        work.run(images_of(listed, request.series), Path(name))
    return work.outcome


def images_of(listed: Sequence[Instance], series: str = "") -> list[Instance]:
    """What may be a picture; SpineError where nothing is. Captures of a screen count where there is nothing else."""
    from spine.images.dicom.objects import is_capture_class, may_be_image_class

    images = [one for one in listed if may_be_image_class(one.sop_class) and series in ("", one.series)]
    if not images:
        where = "the series" if series else "the study"
        raise SpineError(f"{where} has no images among {len(listed)} objects of the study; check the UID")
    return [one for one in images if series or not is_capture_class(one.sop_class)] or images


def pulled(archive: Archive, images: Iterable[Instance], folder: Path) -> Iterator[Problem]:
    """Write images as files in `folder`, called by their numbers from 1 on, without results of ours.

    Those that cannot be had are problems; Broken where no other can be had either.
    """
    from spine.dicom_results.identity import is_result

    for number, image in enumerate(images, start=1):
        path = folder / pseudonym(image.series, "series-") / f"{number:05d}.dcm"
        path.parent.mkdir(exist_ok=True)
        try:
            archive.fetch(image, path)
            if is_result(path):
                path.unlink()
        except Broken:
            raise
        except SpineError as error:
            path.unlink(missing_ok=True)
            yield Problem.from_error(error, path)


@dataclass
class _Work:
    """The work on one study; `known` are the UIDs of all that the archive has of it."""

    archive: Archive
    study: str
    model: Model
    request: Request
    tell: Callable[[str], None]
    known: Collection[str]
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, images: Sequence[Instance], folder: Path) -> None:
        """Pull the images into `folder`, and answer those of them that the intake takes."""
        from pipeline.client import pictures_of

        problems = list(pulled(self.archive, track(images, "pulling images", len(images)), folder))
        for found in pictures_of(folder, slices=self.request.slices, neighbours=self.model.sees_slices):
            if isinstance(found, Problem):
                problems.append(found)
            elif found.source is not None:
                problems += self._tried(found, found.source)
        self.outcome.problems += [_discreet(problem, folder) for problem in problems]

    def _tried(self, picture: SentPicture, source: Source) -> Iterator[Problem]:
        """The problem with a picture, if any; SpineError where another picture would have it too."""
        from pipeline.client import ServerError

        try:
            with one_file(source.path):
                self._answer(picture, source)
        except SpineError as error:
            if isinstance(error, Broken) or (isinstance(error, ServerError) and not error.is_of_the_picture):
                raise
            yield Problem.from_error(error, source.path)

    def _answer(self, picture: SentPicture, source: Source) -> None:
        shown = _shown(picture)
        if not self.request.again and self._wanted(source) <= set(self.known):
            self.outcome.skipped += 1
            self.tell(f"{shown}: has its results by {self._model} already (--again makes new ones)")
        elif self.request.dry_run:
            self.outcome.answered += 1
            self.tell(f"{shown}: would be answered by {self._model}")
        elif picture.burned_in and not self.request.burned_in:
            raise SpineError(
                f"{source.path}: has burned-in annotation, which may show the patient's name, and was not sent; say "
                "--burned-in where it may leave this machine"
            )
        else:
            self._store(picture, source, shown)

    def _store(self, picture: SentPicture, source: Source, shown: str) -> None:
        from spine.dicom_results.write import results_of

        answer = self.model.answer(picture.png, picture.spacing, neighbours=picture.neighbours)
        results = results_of(answer, source, str(uuid4()) if self.request.again else "").values()
        new = [result for result in results if str(result.SOPInstanceUID) not in self.known]
        refused = self.archive.store(self.study, new)
        self.outcome.answered += 1
        self.outcome.stored += len(new) - len(refused)
        self.tell(f"{shown}: answered by {self._model}, {len(new) - len(refused)} results stored")
        if refused:
            kinds = {str(result.SOPInstanceUID): str(result.Modality) for result in new}
            told = ", ".join(f"{kinds.get(one.uid, 'one')} for reason {one.reason or 'unknown'}" for one in refused)
            raise SpineError(
                f"{source.path}: the archive refused {told}; see PS3.3 C.14.1.1, and the archive's own log"
            )

    def _wanted(self, source: Source) -> set[str]:
        from spine.dicom_results.identity import uids_of_results

        description = self.model.description
        mask = bool(description.mask_labels)
        return set(uids_of_results(source, description.name, self.model.version, mask=mask).values())

    @property
    def _model(self) -> str:
        return f"{self.model.description.name}, version {self.model.version}"


def _shown(picture: SentPicture) -> str:
    """A picture's name: the series' pseudonym, the number of the file, and of the frame."""
    return picture.name.removesuffix(".dcm").replace(".dcm#", ", frame ").replace("/", ", image ")


def _discreet(problem: Problem, folder: Path) -> Problem:
    """A problem without the place where the files lay, and with pseudonyms for UIDs."""

    def without(text: str) -> str:
        return _UID.sub(lambda uid: pseudonym(uid[0], "UID "), text.replace(f"{folder}/", "").replace(str(folder), ""))

    path = without(problem.path) or "the study"
    return replace(problem, path=path, reason=without(problem.reason), advice=without(problem.advice))
