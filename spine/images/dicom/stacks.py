"""Images -> stacks: the images of one series that lie in parallel planes, put together by more than their UIDs.

Anonymisers leave a series without SeriesInstanceUID, give each slice one of its own, or all series the same. So

1. images of one patient and SeriesInstanceUID are together, parted by the directions of their planes;
2. what is together comes apart by study, number, description, size, echo and the like where that gives whole stacks;
3. what is alone is put together by geometry, description and number, as far as these hold.

No step compares each image with each: trees hold tens of thousands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator

import numpy as np

from spine.core.problems import Problem, examples
from spine.images.dicom.image import Image
from spine.images.dicom.line import line_of

__all__ = ["shared_series", "stacks_of"]

_SAME_DIRECTION = np.cos(np.radians(5))  # slices of one stack differ in orientation by rounding alone
_SAME_ECHO = 0.5  # ms
_SAME_GRID = 20.0  # mm: a stack may drift across its planes, and stations of a long spine lie farther apart

Stack = list[Image]
Key = Callable[[Image], Hashable]


def stacks_of(images: Iterable[Image]) -> list[Stack]:
    """The stacks that images form; an image that is part of none is a stack of its own."""
    stacks = [
        stack for together in _by_uid(images) for plane in _planes(together) for stack in _parted(plane, list(_APART))
    ]
    for key in (_by_all, _by_number, _by_geometry):
        stacks = [stack for together in _together(stacks, key) for stack in together]
    return stacks


def shared_series(images: Iterable[Image]) -> list[Problem]:
    """A warning of each SeriesInstanceUID whose slices would be one stack if they were not of several patients.

    So an anonymiser leaves a series that gives each file a PatientID of its own.
    """
    series: dict[str, Stack] = defaultdict(list)
    for image in images:
        if image.uid and image.patient and image.is_slice:
            series[image.uid].append(image)
    return [_shared(stack) for together in series.values() for stack in _planes(together) if _is_shared(stack)]


def _is_shared(images: Stack) -> bool:
    """Whether patients share images of one size at places of their own, as two patients' whole stacks do not lie."""
    several = len({image.patient for image in images}) > 1 and len({image.size for image in images}) == 1
    return several and not line_of(images).repeats


def _shared(images: Stack) -> Problem:
    paths, patients = [image.path for image in images], {image.patient for image in images}
    reason = (
        f"holds {len(images)} slices of one SeriesInstanceUID, at places of one volume, under {len(patients)} "
        f"different PatientIDs: {examples(paths, None)}; each PatientID was taken for a patient"
    ).replace(";", ",")
    advice = "where they are of one patient, tell so by the files' names: set `patient`; or export them again"
    return Problem(str(images[0].folder), reason, advice, "warning")


def _by_uid(images: Iterable[Image]) -> list[Stack]:
    groups: dict[Hashable, Stack] = defaultdict(list)
    for image in sorted(images, key=lambda image: (str(image.path), image.frame)):
        groups[image.patient, image.uid or image.path].append(image)
    return list(groups.values())


def _planes(images: Stack) -> list[Stack]:
    """Images by the direction of their planes; those that tell none join the others of their size if these are one."""
    tilted = [image for image in images if image.normal is not None]
    flat = [image for image in images if image.normal is None]
    normals = np.array([image.normal for image in tilted]).reshape(-1, 3)
    planes, left = [], np.arange(len(tilted))
    while left.size:  # at most some 2,000 times: directions that are 5 degrees apart
        same = np.abs(normals[left] @ normals[left[0]]) > _SAME_DIRECTION
        planes.append([tilted[k] for k in left[same]])
        left = left[~same]
    if len(planes) != 1:
        return [*planes, flat] if flat else planes
    fitting = [image for image in flat if image.size == planes[0][0].size]
    others = [image for image in flat if image.size != planes[0][0].size]
    return [planes[0] + fitting, *([others] if others else [])]


def _parted(images: Stack, ways: list[tuple[Callable[[Stack], list[Stack]], bool]]) -> list[Stack]:
    """Part images in each of the ways that gives stacks; some only where several images are at one place."""
    if len(images) < 2 or not ways:
        return [images]
    (part, only_repeats), *rest = ways
    parts = part(images)
    if len(parts) > 1 and _is_right(images, parts, only_repeats):
        return [stack for one in parts for stack in _parted(one, rest)]
    return _parted(images, rest)


def _is_right(images: Stack, parts: list[Stack], only_repeats: bool) -> bool:
    """Whether parts are stacks of their own, rather than one stack broken by what one slice tells otherwise."""
    line, whole = line_of(images), [_is_stack(one) for one in parts]
    if line.count <= 1:
        return True  # there is no stack to break
    return (line.repeats and sum(whole) > 1) or (all(whole) and not only_repeats)


