"""What the numbers of a YOLO line mean: a box, a polygon, or a box with key points.

    class x y width height                          a box: its centre and size, in fractions of the image
    class x1 y1 x2 y2 x3 y3 ...                     a polygon, or the four corners of a turned box
    class x y width height x1 y1 [v1] x2 y2 [v2]    a box and its key points; v: 0 not labelled, 1 hidden, 2 seen

The last two cannot be told apart by counting numbers: `kpt_shape` of data.yaml tells.
Format: https://docs.ultralytics.com/datasets
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from spine.annotations.grouping import Corners, around_points
from spine.annotations.types import Malformed

__all__ = ["Lines", "may_have_key_points"]

_FAR = 0.1  # of the image's extent: as far may a polygon reach beyond its edge
_PIXELS = 2.0  # no fraction of a box is as large
_ROUNDING = 0.002
_MOST_POINTS = 60  # that are looked at for sides that cross
_MOST = 0.9  # share of lines by which a data set is known
_SAY_SO = "write `kpt_shape: [how many, 2 or 3]` in data.yaml, or `kpt_shape: [0, 2]` where there are no key points"

Point = tuple[float, float]


@dataclass(frozen=True)
class Lines:
    """How the lines of a data set are read: with `key_points` (how many, numbers each), None where nothing tells.

    `doubt` tells why lines of more numbers than a box has are not read.
    """

    key_points: tuple[int, int] | None = None
    doubt: str = ""

    def corners(self, numbers: Sequence[float]) -> Corners:
        """x0, y0, x1, y1, in fractions, of the numbers behind the class; Malformed where they cannot be told."""
        count = len(numbers)
        if count == 4:
            return _box(numbers)
        fault = f"has {count + 1} numbers"
        if count == 5:
            raise Malformed(f"{fault}: a box with a confidence or a track id, as predictions have", "remove the sixth")
        if self.doubt:
            raise Malformed(f"{fault}; {self.doubt}", _SAY_SO)
        if self.key_points and self.key_points[0]:
            many, each = self.key_points
            if count != 4 + many * each:
                raise Malformed(f"{fault}; with kpt_shape [{many}, {each}] it has 5, or {5 + many * each}")
            return _box(numbers)
        if count < 6 or count % 2:
            raise Malformed(f"{fault}; `class x y width height` or a polygon is expected", _SAY_SO)
        if not all(-_FAR <= value <= 1 + _FAR for value in numbers):
            far = max(numbers, key=lambda value: abs(value - 0.5))
            raise Malformed(f"{fault}, and cannot be a polygon: {far:g} is no fraction of the image", _SAY_SO)
        return around_points(_pairs(numbers))


def _box(numbers: Sequence[float]) -> Corners:
    x, y, width, height = numbers[:4]
    if max(map(abs, numbers[:4])) > _PIXELS:
        told = f"tells the box {x:g}, {y:g}, {width:g}, {height:g}, which are no fractions of the image"
        raise Malformed(told, "divide pixels by the image's width and height")
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def may_have_key_points(lines: Iterable[Sequence[float]]) -> bool:
    """Whether the lines of a data set, of more numbers than a box has, are as likely to be boxes with key points.

    Nearly all of them then make a box within the image, around its key points, and hardly one is drawn as polygons are.
    """
    long = [(numbers, _is_pose(numbers)) for numbers in lines if len(numbers) > 5]
    poses = [numbers for numbers, is_pose in long if is_pose]
    return len(poses) >= _MOST * len(long) > sum(map(_is_outline, poses))


def _is_pose(numbers: Sequence[float]) -> bool:
    return any((len(numbers) - 4) % each == 0 and _has_key_points(numbers, each) for each in (2, 3))


def _has_key_points(numbers: Sequence[float], each: int) -> bool:
    """Whether the first four numbers are a box within the image, and the others are points in it."""
    x, y, width, height = numbers[:4]
    x0, y0, x1, y1 = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if min(width, height) <= 0 or min(x0, y0) < -_ROUNDING or max(x1, y1) > 1 + _ROUNDING:
        return False
    points = [numbers[start : start + each] for start in range(4, len(numbers), each)]
    if each == 3 and not all(point[2] in (0, 1, 2) for point in points):
        return False
    seen = [point for point in points if any(point[:2])]  # 0, 0 is a point that is not labelled
    room = 0.1 * width, 0.1 * height
    return all(x0 - room[0] <= point[0] <= x1 + room[0] and y0 - room[1] <= point[1] <= y1 + room[1] for point in seen)


def _is_outline(numbers: Sequence[float]) -> bool:
    """Whether the numbers go around an object: the first point lies at its edge, the second near by, no side crosses.

    As a box with key points, the first is the centre among them, and the second, a size, anywhere.
    """
    if len(numbers) % 2:
        return False
    points = _pairs(numbers)
    first, second, *others = points
    if len(points) == 4 and _is_parallelogram(points):
        return True
    if len(others) < 2 or _lies_among(first, others) or _crosses_itself(points):
        return False
    x0, y0, x1, y1 = around_points(others)
    apart = max(abs(first[0] - (x0 + x1) / 2), abs(first[1] - (y0 + y1) / 2))
    rest = max(math.dist(one, other) for one, other in zip(others, [*others[1:], first], strict=True))
    begin = max(math.dist(first, second), math.dist(second, others[0]))
    return apart <= 0.75 * max(x1 - x0, y1 - y0) and begin <= 2 * rest


def _is_parallelogram(points: Sequence[Point]) -> bool:
    one, two, three, four = points
    return math.dist((one[0] + three[0], one[1] + three[1]), (two[0] + four[0], two[1] + four[1])) < _ROUNDING


def _lies_among(point: Point, others: Sequence[Point]) -> bool:
    """Whether others lie all around a point: no half plane through it is free of them; of two, it lies between."""
    if len(others) == 2:
        x0, y0, x1, y1 = around_points(others)
        return x0 < point[0] < x1 and y0 < point[1] < y1
    angles = sorted(math.atan2(y - point[1], x - point[0]) for x, y in others)
    gaps = [after - before for before, after in zip(angles, [*angles[1:], angles[0] + 2 * math.pi], strict=True)]
    return max(gaps) < math.pi


def _crosses_itself(points: Sequence[Point]) -> bool:
    """Whether two sides of a polygon that do not share a corner cross; of one of very many points it is not asked."""
    if len(points) > _MOST_POINTS:
        return False
    sides = list(zip(points, [*points[1:], points[0]], strict=True))
    apart = ((a, b) for (i, a), (j, b) in combinations(enumerate(sides), 2) if 1 < j - i < len(sides) - 1)
    return any(_turns(*a, b[0]) * _turns(*a, b[1]) < 0 > _turns(*b, a[0]) * _turns(*b, a[1]) for a, b in apart)


def _turns(one: Point, other: Point, third: Point) -> float:
    """Positive where a path turns left at `other`, negative where it turns right (twice a triangle's area)."""
    return (other[0] - one[0]) * (third[1] - one[1]) - (other[1] - one[1]) * (third[0] - one[0])


def _pairs(numbers: Sequence[float]) -> list[Point]:
    return list(zip(numbers[0::2], numbers[1::2], strict=True))
