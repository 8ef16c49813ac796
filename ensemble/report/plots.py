"""The figures that every task's report has: intervals, weights, validation scores, training curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.report.style import GREY, INK, Style, as_png, as_svg, new_figure
from ensemble.results.evaluation import Estimate, Evaluation
from spine.core.files import atomic_file
from spine.core.problems import one_file
from spine.member.member import Member

__all__ = ["SQUARE", "WIDE", "Drawing", "Figures", "bars_of_classes", "intervals", "shared_drawings"]

Drawing = Callable[[], Any]  # gives a matplotlib figure

WIDE = 4.8  # inches; at these widths the text is as large as the small print of the page
SQUARE = 3.5
# Columns of a history.csv that are drawn, and how they are called.
MEASURED = {
    "loss": "loss",
    "accuracy": "accuracy",
    "dice_foreground": "foreground Dice",
    "iou_foreground": "foreground IoU",
    "map50": "mAP50",
}


@dataclass(frozen=True)
class Figures:
    """Figures by name, each as SVG for the page and as PNG for documents; grids of pictures as PNG alone."""

    svg: Mapping[str, str]
    png: Mapping[str, bytes]

    @classmethod
    def draw(cls, drawings: Mapping[str, Drawing], pictures: Mapping[str, Drawing]) -> Figures:
        """Draw them all; `pictures` are those that the page shows in a table of its own."""
        drawn = {name: draw() for name, draw in drawings.items()}
        return cls(
            png={name: as_png(figure) for name, figure in drawn.items()}
            | {name: as_png(draw()) for name, draw in pictures.items()},
            svg={name: as_svg(figure) for name, figure in drawn.items()},
        )

    def write(self, directory: Path) -> list[Path]:
        """Write the PNG files; their paths are returned."""
        paths = [directory / f"{name}.png" for name in self.png]
        for path, content in zip(paths, self.png.values(), strict=True):
            with atomic_file(path) as temporary:
                temporary.write_bytes(content)
        return paths


def shared_drawings(
    evaluation: Evaluation, members: Mapping[str, Member], styles: dict[str, Style]
) -> dict[str, Drawing]:
    """Weights, validation scores, and training curves of the members that left a history.csv."""
    histories = {name: member.path / "history.csv" for name, member in members.items()}
    return {
        "weights": partial(_weights, evaluation, styles),
        "validation": partial(_validation, evaluation, styles),
        **{
            f"training_{name}": partial(_training, path, styles[name])
            for name, path in histories.items()
            if path.exists()
        },
    }


def intervals(evaluation: Evaluation, styles: dict[str, Style], name: str) -> Any:
    """One metric of every row as a point in its interval."""
    rows = evaluation.rows
    with new_figure(WIDE, 0.7 + 0.27 * len(rows)) as (figure, axis):
        for place, row in enumerate(rows):
            _interval(axis, place, row.metrics[name], styles[row.name], row.kind == "ensemble")
        axis.set_title(evaluation.names[name])
        axis.locator_params(axis="x", nbins=5)  # numbers of many digits have room beside each other
        axis.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.set_yticks(range(len(rows)), [row.name for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def bars_of_classes(
    evaluation: Evaluation, styles: dict[str, Style], labels: Sequence[str], rate: str, title: str
) -> Any:
    """Bars of the metrics `rate.label` with their intervals, a group a label, rows side by side in their order."""
    rows = evaluation.rows
    width = 0.8 / len(rows)
    with new_figure(WIDE, 2.4 + 0.17 * -(-len(rows) // 3)) as (figure, axis):
        for place, row in enumerate(rows):
            ones = [row.metrics[f"{rate}.{label}"] for label in labels]
            x = np.arange(len(labels)) + (place - (len(rows) - 1) / 2) * width
            colour = styles[row.name]["color"]
            axis.bar(x, [one.value or 0 for one in ones], 0.86 * width, color=colour, label=row.name)
            for at, one in zip(x, ones, strict=True):
                if one.low is not None:
                    axis.plot([at, at], [one.low, one.high], color=GREY, linewidth=1.1)
        axis.set_xticks(range(len(labels)), labels)
        axis.set(title=f"{title} of each class", ylim=(0, 1))
        axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        axis.tick_params(axis="x", length=0)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _interval(axis: Any, place: int, estimate: Estimate, style: Style, strong: bool) -> None:
    if estimate.value is None:
        return
    if estimate.low is not None:
        axis.plot([estimate.low, estimate.high], [place, place], color=style["color"], linewidth=2 if strong else 1.4)
    axis.plot(estimate.value, place, "D" if strong else "o", color=style["color"], markersize=6 if strong else 5)


def _weights(evaluation: Evaluation, styles: dict[str, Style]) -> Any:
    weights = {row.name: row.weight for row in evaluation.members}
    return _bars(weights, styles, "weight in the ensemble", "{:.2f}")


def _validation(evaluation: Evaluation, styles: dict[str, Style]) -> Any:
    search = evaluation.search
    title = f"{evaluation.names.get(search.metric, search.metric)}, {search.split or 'validation'}"
    before = "; members before temperatures" if search.temperatures else ""
    return _bars(evaluation.validation, styles, title + before, "{:.3f}")


def _bars(values: Mapping[str, float | None], styles: dict[str, Style], title: str, form: str) -> Any:
    names, lengths = list(values), [value or 0 for value in values.values()]
    with new_figure(WIDE, 0.5 + 0.27 * len(names)) as (figure, axis):
        axis.barh(range(len(names)), lengths, color=[styles[name]["color"] for name in names], height=0.55)
        for place, value in enumerate(values.values()):
            text = "undefined" if value is None else form.format(value)
            axis.annotate(
                text, (lengths[place], place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
        axis.set_yticks(range(len(names)), names)
        axis.set(title=title, ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.18 * (max(lengths) or 1)), xticks=[])
        axis.spines[["bottom", "left"]].set_visible(False)
        axis.tick_params(length=0)
    return figure


def _training(path: Path, style: Style) -> Any:
    import pandas as pd

    with one_file(path, "train the member again, or remove the file, for a report without its curves"):
        table = pd.read_csv(path)
        drawn = [name for name in (*MEASURED, *(f"val_{name}" for name in MEASURED)) if name in table]
        table[drawn] = table[drawn].apply(pd.to_numeric)
    step = np.arange(1, len(table) + 1)
    pairs = [(name, f"val_{name}") for name in MEASURED if name in table or f"val_{name}" in table]
    with new_figure(WIDE, 2.1, columns=max(len(pairs), 1), squeeze=False) as (figure, axes):
        for axis, (own, held_out) in zip(axes.flat, pairs, strict=False):
            if own in table:
                axis.plot(step, table[own], color=GREY, linewidth=1.2, label="training")
            if held_out in table:
                axis.plot(step, table[held_out], color=style["color"], linewidth=1.8, label="validation")
            for change in _phase_starts(table):
                axis.axvline(change + 0.5, color=INK, linewidth=0.6, linestyle=(0, (2, 2)), alpha=0.6)
            axis.set(title=MEASURED[own], xlabel="epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes.flat[0].legend()
    return figure


def _phase_starts(table: Any) -> list[int]:
    """How many epochs lie before each change of phase."""
    if "phase" not in table:
        return []
    phase = table["phase"].to_numpy()
    return (np.flatnonzero(phase[1:] != phase[:-1]) + 1).tolist()