def _is_stack(images: Stack) -> bool:
    return line_of(images).count > 1


def _same(key: Key) -> Callable[[Stack], list[Stack]]:
    """Parts images by what `key` tells of each."""

    def part(images: Stack) -> list[Stack]:
        groups: dict[Hashable, Stack] = defaultdict(list)
        for image in images:
            groups[key(image)].append(image)
        return list(groups.values())

    return part


def _by_echo(images: Stack) -> list[Stack]:
    """Echo times that differ by more than rounding are of different echoes."""
    parts: list[Stack] = []
    last = -np.inf
    for image in sorted(images, key=lambda image: image.echo or 0.0):
        if (echo := image.echo or 0.0) > last + _SAME_ECHO:
            parts.append([])
        parts[-1].append(image)
        last = echo
    return parts


def _by_grid(images: Stack) -> list[Stack]:
    """Parts images whose first pixels, seen along the normal, lie far apart: stations of a long spine."""
    normal = next((image.normal for image in images if image.normal is not None), None)
    if normal is None or any(image.origin is None for image in images):
        return [images]
    origins = np.array([image.origin for image in images])
    flat = origins - np.outer(origins @ normal, normal)
    parts, left = [], np.arange(len(images))
    while left.size:
        same = np.linalg.norm(flat[left] - flat[left[0]], axis=1) < _SAME_GRID
        parts.append([images[k] for k in left[same]])
        left = left[~same]
        if len(parts) > len(images) // 2:
            return [images]  # scattered, not in stations
    return parts


_APART: tuple[tuple[Callable[[Stack], list[Stack]], bool], ...] = (
    (_same(lambda image: image.study), True),
    (_same(lambda image: image.reference), True),
    (_same(lambda image: image.series_number), False),
    (_same(lambda image: image.description), False),
    (_same(lambda image: image.size), False),
    (_same(lambda image: image.spacing), True),
    (_by_echo, False),
    (_same(lambda image: image.echo_number), False),
    (_same(lambda image: image.stack), False),
    (_same(lambda image: image.kind), True),
    (_same(lambda image: image.folder), True),
    (_by_grid, True),
)


def _together(stacks: list[Stack], key: Key) -> Iterator[list[Stack]]:
    """Put together what is alone and has one key, or to the one stack of that key in which its places are free."""
    groups: dict[Hashable, list[Stack]] = defaultdict(list)
    for number, stack in enumerate(stacks):
        told = key(stack[0]) if stack[0].is_slice else None
        groups[number if told is None else told].append(stack)
    for same in groups.values():
        yield _joined(same, whole=key is _by_all) if len(same) > 1 else same


def _joined(stacks: list[Stack], whole: bool) -> list[Stack]:
    """One stack a plane of all that are alone; with `whole` of all that there are, if none is at another's place."""
    alone = [stack for stack in stacks if not _is_stack(stack)]
    others = [stack for stack in stacks if _is_stack(stack)]
    if whole and others:
        return [stack for plane in _of_planes(stacks) for stack in _merged(plane)]
    return others + [stack for plane in _of_planes(alone) for stack in _pile(plane)]


def _of_planes(stacks: list[Stack]) -> list[list[Stack]]:
    """Stacks by the direction of their first image."""
    home = {id(stack[0]): stack for stack in stacks}
    return [[home[id(image)] for image in plane] for plane in _planes([stack[0] for stack in stacks])]


def _pile(stacks: list[Stack]) -> list[Stack]:
    images = [image for stack in stacks for image in stack]
    places = any(image.origin or image.location is not None for image in images)
    return [images] if _is_stack(images) or not places else stacks


def _merged(stacks: list[Stack]) -> list[Stack]:
    images = [image for stack in stacks for image in stack]
    numbered = all(stack[0].series_number for stack in stacks)
    return [images] if numbered and not line_of(images).repeats else stacks


def _by_all(image: Image) -> Hashable:
    if not (_is_placed(image) or image.series_number or image.description):
        return None
    return (*_likeness(image), image.study, image.reference, image.series_number)


def _by_number(image: Image) -> Hashable:
    """Without the UIDs of study and frame of reference, which an anonymiser may give each slice anew."""
    return (*_likeness(image), image.series_number) if _is_placed(image) else None


def _by_geometry(image: Image) -> Hashable:
    return _likeness(image) if _is_placed(image) else None


def _is_placed(image: Image) -> bool:
    return image.origin is not None or image.location is not None


def _likeness(image: Image) -> tuple[Hashable, ...]:
    """What slices of one stack share, whatever became of their UIDs."""
    spacing = image.spacing and tuple(round(value, 2) for value in image.spacing)
    echo = image.echo and round(image.echo)
    who = image.patient or image.folder
    acquired = (image.modality, image.date[:8], image.description, image.localizer, echo, image.echo_number)
    return (who, *acquired, image.size, spacing)
