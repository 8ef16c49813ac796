"""One source: its annotation files are read, then its pictures, and each is matched with what is told of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from spine.annotations import Reading, check_options, read_annotations
from spine.annotations.types import PASSED_OVER
from spine.core.files import walk
from spine.core.names import slice_of
from spine.core.problems import Problem, SpineError, examples, lost_in, one_file, within
from spine.core.progress import track
from spine.images.pictures import Picture
from spine.intake.by_picture import ByPicture
from spine.intake.config import AnnotationSource, Source
from spine.intake.merge import merge
from spine.intake.records import Records, patient_by_name
from spine.intake.series_by_name import FILE, SeriesByName
from spine.intake.slices import Where

__all__ = ["read_source"]


def read_source(source: Source, records: Records, scratch: Path) -> None:
    """Read one source into `records`; `scratch` holds what only lives until the dataset is complete."""
    from spine.intake.reading import read_images

    if not source.images.exists():
        raise SpineError(f"source {source.name}: {source.images} does not exist; fix `images` in the data config")
    by_name = partial(patient_by_name, source.patient)
    images = read_images(
        *(source.images, source.read, source.slices), by_name, source.window, neighbours=bool(source.series)
    )
    by_picture, known, heard = ByPicture(images.names), len(records.orphans), _Heard()
    named = source.series not in ("", FILE)
    in_order = SeriesByName.of(images.names, source.series, by_name) if named else SeriesByName()
    with within(f"source {source.name}"):
        readings = [_read(one, source, scratch) for one in source.annotations]
    taken = {place for reading in readings for place in reading.read}
    for one, reading in zip(source.annotations, readings, strict=True):
        own = replace(reading, problems=tuple(p for p in reading.problems if not _is_anothers(p, taken)))
        records.problems += [*lost_in(walk(one.path)), *own.problems, *by_picture.add(own, one, source)]
    for picture in track(images, f"reading {source.name}", len(images)):
        try:
            with one_file(picture.path):
                _take(source, picture, by_picture, records, heard, in_order)
        except SpineError as error:
            records.problems.append(Problem.from_error(error, picture.path))
    pictures = [problem for problem in images.problems if problem.severity == "error" or problem.path not in taken]
    records.problems += [*_lost(heard), *pictures]  # an object that is no picture may be an annotation
    records.problems += _without_patient(source, records.orphans[known:])
    records.problems += [*in_order.problems(str(source.images)), *_without_order(source, heard)]
    records.problems += _unnamed(source, by_picture, heard.unnamed, len(images) - heard.beside)
    records.problems += _boxless(source, heard.boxless)
    records.problems += [*_differing(source, heard.differing), *_partly_masked(source, heard.masked)]


@dataclass
class _Heard:
    """What is told once for all pictures of a source: names of pictures, and what their annotations say."""

    lost: dict[tuple[str, tuple[str, ...]], list[str]] = field(default_factory=lambda: defaultdict(list))  # by reasons
    unnamed: list[str] = field(default_factory=list)
    boxless: list[str] = field(default_factory=list)
    differing: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # key -> where, and how
    masked: dict[str, frozenset[str]] = field(default_factory=dict)  # picture -> the labels of its masks
    beside: int = 0  # pictures that were read as neighbours only
    placed: int = 0  # pictures whose place in a series is known


def _where(source: Source, picture: Picture, in_order: SeriesByName) -> Where | None:
    """A picture's place in its series, by its name or as its file tells it; None where its neighbours are not kept."""
    if named := in_order.places.get(picture.name):
        return source.name, *named
    return (source.name, f"{FILE}:{picture.stack}", picture.place) if source.series and picture.stack else None


def _take(
    source: Source, picture: Picture, by_picture: ByPicture, records: Records, heard: _Heard, in_order: SeriesByName
) -> None:
    """Note one picture as a sample, or as one that may be next to a sample."""
    where = _where(source, picture, in_order)
    heard.placed += where is not None
    heard.beside += picture.beside
    is_sample = not picture.beside and _match(source, picture, by_picture, records, heard, where)
    if where and not is_sample:
        records.add_neighbour(source, picture, where)


