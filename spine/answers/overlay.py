"""An answer drawn on its picture: classes of the mask, boxes with level, score and likeliest grades, and the warning.

For people who look at it: the picture is enlarged by a whole factor where it is small, so that words can be read, and
its grey levels are stretched.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spine.answers.answer import Answer, Finding
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.core.problems import SpineError, brief
from spine.images.tint import class_colour, shown, tinted

__all__ = ["draw_answer"]

_LONGEST = 900  # pixels of the longer side, from which on words fit beside discs
_LETTER = 1 / 60  # of the longer side: how high they are
_MOST_LETTERS = 60  # of a word
_DARK = (0, 0, 0)


def draw_answer(picture: np.ndarray, answer: Answer, *, opacity: float = 0.3, boxes: bool = True) -> np.ndarray:
    """RGB (k H, k W, 3) uint8 of a picture (H, W) and what is said of it; k is a whole number from 1 on.

    `opacity` is that of the mask, from 0 (outlines only) to 1. With `boxes` they and all words are drawn, without them
    the mask alone. SpineError where the picture is not of the answer's size.
    """
    if picture.shape != (answer.height, answer.width):
        raise SpineError(
            f"the picture is {picture.shape}, the answer is about one of {(answer.height, answer.width)} (height, "
            "width); draw it on the picture that was sent"
        )
    scale = max(1, round(_LONGEST / max(picture.shape)))
    grey = shown(picture, scale)
    mask = np.zeros((1, 1), int) if answer.mask is None else answer.mask
    canvas = tinted(grey, mask, len(answer.mask_labels) if answer.mask is not None else 1, opacity)
    return _Words(canvas, scale, answer).drawn() if boxes else canvas


class _Words:
    """Boxes and words on a canvas, `scale` times as large as the picture."""

    def __init__(self, canvas: np.ndarray, scale: int, answer: Answer) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.fromarray(canvas)
        self._draw = ImageDraw.Draw(self._image)
        self._scale, self._answer = scale, answer
        self._height = max(11, round(max(self._image.size) * _LETTER))
        self._font = _font(self._height)
        names = dict.fromkeys(finding.label for finding in answer.findings if finding.box is not None)
        known = {label: index for index, label in enumerate(answer.mask_labels) if index}
        others = iter(range(len(answer.mask_labels) or 1, 10**6))
        self._colours = {name: class_colour(known[name] if name in known else next(others)) for name in names}

    def drawn(self) -> np.ndarray:
        """The canvas with all of them."""
        whole = [line for finding in self._answer.findings if finding.box is None for line in _grades(finding)]
        for finding in self._answer.findings:
            if finding.box is not None:
                self._box(finding)
        self._lines(whole, (self._height // 2, self._height // 2), "#ffffff")
        legend = [_one_line(f"{self._answer.model}, version {self._answer.version}"), NOT_FOR_DIAGNOSIS]
        bottom = self._image.size[1] - round(self._height * (1.3 * len(legend) + 0.4))
        self._lines(legend, (self._height // 2, bottom), "#ffffff")
        return np.asarray(self._image).copy()

    def _box(self, finding: Finding) -> None:
        x0, y0, x1, y1 = (self._scale * corner for corner in finding.box or ())
        colour = self._colours[finding.label]
        self._draw.rectangle(
            (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), outline=colour, width=max(1, self._height // 8)
        )
        if not (finding.grades or finding.level):
            return
        words, margin = [_title(finding), *_grades(finding)], self._height / 2
        left, room = x1 + margin, self._image.size[0] - x1 - margin
        if room < max(map(self._length, words)) and x0 > self._image.size[0] - x1:
            lines = self._packed(words, x0 - margin)
            left = max(0, x0 - margin - max(map(self._length, lines)))
        else:
            lines = self._packed(words, room)
        self._lines(lines, (round(left), round((y0 + y1) / 2 - 0.6 * self._height * len(lines))), colour)

    def _length(self, line: str) -> float:
        return float(self._draw.textlength(line, font=self._font))

    def _packed(self, words: list[str], room: float) -> list[str]:
        """As many words a line as there is room for: discs lie close, and may have many grades."""
        lines = words[:1]
        for word in words[1:]:
            longer = f"{lines[-1]}, {word}"
            lines = [*lines[:-1], longer] if self._length(longer) <= room else [*lines, word]
        return lines

    def _lines(self, lines: list[str], place: tuple[int, int], colour: str) -> None:
        step, stroke = round(1.25 * self._height), max(1, self._height // 7)
        top = max(stroke, min(place[1], self._image.size[1] - step * len(lines)))
        for number, line in enumerate(lines):
            at = (place[0], top + step * number)
            self._draw.text(at, line, font=self._font, fill=colour, stroke_width=stroke, stroke_fill=_DARK)


def _title(finding: Finding) -> str:
    label = _one_line(finding.label)
    name = f"{label} {finding.level}" if finding.level else label
    return name if finding.score is None else f"{name} ({float(finding.score):.0%})"


def _grades(finding: Finding) -> Iterator[str]:
    for one in finding.grades:
        yield _one_line(f"{one.target}: {one.best} ({one.probability:.0%})")


def _one_line(text: str) -> str:
    return brief(text, _MOST_LETTERS)


@cache
def _font(height: int) -> Any:
    """DejaVu Sans of Matplotlib, which has the letters of most languages."""
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", height)
