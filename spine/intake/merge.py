"""What several annotation files say about one picture, merged; what was said about another picture is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from spine.annotations.types import Annotation, Box
from spine.problems import Problem

__all__ = ["Merged", "Told", "iou", "merge"]

SAME = 0.9  # boxes of one label that overlap by more (IoU) are one box, told by two files


@dataclass(frozen=True)
class Told:
    """What one annotation file says; where it `joins`, it adds to the boxes of earlier files and draws none itself."""

    annotation: Annotation
    joins: bool = False


@dataclass(frozen=True)
class Merged:
    """All that is said about one picture, and what was refused."""

    annotation: Annotation
    problems: list[Problem] = field(default_factory=list)


def merge(name: str, told: Sequence[Told], height: int, width: int) -> Merged:
    """Merge what is told of the picture `name` of `height` x `width`; where files differ, the later one holds.

    An annotation that states another size was drawn on another picture and is refused; so are a box outside the
    picture, and a box of a joining file that no earlier file has drawn.
    """
    fitting = [one for one in told if one.annotation.size in (None, (height, width))]
    problems = [_stranger(name, one.annotation, (height, width)) for one in told if one not in fitting]
    boxes: list[Box] = []
    undrawn: list[Box] = []
    for one in fitting:
        for box in one.annotation.boxes:
            same = _find(box, boxes)
            if box.x1 <= 0 or box.y1 <= 0 or box.x0 >= width or box.y0 >= height:
                problems.append(_outside(name, box, height, width))
            elif same is not None:
                boxes[boxes.index(same)] = _both(same, box)
            elif one.joins:
                undrawn.append(box)
            else:
                boxes.append(box)
    problems += [_undrawn(name, undrawn)] if undrawn else []
    return Merged(_merge_all(name, [one.annotation for one in fitting], tuple(boxes)), problems)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes' areas."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(width, 0) * max(height, 0)
    return shared / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - shared)


def _find(box: Box, others: Iterable[Box]) -> Box | None:
    return next((other for other in others if other.label == box.label and iou(box, other) > SAME), None)


def _both(first: Box, second: Box) -> Box:
    # The graded box is the one to keep: a table's row tells more than a detector's box.
    richer, other = (first, second) if first.values and not second.values else (second, first)
    return replace(richer, level=richer.level or other.level, values={**other.values, **richer.values})


def _merge_all(name: str, told: Sequence[Annotation], boxes: tuple[Box, ...]) -> Annotation:
    merged = Annotation(name, boxes)
    for one in told:
        merged = replace(
            merged,
            labels={**merged.labels, **one.labels},
            mask=one.mask or merged.mask,
            mask_labels=one.mask_labels or merged.mask_labels,
            patient=one.patient or merged.patient,
            sequence=one.sequence or merged.sequence,
            split=one.split or merged.split,
        )
    return merged


def _stranger(name: str, one: Annotation, size: tuple[int, int]) -> Problem:
    return Problem(
        name,
        f"{len(one.boxes)} boxes were drawn on a picture of {one.size} (height, width); this one is {size}",
        "find the picture they belong to, and give it a name of its own",
    )


def _undrawn(name: str, boxes: Sequence[Box]) -> Problem:
    first = (boxes[0].x0, boxes[0].y0, boxes[0].x1, boxes[0].y1)
    return Problem(
        name,
        f"a file with `join` tells about {len(boxes)} boxes that no earlier file has, such as {boxes[0].label} {first}",
        "they were left out; if they are right, draw them in the earlier file, or remove `join`",
        "warning",
    )


def _outside(name: str, box: Box, height: int, width: int) -> Problem:
    corners = (box.x0, box.y0, box.x1, box.y1)
    return Problem(
        name, f"box {corners} of {box.label!r} lies outside the picture of {height} x {width}", "mend or remove the box"
    )
