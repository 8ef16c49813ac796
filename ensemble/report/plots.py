"""The figures of the report: curves, confusion matrices, weights, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.contenders import Contenders
from ensemble.report.style import GREY, INK, Style, as_png, as_svg, new_figure, styles_of
from ensemble.verdict import LABELS
from spine.files import atomic_file
from spine.member import Member

__all__ = ["Figures", "calibration"]

WIDE = 4.8  # inches; at these widths the text is as large as the small print of the page
SQUARE = 3.5


@dataclass(frozen=True)
class Figures:
    """Figures by name, each as SVG for the page and as PNG for documents."""

    svg: Mapping[str, str]
    png: Mapping[str, bytes]

    @classmethod
    def draw(cls, found: dict[str, Any], contenders: Contenders, members: Mapping[str, Member]) -> Figures:
        """Draw all that apply; training curves only of members that left a history.csv."""
        styles = styles_of([(row.name, row.kind) for row in contenders.rows])
        drawings: dict[str, Callable[[], Any]] = {
            "interval_auc": partial(_intervals, found, styles, "roc_auc"),
            "interval_accuracy": partial(_intervals, found, styles, "accuracy"),
            "roc": partial(_curves, contenders, styles, _roc, "false positive rate", "true positive rate"),
            "precision_recall": partial(_curves, contenders, styles, _precision_recall, "recall", "precision"),
            "calibration": partial(_calibration, contenders, styles),
            "confusion": partial(_confusion, found, "ensemble"),
            "confusion_members": partial(_confusion, found, "member"),
            "weights": partial(_weights, found, styles),
            "validation": partial(_validation, found, styles),
        }
        for name, member in members.items():
            if (member.path / "history.csv").exists():
                drawings[f"training_{name}"] = partial(_training, member.path / "history.csv", styles[name])
        drawn = {name: draw() for name, draw in drawings.items()}
        return cls(
            png={name: as_png(figure) for name, figure in drawn.items()},
            svg={name: as_svg(figure) for name, figure in drawn.items()},
        )

    def write(self, directory: Path) -> list[Path]:
        """Write the PNG files; their paths are returned."""
        paths = [directory / f"{name}.png" for name in self.png]
        for path, content in zip(paths, self.png.values(), strict=True):
            with atomic_file(path) as temporary:
                temporary.write_bytes(content)
        return paths


def calibration(truth: np.ndarray, probabilities: np.ndarray, bins: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean stated confidence and share that is right, a pair a bin of (nearly) equal counts.

    Two classes: the positive class's probability and how often it is true. More: the predicted class's. Unless
    `bins` is given, there is one for every ten units, 10 at most.
    """
    if probabilities.shape[1] == 2:
        stated, right = probabilities[:, 1], truth == 1
    else:
        stated, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    parts = np.array_split(np.argsort(stated, kind="stable"), bins or min(max(len(stated) // 10, 1), 10))
    return np.array([stated[part].mean() for part in parts]), np.array([right[part].mean() for part in parts])


def _intervals(found: dict[str, Any], styles: dict[str, Style], name: str) -> Any:
    rows = found["rows"]
    with new_figure(WIDE, 0.7 + 0.27 * len(rows)) as (figure, axis):
        for place, row in enumerate(rows):
            _interval(axis, place, row["metrics"][name], styles[row["name"]], row["kind"] == "ensemble")
        axis.set_title(LABELS[name])
        axis.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _interval(axis: Any, place: int, one: dict[str, Any], style: Style, strong: bool) -> None:
    if one["value"] is None:
        return
    if one["low"] is not None:
        axis.plot([one["low"], one["high"]], [place, place], color=style["color"], linewidth=2 if strong else 1.4)
    axis.plot(one["value"], place, "D" if strong else "o", color=style["color"], markersize=6 if strong else 5)


def _curves(contenders: Contenders, styles: dict[str, Style], curve: Any, horizontal: str, vertical: str) -> Any:
    with new_figure(SQUARE, SQUARE + 0.17 * -(-len(contenders.rows) // 2)) as (figure, axis):
        for row in contenders.rows:
            x, y = curve(contenders.values, row.probabilities)
            axis.plot(x, y, label=row.name, clip_on=False, **styles[row.name])
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel=horizontal, ylabel=vertical, aspect="equal")
        if curve is _roc:
            axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, alpha=0.6)
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _one_against_rest(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positive class, or every class against the rest pooled (micro average)."""
    if probabilities.shape[1] == 2:
        return truth == 1, probabilities[:, 1]
    return np.eye(probabilities.shape[1], dtype=bool)[truth].ravel(), probabilities.ravel()


def _roc(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import roc_curve

    positive, score = _one_against_rest(truth, probabilities)
    if positive.all() or not positive.any():
        return np.array([]), np.array([])
    return roc_curve(positive, score)[:2]


def _precision_recall(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import precision_recall_curve

    positive, score = _one_against_rest(truth, probabilities)
    if not positive.any():
        return np.array([]), np.array([])
    precision, recall, _ = precision_recall_curve(positive, score)
    return recall, precision


def _calibration(contenders: Contenders, styles: dict[str, Style]) -> Any:
    binary = len(contenders.truth.labels) == 2
    with new_figure(SQUARE, SQUARE + 0.17) as (figure, axis):
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, alpha=0.6)
        for row in (contenders.equal, contenders.ensemble):
            stated, right = calibration(contenders.values, row.probabilities)
            axis.plot(stated, right, marker="o", markersize=4, label=row.name, **styles[row.name])
        what = f"probability of {contenders.truth.labels[-1]}" if binary else "probability of the predicted class"
        axis.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel=what, ylabel="share that is true", aspect="equal")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _confusion(found: dict[str, Any], kind: str) -> Any:
    rows = [row for row in found["rows"] if row["kind"] == kind]
    columns = min(len(rows), 2)
    side = SQUARE if kind == "ensemble" else WIDE / 2
    lines = -(-len(rows) // columns)
    with new_figure(side * columns, side * lines, columns, lines, squeeze=False) as (figure, axes):
        for axis, row in zip(axes.flat, rows, strict=False):
            _matrix(axis, np.array(row["confusion"]), found["labels"], small=kind == "member")
            if kind == "member":
                axis.set_title(row["name"])
        for axis in list(axes.flat)[len(rows) :]:
            axis.set_visible(False)
    return figure


def _matrix(axis: Any, counts: np.ndarray, labels: list[str], small: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    # From transparent to blue: the ground of the page shows through in light and dark.
    blues = LinearSegmentedColormap.from_list("blues", [(0.27, 0.47, 0.67, 0.04), (0.27, 0.47, 0.67, 0.75)])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.pcolormesh(share, cmap=blues, vmin=0, vmax=1, edgecolors=GREY, linewidth=0.4)
    for (true, called), count in np.ndenumerate(counts):
        text = f"{count}" if small else f"{count}\n{100 * share[true, called]:.0f} %"
        axis.text(called + 0.5, true + 0.5, text, ha="center", va="center", fontsize=9 if small else 11)
    places = np.arange(len(labels)) + 0.5
    axis.set_xticks(places, labels, rotation=0 if len(labels) < 4 else 45, fontsize=7 if small else 9)
    axis.set_yticks(places, labels, rotation=90, va="center", fontsize=7 if small else 9)
    axis.set(xlabel="predicted", ylabel="true", aspect="equal")
    axis.invert_yaxis()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _weights(found: dict[str, Any], styles: dict[str, Style]) -> Any:
    weights = {row["name"]: row["weight"] for row in found["rows"] if row["kind"] == "member"}
    return _bars(weights, styles, "weight in the ensemble", "{:.2f}")


def _validation(found: dict[str, Any], styles: dict[str, Style]) -> Any:
    metric = found["search"]["metric"]
    return _bars(found["validation"], styles, f"{LABELS.get(metric, metric)} on validation", "{:.3f}")


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

    table = pd.read_csv(path)
    step = np.arange(1, len(table) + 1)
    pairs = [(name, f"val_{name}") for name in ("loss", "accuracy") if name in table or f"val_{name}" in table]
    with new_figure(WIDE, 2.1, columns=max(len(pairs), 1), squeeze=False) as (figure, axes):
        for axis, (own, held_out) in zip(axes.flat, pairs, strict=False):
            if own in table:
                axis.plot(step, table[own], color=GREY, linewidth=1.2, label="training")
            if held_out in table:
                axis.plot(step, table[held_out], color=style["color"], linewidth=1.8, label="validation")
            for change in _phase_starts(table):
                axis.axvline(change + 0.5, color=INK, linewidth=0.6, linestyle=(0, (2, 2)), alpha=0.6)
            axis.set(title=own, xlabel="epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes.flat[0].legend()
    return figure


def _phase_starts(table: Any) -> list[int]:
    """How many epochs lie before each change of phase."""
    if "phase" not in table:
        return []
    phase = table["phase"].to_numpy()
    return (np.flatnonzero(phase[1:] != phase[:-1]) + 1).tolist()
