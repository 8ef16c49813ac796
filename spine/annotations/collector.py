"""What a reader gathers: the good annotations, and a problem for each file or record that is not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from spine.annotations.levels import one_spelling
from spine.annotations.safe_json import repeated_keys
from spine.annotations.sources import has_picture, image_size, is_image, source_files, stem_of
from spine.annotations.types import (
    EXPORT_AGAIN,
    PASSED_OVER,
    Annotation,
    Box,
    Malformed,
    Reading,
    UnknownClass,
    is_unknown,
    known_text,
    value_text,
)
from spine.core.files import walk
from spine.core.names import composed
from spine.core.numbers import finite
from spine.core.problems import Problem, SpineError, brief, fault_of, is_of_the_file

__all__ = ["Collector", "read_files"]

_MOST_LETTERS = 1000  # of a reason: a damaged value may be of millions
_MOST_PROBLEMS = 10_000  # that are listed one by one; the others are counted
_FORMATS = (".xml", ".json", ".txt")  # of one annotation file an image


class Collector:
    """Gathers annotations and problems, and settles images that are told twice.

    `labels` are the known labels (None: all are welcome); `images` is the folder in which a picture's true size can be
    looked up when two records of one name state different sizes. Where records `hold_pictures`, a picture that is no
    file there is the first record's of its name.
    """

    def __init__(
        self, labels: Collection[str] | None = None, images: Path | None = None, *, hold_pictures: bool = False
    ) -> None:
        self._labels = None if labels is None else {composed(label): label for label in labels}
        self._images = images
        self._hold_pictures = hold_pictures
        self._records: dict[str, list[tuple[str, Annotation]]] = {}
        self._problems: list[Problem] = []
        self._unlisted = 0
        self._nameless = False
        self._unknown: dict[tuple[str, str], list[str]] = defaultdict(list)  # reason and advice -> where
        self._not_known: dict[str, list[str]] = defaultdict(list)  # target -> where it is written as NaN

    @contextmanager
    def guard(self, where: object, refused: list[str] | None = None, *, nameless: bool = False) -> Iterator[None]:
        """Turn a Malformed raised inside into a problem at `where`; what follows the block goes on.

        So is whatever else a parser raises of a damaged file; a SpineError, which is of a setting, passes.

        Where the block reads a box, `refused` gathers why it does not count, for `Annotation.refused`; it is `nameless`
        where the block finds out which image it is of.
        """
        try:
            yield
        except Exception as error:
            if not is_of_the_file(error):
                raise
            self._refuse(where, _malformed(error), refused, nameless)

    def _refuse(self, where: object, fault: Malformed, refused: list[str] | None, nameless: bool) -> None:
        if isinstance(fault, UnknownClass):
            self._unknown[str(fault), fault.advice].append(str(where))
        else:
            self.error(where, str(fault), fault.advice)
        self._nameless |= nameless
        if refused is not None:
            refused.append(str(fault))

    def error(self, where: object, reason: str, advice: str) -> None:
        """Note something that was left out."""
        self._note(where, reason, advice, "error")

    def warn(self, where: object, reason: str, advice: str) -> None:
        """Note something that was kept and deserves a look."""
        self._note(where, reason, advice, "warning")

    def _note(self, where: object, reason: str, advice: str, severity: str) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            told = reason if len(reason) <= _MOST_LETTERS else f"{reason[:_MOST_LETTERS]}..."
            self._problems.append(Problem(str(where), told, advice, severity))
        else:
            self._unlisted += 1

    def box(self, label: str, corners: Sequence[Any], level: str = "", values: Mapping[str, str] | None = None) -> Box:
        """A box from corners x0, y0, x1, y1 (0-based half-open, numbers or text); Malformed where it does not hold."""
        if not known_text(label):
            raise UnknownClass("has an empty label", "name its class in the source, or remove it")
        label = composed(label)
        if self._labels is not None and label not in self._labels:
            known = ", ".join(self._labels.values())
            raise UnknownClass(f"unknown label {label!r}; known are {known}", "correct it, or add it to the labels")
        try:
            x0, y0, x1, y1 = (finite(value) for value in corners)
            if max(abs(corner) for corner in (x0, y0, x1, y1)) <= 1 and (x0, y0, x1, y1) != (0, 0, 1, 1):
                raise Malformed(
                    f"box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) of {label!r} lies within one pixel",
                    "give its corners in pixels; these look like shares of the picture",
                )
            spelled = self._labels[label] if self._labels is not None else label
            return Box(spelled, x0, y0, x1, y1, one_spelling(level), values or {})
        except ValueError as error:
            raise Malformed(str(error), "draw this box again in the source, or remove it") from error

    def values(self, where: object, stated: object) -> dict[str, str]:
        """The known values of an object as text (`value_text`), none where it is no object.

        One that does not hold is a problem and left out; what else is told there goes on.
        """
        texts: dict[str, str] = {}
        for key, value in stated.items() if isinstance(stated, Mapping) else ():
            with self.guard(f"{where}: {brief(str(key), 80)}"):
                if key in repeated_keys(stated):
                    raise Malformed("is told twice, and differently", "keep one of the two")
                texts[str(key)] = value_text(value)
            if is_unknown(value) and value is not None and str(value).strip():
                self._not_known[str(key)].append(str(where))
        return {key: text for key, text in texts.items() if text}

    def add(self, where: object, annotation: Annotation) -> None:
        """Keep what `where` says about one image."""
        self._records.setdefault(annotation.image, []).append((str(where), annotation))

    def reading(self) -> Reading:
        """All that was gathered, an image at most once."""
        settled = [self._settle(records) for records in self._records.values()]
        for (reason, advice), places in self._unknown.items():
            self.error(places[0], f"{reason}{_and_more_boxes(len(places) - 1)}", advice)
        for key, places in self._not_known.items():
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            self.warn(places[0], f"tells {key!r} as NaN{more}", "it is taken as not known; leave the value empty")
        annotations = tuple(found for found in settled if found is not None)
        read = frozenset(where for records in self._records.values() for where, _ in records)
        return Reading(annotations, (*self._problems, *self._beyond_the_list()), self._nameless, read)

    def _beyond_the_list(self) -> Iterator[Problem]:
        if self._unlisted:
            reason = f"{self._unlisted:,} problems more were met, and are not listed one by one"
            yield Problem(self._problems[-1].path, reason, "fix those that are listed, and build again")

    def _settle(self, records: list[tuple[str, Annotation]]) -> Annotation | None:
        (first_where, first), *others = records
        if not others:
            return first
        true_size = self._true_size(first.image)
        apart = self._hold_pictures and true_size is None  # each record is of its own picture
        if not apart and len({annotation.size for _, annotation in records if annotation.size}) > 1:
            return self._settle_by_size(records, true_size)
        for where, annotation in others:
            self.error(
                where,
                f"tells {annotation.image!r} again; the first, {first_where}, was kept",
                "merge the two in the source, or rename one image",
            )
        return first if apart else replace(first, refused=(*first.refused, *_drawn_by(others)))

    def _settle_by_size(
        self, records: list[tuple[str, Annotation]], true_size: tuple[int, int] | None
    ) -> Annotation | None:
        # Two different pictures under one name: only the picture that is there can say whose boxes are true.
        image = records[0][1].image
        fitting = [annotation for _, annotation in records if annotation.size == true_size]
        kept = fitting[0] if len(fitting) == 1 else None
        for where, annotation in records:
            if annotation is kept:
                continue
            reason = (
                f"{image!r} is told {len(records)} times in different sizes, here {annotation.size} (height, width)"
            )
            if kept is not None:
                self.warn(where, f"{reason}; the picture is {true_size}", "left out; remove it from the source")
            else:
                self.error(where, reason, "keep the record that fits the picture, or give the folder of the images")
        lost = _drawn_by(records)
        return kept or (Annotation(image, refused=lost) if lost else None)

    def _true_size(self, image: str) -> tuple[int, int] | None:
        try:
            return image_size(self._images / image) if self._images else None
        except SpineError:
            return None


def _malformed(error: Exception) -> Malformed:
    return error if isinstance(error, Malformed) else Malformed(f"cannot be read ({fault_of(error)})", EXPORT_AGAIN)


def _drawn_by(others: Sequence[tuple[str, Annotation]]) -> tuple[str, ...]:
    """Why an image that others drew on, and whose boxes do not count, is not background."""
    drew = [where for where, other in others if other.boxes or other.refused]
    return (f"boxes are told of it by {drew[0]} too",) if drew else ()


def _and_more_boxes(count: int) -> str:
    return f" (and {count} more box{'es' if count > 1 else ''})" if count else ""


def read_files(
    path: Path,
    suffix: str,
    labels: Collection[str] | None,
    images: Path | None,
    read: Callable[[Collector, Path, PurePath], Annotation],
) -> Reading:
    """The reading of a format of one file an image: `read` gives the annotation of a file in a folder below `path`.

    A file beside the picture of its name speaks of that one, wherever below `images` the two lie.
    """
    collector = Collector(labels, images)
    files = source_files(path, suffix)
    for file, folder in files:
        with collector.guard(file):
            collector.add(file, read(collector, file, _folder_of_picture(file, images) or folder))
    _pass_over(collector, path, suffix, images, {composed(stem_of(file)) for file, _ in files})
    return collector.reading()


def _pass_over(collector: Collector, path: Path, suffix: str, images: Path | None, stems: Collection[str]) -> None:
    """Tell of each file of another format that is called like a picture of which no file of this one tells."""
    of_others = tuple(known for known in _FORMATS if known != suffix)
    others = [file for file in walk(path).files if file.name.lower().endswith(of_others)]
    if not others:
        return
    pictures = {composed(stem_of(file)) for file in walk(images or path).files if is_image(file)}
    for file in others:
        stem = composed(stem_of(file))
        if stem in pictures and stem not in stems:
            reason = f"{PASSED_OVER}it is no {suffix} file, and no such file tells of the picture of its name"
            collector.error(file, reason, "read it with an entry of its format, or move it elsewhere")


def _folder_of_picture(file: Path, images: Path | None) -> PurePath | None:
    """The file's folder below `images`, where the picture of its name lies beside it."""
    if images is None or not has_picture(file):
        return None
    for path in (Path.absolute, Path.resolve):  # as it is called, through links too; or where it truly lies
        folder, root = path(file.parent), path(images)
        if folder.is_relative_to(root):
            return folder.relative_to(root)
    return None
