"""What is said of a box, as small text beside it: the class in short and the probability, where it covers least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

__all__ = ["draw_tags", "place_tag", "short_names"]

FONT, SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
LEAST, WHOLE = 3, 6  # letters of a name that is cut, and of one that is not

Box = tuple[int, int, int, int]  # x0 y0 x1 y1 in pixels, the last ones outside


def short_names(labels: Sequence[str]) -> list[str]:
    """Each label, or its first letters where it is long: as few as tell it from the others.

    Empty where it has letters that pictures cannot be written with; its colour tells it then.
    """
    for letters in range(LEAST, max(map(len, labels), default=0) + 1):
        short = [label if len(label) <= WHOLE else label[:letters] for label in labels]
        if len(set(short)) == len(labels):
            break
    else:
        short = list(labels)
    return [one if one.isascii() and one.isprintable() else "" for one in short]


def draw_tags(canvas: np.ndarray, boxes: Sequence[Box], texts: Sequence[str], colours: Sequence[np.ndarray]) -> None:
    """Write dark texts on the colours of their boxes into an RGB picture, the first where it likes best."""
    placed: list[Box] = []
    for number, (box, text, colour) in enumerate(zip(boxes, texts, colours, strict=True)):
        (width, height), _ = cv2.getTextSize(text, FONT, SIZE, 1)
        others = [*boxes[:number], *boxes[number + 1 :]]
        tag = place_tag(box, (width + 3, height + 4), canvas.shape[:2], others, placed)
        x0, y0, x1, y1 = tag
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), colour.tolist(), cv2.FILLED)
        cv2.putText(canvas, text, (x0 + 2, y1 - 2), FONT, SIZE, (0, 0, 0), 1, cv2.LINE_AA)
        placed.append(tag)


def place_tag(
    box: Box, size: tuple[int, int], shape: tuple[int, ...], others: Sequence[Box], placed: Sequence[Box]
) -> Box:
    """Where a tag of `size` (width, height) lies in a picture of `shape` (H, W): beside its box, above or below.

    The first of these that is in the picture and on no other box nor tag; else on no tag; else above, pushed into the
    picture: of a box that fills it, into its corner.
    """
    places = list(_beside(box, size))
    inside = [one for one in places if one[0] >= 0 and one[1] >= 0 and one[2] <= shape[1] and one[3] <= shape[0]]
    free = [one for one in inside if not any(_meet(one, other) for other in placed)]
    clear = [one for one in free if not any(_meet(one, other) for other in others)]
    return next(iter([*clear, *free]), _pushed_in(places[2], shape))


def _beside(box: Box, size: tuple[int, int]) -> Iterator[Box]:
    """Right and left first: discs are flat and lie one above the other."""
    (x0, y0, x1, y1), (width, height) = box, size
    middle = (y0 + y1 - height) // 2
    for left, top in ((x1 + 1, middle), (x0 - width - 1, middle), (x0, y0 - height - 1), (x0, y1 + 1)):
        yield left, top, left + width, top + height


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _pushed_in(tag: Box, shape: tuple[int, ...]) -> Box:
    x0, y0, x1, y1 = tag
    left, top = (max(0, min(low, side - high + low)) for low, high, side in ((x0, x1, shape[1]), (y0, y1, shape[0])))
    return left, top, left + x1 - x0, top + y1 - y0
