"""What the annotation files of a source say, found by the picture that each of their names means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spine.annotations import Annotation, Reading
from spine.core.names import slice_of
from spine.core.problems import Problem, examples
from spine.intake.config import AnnotationSource, Source
from spine.intake.matching import Pictures, contradicts, match, stem
from spine.intake.merge import Told

__all__ = ["ByPicture"]


class ByPicture:
    """What annotation files say, found by a picture's name."""

    def __init__(self, pictures: Collection[str]) -> None:
        self._pictures = Pictures(pictures)
        self._stems = {stem(name) for name in pictures}
        self._by_picture: dict[str, list[Told]] = defaultdict(list)
        self._of_boxes = False
        self._unread: set[str] = set()  # the stems of files that could not be read
        self._names = frozenset(pictures)
        self._lost_masks: set[str] = set()  # pictures of which a mask could not be read

    def add(self, reading: Reading, given: AnnotationSource, source: Source) -> list[Problem]:
        """Take in one file's annotations, each for the picture it means; those that mean none are problems."""
        at_fault = (Path(problem.path) for problem in reading.problems if problem.severity == "error")
        self._unread |= {stem(path.name) for path in at_fault if path.is_file()}
        self._unread |= {str(given.path)} if reading.nameless else set()  # the stem of no picture: it may be of any
        draws = any(annotation.boxes for annotation in reading.annotations)
        self._of_boxes |= draws
        annotations = {annotation.image: annotation for annotation in reading.annotations}
        matching = match(annotations, self._pictures)
        for name, picture in matching.pictures.items():
            self._by_picture[picture].append(Told(annotations[name], given.join, draws))
        for picture, names in matching.doubtful.items():
            lost = [matching.refused[name] for name in names if annotations[name].boxes or annotations[name].refused]
            if lost:  # whose boxes they are is not known: without them the picture would pass for background
                self._by_picture[picture].append(Told(Annotation(picture, refused=tuple(lost)), given.join, draws))
        self._lost_masks |= reading.lost_masks
        whole = [
            name for name, picture in matching.pictures.items() if annotations[name].mask and picture not in self._names
        ]
        silent = not annotations and not any(problem.severity == "error" for problem in reading.problems)
        return [
            *_misled(given, matching.refused),
            *_missing(source, matching.missing),
            *_of_other_folders(given, matching.pictures),
            *_masks_of_several(given, whole),
            *([_silent(given)] if silent else []),
        ]

    def lost_a_mask(self, name: str) -> bool:
        """Whether a mask of the picture could not be read: other masks would make background of its classes."""
        return name in self._lost_masks

    def speaks_of_boxes(self, found: Sequence[Told]) -> bool:
        """Whether what is told of a picture is of a file that draws boxes, or no file does."""
        return not self._of_boxes or any(one.draws for one in found)

    def of(self, name: str) -> list[Told]:
        """What is told of a picture; a slice `name#k` also has the labels told of its whole file.

        The boxes of a whole file are refused: they do not say on which slice they were drawn.
        """
        whole, number = slice_of(name)
        annotations = self._by_picture.get(name, [])
        if number:
            of_file = self._by_picture.get(whole, [])
            annotations = [replace(one, annotation=_labels_only(one.annotation)) for one in of_file] + annotations
        return annotations

    @property
    def has_unread(self) -> bool:
        """Whether a file could not be read, which may be of pictures that no other names."""
        return bool(self._unread)

    def is_silent_on(self, name: str) -> bool:
        """Whether no annotation names a picture, nor may a file that could not be read: its own, or one of many."""
        return not self.of(name) and stem(name) not in self._unread and self._unread <= self._stems


def _labels_only(annotation: Annotation) -> Annotation:
    drawn = ("boxes of the whole file, of which no slice is told",) if annotation.boxes else ()
    return replace(annotation, boxes=(), mask=None, size=None, refused=(*annotation.refused, *drawn))


def _masks_of_several(given: AnnotationSource, names: Sequence[str]) -> Iterator[Problem]:
    if names:
        yield Problem(
            str(given.path),
            f"{len(names)} masks are of files of several pictures, of which none is told: {examples(names)}",
            "they were left out; save each picture as a file of its own, or its mask as the slice of the same number",
        )


def _silent(given: AnnotationSource) -> Problem:
    reason = f"tells of no picture, though it was read as {given.format}"
    return Problem(str(given.path), reason, "give the file or folder that does, in its format, or remove the entry")


def _missing(source: Source, names: Sequence[str]) -> Iterator[Problem]:
    """Images that are told about and are not there; a slice that was merely not chosen is there."""
    for image in names:
        yield Problem(
            str(source.images / image),
            "an annotation names this image, and it is not there",
            "add the image, or remove it from the annotation",
        )


def _of_other_folders(given: AnnotationSource, pictures: Mapping[str, str]) -> Iterator[Problem]:
    """A name of a picture that is not there may lead to one of the same name that is another patient's."""
    led = [f"{name!r} to {picture}" for name, picture in pictures.items() if contradicts(name, picture)]
    if led:
        names = "1 name leads to a picture" if len(led) == 1 else f"{len(led)} names lead to pictures"
        yield Problem(
            str(given.path),
            f"{names} of another folder: {examples(led)}",
            "see that each is the picture that was meant; give paths as they are below the images' folder",
            "warning",
        )


def _misled(given: AnnotationSource, refused: Mapping[str, str]) -> Iterator[Problem]:
    """Names of which it is not plain whose they are; what they tell is on no picture."""
    for reason in dict.fromkeys(refused.values()):
        yield Problem(str(given.path), reason, "give the path of the picture, as it is below the images' folder")
