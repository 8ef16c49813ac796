"""Confusion matrices: units by true and predicted label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ensemble.report.plots import SQUARE, WIDE
from ensemble.report.style import GREY, new_figure
from ensemble.results.evaluation import ClassificationEvaluation

__all__ = ["confusion", "matrix"]


def confusion(evaluation: ClassificationEvaluation, kind: str) -> Any:
    """A matrix for each row of a kind, such as "ensemble" or "member"."""
    rows = [row for row in evaluation.rows if row.kind == kind]
    columns = min(len(rows), 2)
    side = SQUARE if kind == "ensemble" else WIDE / 2
    lines = -(-len(rows) // columns)
    with new_figure(side * columns, side * lines, columns, lines, squeeze=False) as (figure, axes):
        for axis, row in zip(axes.flat, rows, strict=False):
            matrix(axis, np.array(row.confusion), evaluation.labels, small=kind == "member")
            if kind == "member":
                axis.set_title(row.name)
        for axis in list(axes.flat)[len(rows) :]:
            axis.set_visible(False)
    return figure


def matrix(axis: Any, counts: np.ndarray, labels: Sequence[str], small: bool) -> None:
    """Counts (C, C), rows true, columns predicted, on a colour that tells the share of the true label."""
    from matplotlib.colors import LinearSegmentedColormap

    # From transparent to blue: the ground of the page shows through in light and dark.
    blues = LinearSegmentedColormap.from_list("blues", [(0.27, 0.47, 0.67, 0.04), (0.27, 0.47, 0.67, 0.75)])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.pcolormesh(share, cmap=blues, vmin=0, vmax=1, edgecolors=GREY, linewidth=0.4)
    for (true, predicted), count in np.ndenumerate(counts):
        text = f"{count}" if small else f"{count}\n{100 * share[true, predicted]:.0f} %"
        axis.text(predicted + 0.5, true + 0.5, text, ha="center", va="center", fontsize=9 if small else 11)
    places = np.arange(len(labels)) + 0.5
    axis.set_xticks(places, labels, rotation=0 if len(labels) < 4 else 45, fontsize=7 if small else 9)
    axis.set_yticks(places, labels, rotation=90, va="center", fontsize=7 if small else 9)
    axis.set(xlabel="predicted", ylabel="true", aspect="equal")
    axis.invert_yaxis()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
