"""One source: its annotation files are read, then its pictures, and each is matched with what is told of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from spine.annotations import Annotation, Reading, check_options, read_annotations
from spine.intake.config import AnnotationSource, Source
from spine.intake.merge import Told, merge
from spine.intake.records import Records
from spine.problems import Problem, SpineError, examples
from spine.progress import track

__all__ = ["read_source"]


def read_source(source: Source, records: Records, scratch: Path) -> None:
    """Read one source into `records`; `scratch` holds what only lives until the dataset is complete."""
    from spine.reading import read_images

    if not source.images.exists():
        raise SpineError(f"source {source.name}: {source.images} does not exist; mend `images` in the data config")
    images = read_images(source.images, kind=source.read, slices=source.slices)
    told, known = _Told(images.names), len(records.orphans)
    for one in source.annotations:
        reading = _read(one, source, scratch)
        records.problems += reading.problems
        told.add(reading, one.join)
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
    records.problems += [*images.problems, *_missing(source, told, images.names)]
    records.problems += _without_patient(source, records.orphans[known:])
    records.problems += [*_unnamed(source, unnamed, len(images)), *_boxless(source, boxless)]


class _Told:
    """What annotation files say, found by a picture's name."""

    def __init__(self, pictures: Collection[str]) -> None:
        self._pictures = {_stem(name) for name in pictures}
        self._by_image: dict[str, list[Told]] = defaultdict(list)
        self._by_stem: dict[str, set[str]] = defaultdict(set)
        self._of_boxes = False
        self._unread: set[str] = set()  # the stems of files that could not be read

    def add(self, reading: Reading, joins: bool) -> None:
        """Take in one file's annotations."""
        at_fault = (Path(problem.path) for problem in reading.problems if problem.severity == "error")
        self._unread |= {_stem(path.name) for path in at_fault if path.is_file()}
        draws = any(annotation.boxes for annotation in reading.annotations)
        self._of_boxes |= draws
        for annotation in reading.annotations:
            self._by_image[annotation.image].append(Told(annotation, joins, draws))
            self._by_stem[_stem(annotation.image)].add(annotation.image)

    def speaks_of_boxes(self, found: Sequence[Told]) -> bool:
        """Whether what is told of a picture is of a file that draws boxes, or no file does."""
        return not self._of_boxes or any(one.draws for one in found)

    def of(self, name: str) -> list[Told]:
        """What is told of a picture; a slice `name#k` also has the labels told of its whole file.

        The boxes of a whole file are refused: they do not say on which slice they were drawn.
        """
        whole, _, number = name.partition("#")
        found = [one for image in self._images(name) for one in self._by_image[image]]
        if number:
            of_file = [one for image in self._images(whole) for one in self._by_image[image]]
            found = [replace(one, annotation=_labels_only(one.annotation)) for one in of_file] + found
        return found

    def is_silent_on(self, name: str) -> bool:
        """Whether no annotation names a picture, nor may a file that could not be read: its own, or one of many."""
        return not self.of(name) and _stem(name) not in self._unread and self._unread <= self._pictures

    def images(self) -> Iterator[str]:
        """Every image that is told about."""
        yield from self._by_image

    def _images(self, name: str) -> set[str]:
        if name in self._by_image:
            return {name}
        # The same name with another suffix (a.dcm, a.png) or without its folder, where only one fits.
        alike = self._by_stem.get(_stem(name), set())
        return alike if len(alike) == 1 else set()


def _counts_unnamed(source: Source, told: _Told, name: str) -> bool:
    """Whether a picture that no annotation names is one of the dataset all the same."""
    return not source.annotations or (source.unnamed == "background" and told.is_silent_on(name))


def _stem(name: str) -> str:
    path, _, number = name.partition("#")
    return f"{PurePosixPath(path).stem}#{number}"


def _labels_only(annotation: Annotation) -> Annotation:
    drawn = ("boxes of the whole file, of which no slice is told",) if annotation.boxes else ()
    return replace(annotation, boxes=(), mask=None, size=None, refused=(*annotation.refused, *drawn))


def _read(annotations: AnnotationSource, source: Source, scratch: Path) -> Reading:
    if annotations.format == "spider":
        from spine.spider import read_release

        check_options("spider", read_release, annotations.options)
        return read_release(annotations.path, source.slices, scratch / source.name, **annotations.options)
    return read_annotations(annotations.format, annotations.path, **{"images": source.folder, **annotations.options})


def _missing(source: Source, told: _Told, present: Collection[str]) -> Iterator[Problem]:
    """Images that are told about and are not there; a slice that was merely not chosen is there."""
    files = {name.partition("#")[0] for name in present}
    stems = {_stem(name) for name in (*present, *files)}
    for image in told.images():
        if image not in files and _stem(image) not in stems:
            yield Problem(
                str(source.images / image),
                "an annotation names this image, and it is not there",
                "add the image, or remove it from the annotation",
            )


def _lost(place: str, refused: Sequence[str]) -> Problem:
    reasons = list(dict.fromkeys(refused))
    told = "; ".join(reasons[:2]) + ("; ..." if len(reasons) > 2 else "")
    return Problem(
        place,
        f"was left out: none of the boxes drawn on it counts ({told}), and without them it would pass for background",
        "mend its boxes, or remove them from the annotation where there is nothing to find",
    )


def _unnamed(source: Source, names: Sequence[str], total: int) -> Iterator[Problem]:
    if names:
        yield Problem(
            str(source.images),
            f"{len(names)} of {total} pictures were left out, since no annotation names them: {examples(names)}",
            "name them in an annotation; or, where there truly is nothing to find in them, set `unnamed: background`",
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
