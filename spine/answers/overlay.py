"""An answer drawn on its picture: classes of the mask, boxes with level, score and likeliest grades, and the warning.

For people who look at it: the picture is enlarged by a whole factor where it is small, so that words can be read, and
its grey levels are stretched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.answers.words import Beside, writer_for
from spine.core.problems import SpineError, brief
from spine.images.tint import class_colour, display_image, tinted

__all__ = ["draw_answer", "enlargement"]

_LONGEST = 900  # pixels of the longer side, from which on words fit beside discs
_MOST_LETTERS = 60  # of a word


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
    scale = enlargement(picture.shape)
    grey = display_image(picture, scale)
    mask = np.zeros((1, 1), int) if answer.mask is None else answer.mask
    canvas = tinted(grey, mask, len(answer.mask_labels) if answer.mask is not None else 1, opacity)
    return _with_words(canvas, scale, answer) if boxes else canvas


def enlargement(shape: tuple[int, ...]) -> int:
    """How many times as high and wide a picture (H, W) is drawn."""
    return max(1, round(_LONGEST / max(shape)))


def _with_words(canvas: np.ndarray, scale: int, answer: Answer) -> np.ndarray:
    """The canvas, `scale` times as large as the picture, with boxes and words."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(canvas)
    draw, colours = ImageDraw.Draw(image), _colours(answer)
    beside = []
    for finding in answer.findings:
        if finding.box is not None:
            x0, y0, x1, y1 = (scale * corner for corner in finding.box)
            colour = colours[finding.label]
            edges = (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1))  # both ends are drawn
            draw.rectangle(edges, outline=colour, width=max(1, round(max(image.size) / 500)))
            if finding.grades or finding.level:
                beside.append(Beside((x0, y0, x1, y1), (_title(finding), *_grades(finding)), colour))
    writer = writer_for(draw, image.size, beside)
    writer.write_beside(beside)
    margin = writer.height // 2
    whole = [line for finding in answer.findings if finding.box is None for line in _grades(finding)]
    writer.lines(whole, margin, margin, "white")
    doubts = ["Levels in doubt: a box may be missed."] if answer.remarks else []
    legend = [*doubts, _one_line(f"{answer.model}, version {answer.version}"), NOT_FOR_DIAGNOSIS]
    writer.lines(legend, margin, image.size[1] - writer.high(legend) - margin, "white")
    return np.asarray(image).copy()


def _colours(answer: Answer) -> dict[str, str]:
    """The colour of each label of a box: that of its class in the mask, where it is one."""
    names = dict.fromkeys(finding.label for finding in answer.findings if finding.box is not None)
    known = {label: index for index, label in enumerate(answer.mask_labels) if index}
    others = itertools.count(len(answer.mask_labels) or 1)
    return {name: class_colour(known[name] if name in known else next(others)) for name in names}


def _title(finding: Finding) -> str:
    label = _one_line(finding.label)
    name = f"{label} {finding.level}" if finding.level else label
    return name if finding.score is None else f"{name} ({float(finding.score):.0%})"


def _grades(finding: Finding) -> Iterator[str]:
    for one in finding.grades:
        yield f"{_one_line(f'{one.target}: {one.best}')} ({one.probability:.0%}{_verdict(one)})"


def _verdict(grade: Grade) -> str:
    """Short, as it stands behind the likeliest label and its probability; nothing where that label is decided."""
    if grade.is_undecided:
        return f", {grade.verdict}"
    return "" if grade.verdict in ("", grade.best) else f", decided {_one_line(grade.verdict)}"


def _one_line(text: str) -> str:
    return brief(text, _MOST_LETTERS)