def _match(
    source: Source, picture: Picture, by_picture: ByPicture, records: Records, heard: _Heard, where: Where | None
) -> bool:
    """Match one picture with what is told of it; whether it became a sample, else it is among those left out."""
    height, width = picture.pixels.shape
    place, annotations = str(source.folder / picture.name), by_picture.of(picture.name)
    merged = merge(place, annotations, height, width)
    records.problems += merged.problems
    if merged.lost_its_boxes:
        heard.lost[slice_of(place)[0], merged.annotation.refused].append(place)
    elif merged.is_named or _counts_unnamed(source, by_picture, picture.name):
        masks = () if by_picture.lost_a_mask(picture.name) else merged.masks
        records.add(source, picture, merged.annotation, masks, where)
        heard.boxless += [picture.name] if merged.is_named and not by_picture.speaks_of_boxes(annotations) else []
        heard.masked[picture.name] = frozenset(label for mask in masks for label in mask.mask_labels)
        for key, values in merged.differing:
            heard.differing[key].append(f"{picture.name}: {values}")
        return True
    else:
        heard.unnamed.append(picture.name)
    return False


def _is_anothers(problem: Problem, taken: Collection[str]) -> bool:
    """Whether a problem is of a file that one reader has passed over and another has taken."""
    return problem.reason.startswith(PASSED_OVER) and problem.path in taken


def _counts_unnamed(source: Source, told: ByPicture, name: str) -> bool:
    """Whether a picture that no annotation names is one of the dataset all the same."""
    return not source.annotations or (source.unnamed == "background" and told.is_silent_on(name))


def _read(annotations: AnnotationSource, source: Source, scratch: Path) -> Reading:
    """Two formats have masks within their files: these are written to `scratch`."""
    options = annotations.options
    if annotations.format == "spider":
        from spine.intake.spider import read_release

        check_options("spider", read_release, options)
        return read_release(annotations.path, source.slices, scratch / source.name, **options)
    if annotations.format == "dicom-seg":
        from spine.intake.dicom_seg import read_segmentations

        check_options("dicom-seg", read_segmentations, options)
        place = scratch / f"{source.name}-{source.annotations.index(annotations)}"
        return read_segmentations(annotations.path, source.images, place, **options)
    return read_annotations(annotations.format, annotations.path, **{"images": source.folder, **options})


def _differing(source: Source, found: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    for key, places in found.items():
        yield Problem(
            str(source.images),
            f"{key} is told in two ways of {len(places)} pictures: {examples(places)}",
            "the first of each two values shown was kept; settle which is right, and fix the other",
            "warning",
        )


def _partly_masked(source: Source, masked: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Pictures that have masks of some classes, where others of the source have more."""
    known = sorted({label for labels in masked.values() for label in labels})
    lacking = {name: [label for label in known if label not in labels] for name, labels in masked.items() if labels}
    names = [f"{name} ({', '.join(labels)})" for name, labels in lacking.items() if labels]
    if names:
        yield Problem(
            str(source.images),
            f"{len(names)} pictures have masks of some classes and none of others: {examples(names)}",
            "what is not drawn counts as background there; draw those masks too, or empty ones where nothing is",
            "warning",
        )


def _lost(heard: _Heard) -> Iterator[Problem]:
    """Pictures that lost their boxes; slices, pages and frames of one file together, where the reasons are the same."""
    for (file, refused), places in heard.lost.items():
        reasons = list(dict.fromkeys(refused))
        shown = "; ".join(reasons[:2]) + ("; ..." if len(reasons) > 2 else "")
        what = "was left out" if len(places) == 1 else f"gives {len(places)} pictures, which were left out"
        yield Problem(
            file if len(places) > 1 else places[0],
            f"{what}: none of the boxes drawn on it counts ({shown}), and without them it would pass for background",
            "fix its boxes, or remove them from the annotation where there is nothing to find",
        )


def _without_order(source: Source, heard: _Heard) -> Iterator[Problem]:
    if source.series and not heard.placed:
        reason = f"series is {source.series!r}, and by it no picture has a place in a series"
        advice = (
            "the pictures were kept without neighbours; give an expression that finds series and slice in the names"
        )
        yield Problem(str(source.images), reason, advice, "warning")


def _unnamed(source: Source, by_picture: ByPicture, names: Sequence[str], total: int) -> Iterator[Problem]:
    if names:
        # Where a file could not be read, or the setting is there already, it would not help to set it.
        helps = source.unnamed == "leave_out" and any(map(by_picture.is_silent_on, names))
        setting = "; or, where there truly is nothing to find in them, set `unnamed: background`"
        unread = ", and fix the annotations that could not be read: they may name them"
        yield Problem(
            str(source.images),
            f"{len(names)} of {total} pictures were left out, since no annotation names them: {examples(names)}",
            f"name them in an annotation{setting if helps else unread if by_picture.has_unread else ''}",
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
            f"if some share a patient, give source {source.name} a `patient` expression that tells it from the name"
            + (f": {source.patient!r} fits none of these" if source.patient else ""),
            "warning",
        )
