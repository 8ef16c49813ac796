"""Words beside boxes: as large as fits without one lying on another, in whatever letters they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["Beside", "Writer", "writer_for"]

_SHARES = (60, 32)  # of the picture's longer side and of its width: how high letters are
_SMALLEST = 11  # pixels
_LEAST = 0.45  # of that, where words are many
_STEP = 1.25  # from a line to the next, in letters


@dataclass(frozen=True)
class Beside:
    """What is to be written beside a box x0, y0, x1, y1 in pixels of the canvas."""

    box: tuple[float, float, float, float]
    words: tuple[str, ...]
    colour: str


@dataclass(frozen=True)
class _Note:
    lines: list[str]
    left: int
    top: int
    right: int
    bottom: int
    colour: str

    def lies_on(self, other: _Note) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


@dataclass(frozen=True)
class Writer:
    """Writes lines on a canvas of `size` (width, height), in letters of `height` pixels."""

    draw: ImageDraw
    size: tuple[int, int]
    height: int

    def lines(self, lines: Sequence[str], left: int, top: int, colour: str) -> None:
        """Write lines, the first at (left, top), with dark edges, so that they are read on bone as on air."""
        for number, line in enumerate(lines):
            at = (left, top + round(_STEP * self.height * number))
            stroke = max(1, self.height // 7)
            self.draw.text(at, line, font=_font(self.height), fill=colour, stroke_width=stroke, stroke_fill="black")

    def high(self, lines: Sequence[str]) -> int:
        """Pixels that lines take from top to bottom."""
        return round(_STEP * self.height * len(lines))

    def write_beside(self, all_of_them: Sequence[Beside]) -> None:
        """Write what is to be beside boxes."""
        for note in self._notes(all_of_them):
            self.lines(note.lines, note.left, note.top, note.colour)

    def overlaps(self, all_of_them: Sequence[Beside]) -> bool:
        """Whether words would lie on others."""
        return any(one.lies_on(other) for one, other in combinations(self._notes(all_of_them), 2))

    def _notes(self, all_of_them: Sequence[Beside]) -> list[_Note]:
        return [self._note(one) for one in all_of_them]

    def _note(self, one: Beside) -> _Note:
        (x0, y0, x1, y1), margin = one.box, self.height / 2
        left, room = x1 + margin, self.size[0] - x1 - margin
        if room < max(map(self._length, one.words)) and x0 > self.size[0] - x1:
            lines = self._packed(one.words, x0 - margin)
            left = x0 - margin - max(map(self._length, lines))
        else:
            lines = self._packed(one.words, room)
        wide, high = max(map(self._length, lines)), self.high(lines)
        left = max(0, min(left, self.size[0] - wide))
        top = max(0, min(round((y0 + y1 - high) / 2), self.size[1] - high))
        return _Note(lines, round(left), top, round(left + wide), top + high, one.colour)

    def _packed(self, words: Sequence[str], room: float) -> list[str]:
        """As many words a line as there is room for: discs lie close, and may have many grades."""
        lines = list(words[:1])
        for word in words[1:]:
            longer = f"{lines[-1]}, {word}"
            lines = [*lines[:-1], longer] if self._length(longer) <= room else [*lines, word]
        return lines

    def _length(self, line: str) -> float:
        return float(self.draw.textlength(line, font=_font(self.height)))


def writer_for(draw: ImageDraw, size: tuple[int, int], wanted: Sequence[Beside]) -> Writer:
    """The writer of the largest letters in which the words wanted do not lie on each other, or of the smallest."""
    height = max(_SMALLEST, round(min(max(size) / _SHARES[0], size[0] / _SHARES[1])))
    least = max(9, round(_LEAST * height))
    while height > least and Writer(draw, size, height).overlaps(wanted):
        height = max(least, round(0.85 * height))
    return Writer(draw, size, height)


@cache
def _font(height: int) -> Any:
    """DejaVu Sans of Matplotlib, which has the letters of most languages."""
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", height)
