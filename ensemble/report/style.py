"""How every figure looks: one ink, one colour a member, light and dark alike."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "DPI", "GREY", "INK", "Style", "as_png", "as_svg", "new_figure", "styles_of"]

INK = "#1b1f24"  # in SVG it becomes the page's text colour, so that a figure follows light and dark
GREY = "#8a9099"
COLOURS = (
    *("#4477aa", "#cc6677", "#228833", "#b8902d", "#44a5b8", "#aa3377"),
    *("#b8622d", "#7766cc", "#6f8f3f", "#996655"),
)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))  # after ten members the colours repeat in another dash

DPI = 160  # of PNG

DOTS = ((0, (1, 1.5)), (0, (6, 2, 1, 2)))  # weights that a person gave are grey as equal ones, in other dashes

Style = dict[str, Any]

_RC: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # names of members and labels are text, dollar signs and all
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "spine",
}


def styles_of(names: Sequence[tuple[str, str]]) -> dict[str, Style]:
    """Row name -> line style, of (name, kind): a colour a member, equal and given weights grey, the ensemble ink."""
    members = [name for name, kind in names if kind == "member"]
    styles: dict[str, Style] = {
        name: {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
            "linewidth": 1.3,
        }
        for index, name in enumerate(members)
    }
    given = [name for name, kind in names if kind == "given"]
    others = {
        "equal": {"color": GREY, "linestyle": (0, (3, 2)), "linewidth": 1.3},
        "ensemble": {"color": INK, "linestyle": "-", "linewidth": 2.2},
        "postprocessed": {"color": INK, "linestyle": (0, (5, 1.5)), "linewidth": 2.2},
    }
    styles |= {name: {"color": GREY, "linestyle": dash, "linewidth": 1.3} for name, dash in zip(given, cycle(DOTS))}
    return styles | {name: others[kind] for name, kind in names if kind in others}


@contextmanager
def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1, **options: Any
) -> Iterator[tuple[Any, Any]]:
    """A figure of `width` x `height` inches and its axes, drawn without pyplot's state."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, **options)


def as_png(figure: Figure) -> bytes:
    """PNG on white, for documents."""
    stream = io.BytesIO()
    if engine := figure.get_layout_engine():
        engine.execute(figure)  # axes of equal units leave their titles room only when laid out a second time
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white")
    figure.set_layout_engine("none")  # what was laid out once is kept for the SVG
    return stream.getvalue()


def as_svg(figure: Figure) -> str:
    """An inline SVG element without a size of its own, ink replaced by the page's text colour."""
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) xmlns:xlink="[^"]*"', r"\1", text, count=1).replace("xlink:href", "href")
    return text.replace(INK, "currentColor")
