"""One source: its annotation files are read, then its pictures, and each is matched with what is told of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from spine.annotations import Annotation, Reading, check_options, read_annotations
from spine.intake.config import AnnotationSource, Source
from spine.intake.matching import Pictures, match, stem
from spine.intake.merge import Told, merge
from spine.intake.records import Records, patient_by_name
from spine.problems import Problem, SpineError, examples
from spine.progress import track

__all__ = ["read_source"]


def read_source(source: Source, records: Records, scratch: Path) -> None:
    """Read one source into `records`; `scratch` holds what only lives until the dataset is complete."""
    from spine.reading import read_images

    if not source.images.exists():
        raise SpineError(f"source {source.name}: {source.images} does not exist; mend `images` in the data config")
    by_name = partial(patient_by_name, source.patient)
    images = read_images(source.images, kind=source.read, slices=source.slices, patient_of=by_name)
    told, known = _Told(images.names), len(records.orphans)
    for one in source.annotations:
        reading = _read(one, source, scratch)
        records.problems += [*reading.problems, *told.add(reading, one, source)]
    unnamed: list[str] = []
    boxless: list[str] = []
    for picture in track(images, f"reading {source.name}", len(images)):
        height, width = picture.pixels.shape
        place, found = str(source.folder / picture.name), told.of(picture.name)
        merged = merge(place, found, height, width)
        records.problems += merged.problems
        if merged.lost_its_boxes:
            records.problems.append(_lost(place, merged.annotation.refused))
        elif merged.is_named or _counts_unnamed(source, told, picture.name):
            records.add(source, picture, merged.annotation)
            boxless += [picture.name] if merged.is_named and not told.speaks_of_boxes(found) else []
        else:
            unnamed.append(picture.name)
    records.problems += images.problems
    records.problems += _without_patient(source, records.orphans[known:])
    records.problems += [*_unnamed(source, told, unnamed, len(images)), *_boxless(source, boxless)]


class _Told:
    """What annotation files say, found by a picture's name."""

    def __init__(self, pictures: Collection[str]) -> None:
        self._pictures = Pictures(pictures)
        self._stems = {stem(name) for name in pictures}
        self._by_picture: dict[str, list[Told]] = defaultdict(list)
        self._of_boxes = False
        self._unread: set[str] = set()  # the stems of files that could not be read

    def add(self, reading: Reading, given: AnnotationSource, source: Source) -> list[Problem]:
        """Take in one file's annotations, each for the picture it means; those that mean none are problems."""
        at_fault = (Path(problem.path) for problem in reading.problems if problem.severity == "error")
        self._unread |= {stem(path.name) for path in at_fault if path.is_file()}
        self._unread |= {str(given.path)} if reading.nameless else set()  # the stem of no picture: it may be of any
        draws = any(annotation.boxes for annotation in reading.annotations)
        self._of_boxes |= draws
        told = {annotation.image: annotation for annotation in reading.annotations}
        found = match(told, self._pictures)
        for name, picture in found.pictures.items():
            self._by_picture[picture].append(Told(told[name], given.join, draws))
        for picture, names in found.doubtful.items():
            lost = [found.refused[name] for name in names if told[name].boxes or told[name].refused]
            if lost:  # whose boxes they are is not known: without them the picture would pass for background
                self._by_picture[picture].append(Told(Annotation(picture, refused=tuple(lost)), given.join, draws))
        return [*_misled(given, found.refused), *_missing(source, found.missing)]

    def speaks_of_boxes(self, found: Sequence[Told]) -> bool:
        """Whether what is told of a picture is of a file that draws boxes, or no file does."""
        return not self._of_boxes or any(one.draws for one in found)

    def of(self, name: str) -> list[Told]:
        """What is told of a picture; a slice `name#k` also has the labels told of its whole file.

        The boxes of a whole file are refused: they do not say on which slice they were drawn.
        """
        whole, _, number = name.partition("#")
        found = self._by_picture.get(name, [])
        if number:
            of_file = self._by_picture.get(whole, [])
            found = [replace(one, annotation=_labels_only(one.annotation)) for one in of_file] + found
        return found

    @property
    def has_unread(self) -> bool:
        """Whether a file could not be read, which may be of pictures that no other names."""
        return bool(self._unread)

    def is_silent_on(self, name: str) -> bool:
        """Whether no annotation names a picture, nor may a file that could not be read: its own, or one of many."""
        return not self.of(name) and stem(name) not in self._unread and self._unread <= self._stems


def _counts_unnamed(source: Source, told: _Told, name: str) -> bool:
    """Whether a picture that no annotation names is one of the dataset all the same."""
    return not source.annotations or (source.unnamed == "background" and told.is_silent_on(name))


def _labels_only(annotation: Annotation) -> Annotation:
    drawn = ("boxes of the whole file, of which no slice is told",) if annotation.boxes else ()
    return replace(annotation, boxes=(), mask=None, size=None, refused=(*annotation.refused, *drawn))


def _read(annotations: AnnotationSource, source: Source, scratch: Path) -> Reading:
    if annotations.format == "spider":
        from spine.spider import read_release

        check_options("spider", read_release, annotations.options)
        return read_release(annotations.path, source.slices, scratch / source.name, **annotations.options)
    return read_annotations(annotations.format, annotations.path, **{"images": source.folder, **annotations.options})


def _missing(source: Source, names: Sequence[str]) -> Iterator[Problem]:
    """Images that are told about and are not there; a slice that was merely not chosen is there."""
    for image in names:
        yield Problem(
            str(source.images / image),
            "an annotation names this image, and it is not there",
            "add the image, or remove it from the annotation",
        )


def _misled(given: AnnotationSource, refused: Mapping[str, str]) -> Iterator[Problem]:
    """Names of which it is not plain whose they are; what they tell is on no picture."""
    for reason in dict.fromkeys(refused.values()):
        yield Problem(str(given.path), reason, "give the path of the picture, as it is below the images' folder")


def _lost(place: str, refused: Sequence[str]) -> Problem:
    reasons = list(dict.fromkeys(refused))
    told = "; ".join(reasons[:2]) + ("; ..." if len(reasons) > 2 else "")
    return Problem(
        place,
        f"was left out: none of the boxes drawn on it counts ({told}), and without them it would pass for background",
        "mend its boxes, or remove them from the annotation where there is nothing to find",
    )


def _unnamed(source: Source, told: _Told, names: Sequence[str], total: int) -> Iterator[Problem]:
    if names:
        # Where a file could not be read, or the setting is there already, it would not help to set it.
        helps = source.unnamed == "leave_out" and any(map(told.is_silent_on, names))
        setting = "; or, where there truly is nothing to find in them, set `unnamed: background`"
        unread = ", and mend the annotations that could not be read: they may name them"
        yield Problem(
            str(source.images),
            f"{len(names)} of {total} pictures were left out, since no annotation names them: {examples(names)}",
            f"name them in an annotation{setting if helps else unread if told.has_unread else ''}",
            "warning",
        )


def _boxless(source: Source, names: Sequence[str]) -> Iterator[Problem]:
    if names:
        yield Problem(
            str(source.images),
            f"{len(names)} pictures have labels or a mask, and no file with boxes names them: {examples(names)}",
            "they were kept, and a detector takes them for background: name them in that file too, or train it without",
            "warning",
        )


def _without_patient(source: Source, names: list[str]) -> Iterator[Problem]:
    if names:
        yield Problem(
            str(source.images),
            f"the patient of {len(names)} pictures is not known, such as {names[0]}: each counts as one patient",
            f"if some share a patient, give source {source.name} a `patient` expression that tells it from the name",
            "warning",
        )
