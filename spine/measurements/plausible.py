"""Whether a shape is that of a whole vertebra or disc. What is not has no values: they would be of something else.

A plane beside the midline, as a scoliotic spine has at some levels, shows pedicles, facets and corners of bodies; the
volume may end within a body; predictions have pieces of any shape. A body that is wedged or flat by a fracture passes:
its outline is still two endplates between a front and a back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spine.measurements.results import Status
from spine.measurements.shapes import Shape

__all__ = ["body_statuses", "disc_statuses"]

_UNEVEN = 0.15  # mean distance of a border from a straight line, as a share of the height; a fractured one has 0.12
_OUTSIDE = 0.4  # share of the region in front and behind
_FILLED = 0.85  # share of the body, between its borders, that is its class: an arch folds back on itself
_WEDGE = (0.33, 1.5)  # anterior / posterior; the worst fractures have about 0.4, L5 up to 1.4
_NARROW = 0.6  # of the median width of the bodies, or discs
_SMALL = 0.38  # of their median area; a fractured one has 0.4 and more
_TALL = 1.6  # middle height / width: 1.0 is usual
_LOW = 0.75  # height of the highest or lowest body / its neighbour's, below which it is cut


def body_statuses(shapes: Sequence[Shape | None], ends: tuple[bool, bool], side_known: bool) -> list[Status | None]:
    """`irregular` or `cut` of vertebrae, lowest first; None where a body is whole, or has no shape.

    `ends` tells whether a disc lies below the lowest and above the highest: what ends that body was then seen.
    """
    found: list[Status | None] = [None] * len(shapes)
    present = [shape for shape in shapes if shape]
    for number, shape in enumerate(shapes):
        if shape and not (_is_body(shape, side_known) and _is_as_large(shape, present)):
            found[number] = "irregular"
    for seen, number, inner in ((ends[0], 0, 1), (ends[1], len(shapes) - 1, len(shapes) - 2)):
        if seen or not 0 <= inner < len(shapes):
            continue
        own, neighbour = shapes[number], shapes[inner]
        if own and neighbour and found[inner] is None and own.heights.mean() < _LOW * neighbour.heights.mean():
            found[number] = "cut"
    return found


def disc_statuses(shapes: Sequence[Shape | None]) -> list[Status | None]:
    """`irregular` of discs that are a piece of one, None of others."""
    whole = [shape.width for shape in shapes if shape]
    return [
        "irregular" if shape and (shape.width < _NARROW * np.median(whole) or shape.filled < _FILLED) else None
        for shape in shapes
    ]


def _is_body(own: Shape, side_known: bool) -> bool:
    wedge = own.heights[0] / own.heights[2]
    least, most = _WEDGE if side_known else (min(_WEDGE[0], 1 / _WEDGE[1]), max(_WEDGE[1], 1 / _WEDGE[0]))
    return bool(
        own.uneven <= _UNEVEN
        and own.outside <= _OUTSIDE
        and own.filled >= _FILLED
        and least <= wedge <= most
        and own.heights[1] <= _TALL * own.width
    )


def _is_as_large(own: Shape, others: Sequence[Shape]) -> bool:
    width = np.median([shape.width for shape in others])
    area = np.median([shape.width * shape.heights.mean() for shape in others])
    return bool(own.width >= _NARROW * width and own.width * own.heights.mean() >= _SMALL * area)
