"""What several annotation files say about one picture, merged; what was said about another picture is refused.

Boxes end at the picture's edges, whatever their format: what reaches beyond is cut off, and told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from spine.annotations.types import Annotation, Box
from spine.core.problems import Problem
from spine.core.words import counted

__all__ = ["Merged", "Told", "iou", "merge"]

SAME = 0.9  # boxes of one label that overlap by more (IoU) are one box, told by two files
ROUNDING = 0.01  # pixels: where fractions of six digits tell the edge, they may miss it by so much


@dataclass(frozen=True)
class Told:
    """What one annotation file says; where it `joins`, it adds to the boxes of earlier files and draws none itself.

    `draws` tells whether the file has boxes, of this picture or another.
    """

    annotation: Annotation
    joins: bool = False
    draws: bool = False


@dataclass(frozen=True)
class Merged:
    """All that is said about one picture, and what is wrong with it; it `is_named` where anything said is of it.

    `masks` are all that are drawn on it, of one class or several each. `differing` tells what two files say each in its
    way: a key, such as `patient` or a target, and the values, that which holds first.
    """

    annotation: Annotation
    problems: list[Problem] = field(default_factory=list)
    is_named: bool = True
    masks: tuple[Annotation, ...] = ()
    differing: tuple[tuple[str, str], ...] = ()

    @property
    def lost_its_boxes(self) -> bool:
        """Whether boxes were drawn there and none counts: that is not a picture without boxes."""
        return not self.annotation.boxes and bool(self.annotation.refused)


def merge(name: str, told: Sequence[Told], height: int, width: int) -> Merged:
    """Merge what is told of the picture `name`, of `height` x `width`; where files differ, the later one holds.

    An annotation that states another size was drawn on another picture and is refused; so are a box outside the
    picture, and a box of a joining file that no earlier file has drawn. A box partly outside is cut off at the edge.
    """
    size = (height, width)
    fitting = [one for one in told if one.annotation.size in (None, size)]
    strangers = [(one.annotation, _stranger(name, one.annotation, size)) for one in told if one not in fitting]
    drawn = _Drawn(name, height, width)
    for one in fitting:
        for box in one.annotation.boxes:
            drawn.take(box, one.joins)
    refused = [reason for one in told for reason in one.annotation.refused]
    refused += [problem.reason for one, problem in strangers if one.boxes]
    refused += [problem.reason for problem in drawn.left_out()]
    merged = _merge_all(name, [one.annotation for one in fitting], tuple(drawn.boxes))
    lacks_one = any(one.mask for one, _ in strangers)  # the other masks would make background of its classes
    return Merged(
        replace(merged, refused=tuple(refused)),
        [*(problem for _, problem in strangers), *drawn.left_out(), *drawn.cut_off()],
        is_named=bool(fitting),
        masks=() if lacks_one else tuple(one.annotation for one in fitting if one.annotation.mask),
        differing=(*_differing([one.annotation for one in fitting], merged), *drawn.differing),
    )


@dataclass
class _Drawn:
    """The boxes of one picture, each once and within it, as they are taken; and what is amiss with others."""

    name: str
    height: int
    width: int
    boxes: list[Box] = field(default_factory=list)
    differing: list[tuple[str, str]] = field(default_factory=list)
    _outside: list[Box] = field(default_factory=list)
    _beyond: list[Box] = field(default_factory=list)
    _undrawn: list[Box] = field(default_factory=list)

    def take(self, drawn: Box, joins: bool) -> None:
        """Take one box, of a file that `joins` or not."""
        x0, x1 = max(drawn.x0, 0.0), min(drawn.x1, float(self.width))
        y0, y1 = max(drawn.y0, 0.0), min(drawn.y1, float(self.height))
        if x1 - x0 <= ROUNDING or y1 - y0 <= ROUNDING:
            self._outside.append(drawn)
            return
        box = replace(drawn, x0=x0, y0=y0, x1=x1, y1=y1)
        if (same := _find(box, self.boxes)) is not None:
            kept = self.boxes[self.boxes.index(same)] = _both(same, box)
            self.differing += _of_boxes(kept, same, box)
        elif joins:
            self._undrawn.append(box)
        else:
            self.boxes.append(box)
            if max(x0 - drawn.x0, y0 - drawn.y0, drawn.x1 - x1, drawn.y1 - y1) > ROUNDING:
                self._beyond.append(drawn)

    def left_out(self) -> Iterator[Problem]:
        """Boxes that do not count."""
        for box in self._outside:
            yield Problem(self.name, f"{_describe(box)} lies outside {self._picture}", "fix or remove the box")
        if self._undrawn:
            yield Problem(
                self.name,
                f"a file with `join` tells about {counted(len(self._undrawn), 'box', 'boxes')} that no earlier file "
                f"has, such as {_describe(self._undrawn[0])}",
                "they were left out; if they are right, draw them in the earlier file, or remove `join`",
                "warning",
            )

    def cut_off(self) -> Iterator[Problem]:
        """Boxes that reached beyond the edges."""
        if self._beyond:
            first, *others = self._beyond
            more = f", and {len(others)} more do" if others else ""
            reason = f"{_describe(first)} reaches outside {self._picture}{more}"
            yield Problem(self.name, reason, "it was cut off at the edge; see whether it is drawn right", "warning")

    @property
    def _picture(self) -> str:
        return f"the picture of {self.height} x {self.width}"


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


def _of_boxes(kept: Box, *told: Box) -> Iterator[tuple[str, str]]:
    for box in told:
        if box.level and box.level != kept.level:
            yield "level", f"{kept.level!r} and {box.level!r}"
        for key, value in box.values.items():
            if value != kept.values[key]:
                yield key, f"{kept.values[key]!r} and {value!r}"


def _differing(annotations: Sequence[Annotation], merged: Annotation) -> Iterator[tuple[str, str]]:
    """What of a whole picture several files tell differently."""
    for annotation in annotations:
        for key in ("patient", "sequence", "split"):
            if (stated := getattr(annotation, key)) and stated != (kept := getattr(merged, key)):
                yield key, f"{kept!r} and {stated!r}"
        for key, stated in annotation.labels.items():
            if stated and stated != (kept := merged.labels[key]):
                yield key, f"{kept!r} and {stated!r}"


def _merge_all(name: str, annotations: Sequence[Annotation], boxes: tuple[Box, ...]) -> Annotation:
    merged = Annotation(name, boxes)
    for annotation in annotations:
        merged = replace(
            merged,
            labels={**merged.labels, **{key: value for key, value in annotation.labels.items() if value}},
            mask=annotation.mask or merged.mask,
            mask_labels=annotation.mask_labels or merged.mask_labels,
            patient=annotation.patient or merged.patient,
            sequence=annotation.sequence or merged.sequence,
            split=annotation.split or merged.split,
        )
    return merged


def _stranger(name: str, annotation: Annotation, size: tuple[int, int]) -> Problem:
    what = "a mask" if annotation.mask else f"{len(annotation.boxes)} boxes" if len(annotation.boxes) > 1 else "a box"
    drawn = f"{what} drawn" if annotation.mask or annotation.boxes else "something told"
    advice = "find the picture that was drawn on, and give it a name of its own"
    if annotation.size == size[::-1]:
        advice += "; or, where its file states an orientation (EXIF), draw on it as it is once turned upright"
    return Problem(name, f"has {drawn} on a picture of {annotation.size} (height, width); this one is {size}", advice)


def _describe(box: Box) -> str:
    return f"box {(box.x0, box.y0, box.x1, box.y1)} of {box.label!r}"
