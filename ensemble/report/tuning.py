"""The figures of a tuning: its course, epochs and cuts, which settings matter, and how each goes with the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ensemble.record.tuning_study import TunedTrial
from ensemble.report.plots import WIDE, Drawing
from ensemble.report.style import COLOURS, GREY, INK, new_figure
from spine.experiment.tuning import Dimension, Range, label_of

__all__ = ["TunedTrials", "tuning_drawings"]

COLUMNS = 3  # of small figures beside each other
BLUE, RED = COLOURS[:2]
MOST_LETTERS = 14  # of a value at an axis


@dataclass(frozen=True)
class TunedTrials:
    """The trials that have ended, the space they are of, and what their score and the watched value are called."""

    trials: Sequence[TunedTrial]
    space: Mapping[str, Dimension]
    title: str
    watched: str
    maximise: bool

    @property
    def complete(self) -> list[TunedTrial]:
        """Those with a score."""
        return [trial for trial in self.trials if trial.score is not None]

    @property
    def best(self) -> TunedTrial:
        """The first one of the best score."""
        sign = 1 if self.maximise else -1
        return max(self.complete, key=lambda trial: sign * (trial.score or 0))

    @property
    def scores(self) -> np.ndarray:
        """Of the complete ones."""
        return np.array([trial.score for trial in self.complete], float)


def tuning_drawings(tuned: TunedTrials, importances: Mapping[str, float]) -> dict[str, Drawing]:
    """Figures by name; there is one of importances where these are known, and one of epochs where there were any."""
    drawings: dict[str, Drawing] = {"history": partial(_history, tuned)}
    if any(trial.epochs for trial in tuned.trials):
        drawings["epochs"] = partial(_epochs, tuned)
    if importances:
        drawings["importances"] = partial(_importances, importances)
    return drawings | {"slices": partial(_slices, tuned), "parallel": partial(_parallel, tuned)}


def _history(tuned: TunedTrials) -> Any:
    """The score of each complete trial, the best so far, and at the foot those without one."""
    numbers = np.array([trial.number for trial in tuned.complete])
    so_far = (np.maximum if tuned.maximise else np.minimum).accumulate(tuned.scores)
    last = max(trial.number for trial in tuned.trials)
    with new_figure(WIDE, 2.6) as (figure, axis):
        axis.step([*numbers, last], [*so_far, so_far[-1]], where="post", color=INK, linewidth=1.2, label="best so far")
        axis.plot(numbers, tuned.scores, "o", color=BLUE, markersize=4, label="complete")
        for state, marker, colour in (("pruned", "|", GREY), ("failed", "x", RED)):
            if others := [trial.number for trial in tuned.trials if trial.state == state]:
                at = axis.get_xaxis_transform()  # x in trials, y in parts of the axis
                axis.plot(others, [0.03] * len(others), marker, color=colour, transform=at, label=state, markersize=6)
        axis.set(title=f"{tuned.title} on validation", xlabel="trial")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def _epochs(tuned: TunedTrials) -> Any:
    """The watched value of every trial by epoch: where it was cut short, and the best trial's."""
    sign = _sign_of_watched(tuned)
    with new_figure(WIDE, 2.6) as (figure, axis):
        for trial in tuned.trials:
            epochs, values = list(trial.epochs), [sign * value for value in trial.epochs.values()]
            if not epochs:
                continue
            is_best = trial.number == tuned.best.number
            style = {"color": INK, "linewidth": 2, "zorder": 3} if is_best else {"color": BLUE, "linewidth": 0.8}
            axis.plot(epochs, values, alpha=1 if is_best else 0.55, **style)
            if trial.state == "pruned":
                axis.plot(epochs[-1], values[-1], "|", color=RED, markersize=9, markeredgewidth=1.6)
        legend: dict[str, dict[str, Any]] = {
            "best trial": {"color": INK, "linewidth": 2},
            "others": {"color": BLUE, "linewidth": 1},
        }
        if any(trial.state == "pruned" for trial in tuned.trials):
            mark = {"marker": "|", "linestyle": "none", "markersize": 9, "markeredgewidth": 1.6}
            legend["cut short"] = {"color": RED, **mark}
        for label, line in legend.items():
            axis.plot([], [], label=label, **line)
        axis.set(title=f"{tuned.watched} by epoch", xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _sign_of_watched(tuned: TunedTrials) -> int:
    """What was reported is negated where the score and the watched value do not rise together."""
    return 1 if tuned.maximise != tuned.watched.endswith("loss") else -1


def _importances(importances: Mapping[str, float]) -> Any:
    with new_figure(WIDE, 0.7 + 0.27 * len(importances)) as (figure, axis):
        axis.barh(range(len(importances)), list(importances.values()), color=BLUE, height=0.55)
        for place, share in enumerate(importances.values()):
            axis.annotate(
                f"{share:.2f}", (share, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
        axis.set_yticks(range(len(importances)), list(importances))
        axis.set(title="share of how the score varies", ylim=(len(importances) - 0.5, -0.5), xticks=[], xlim=(0, 1.12))
        axis.spines[["bottom", "left"]].set_visible(False)
        axis.tick_params(length=0)
    return figure


def _slices(tuned: TunedTrials) -> Any:
    """The score against each setting."""
    columns = min(COLUMNS, len(tuned.space))
    rows = -(-len(tuned.space) // columns)
    with new_figure(2.2 * columns + 0.4, 2.2 * rows, columns, rows, squeeze=False, sharey=True) as (figure, axes):
        for axis, (name, dimension) in zip(axes.flat, tuned.space.items(), strict=False):
            places = _places(tuned.complete, name, dimension)
            axis.plot(places, tuned.scores, "o", color=BLUE, markersize=4, alpha=0.7)
            best = _places([tuned.best], name, dimension)
            axis.plot(best, [tuned.best.score], "D", color=INK, markersize=6)
            axis.set_xlabel(name)
            if isinstance(dimension, Range):
                _scale(axis, dimension)
            else:
                _tick_labels(axis, dimension)
            axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
        for axis in axes.flat[len(tuned.space) :]:
            axis.set_visible(False)
        axes[0, 0].set_title(f"{tuned.title} (diamond: the best)")
    return figure


def _scale(axis: Any, dimension: Range) -> None:
    """The whole range, with a margin, however little of it was tried."""
    low, high = float(dimension.low), float(dimension.high)
    if dimension.log:
        axis.set_xscale("log")
        margin = (high / low) ** 0.06
        axis.set_xlim(low / margin, high * margin)
    else:
        axis.set_xlim(low - 0.06 * (high - low), high + 0.06 * (high - low))
        axis.locator_params(axis="x", nbins=4)


def _tick_labels(axis: Any, dimension: Sequence[Any]) -> None:
    labels = [_short(label_of(value)) for value in dimension]
    turned = sum(map(len, labels)) > 16  # letters that have room beside each other
    axis.set_xticks(range(len(labels)), labels, rotation=30 if turned else 0, ha="right" if turned else "center")
    axis.set_xlim(-0.5, len(labels) - 0.5)


def _parallel(tuned: TunedTrials) -> Any:
    """A line a complete trial through its settings to its score, each from the least to the greatest of its axis."""
    names = list(tuned.space)
    heights = [_heights(tuned, name) for name in names]
    low, high = tuned.scores.min(), tuned.scores.max()
    scaled = (tuned.scores - low) / (high - low) if high > low else np.full(len(tuned.scores), 0.5)
    lines = np.column_stack([*heights, scaled])
    order = np.argsort(scaled if tuned.maximise else -scaled, kind="stable")  # the best ones above the others
    with new_figure(max(WIDE, 1.3 * (len(names) + 1)), 3.0) as (figure, axis):
        for number in order:
            goodness = scaled[number] if tuned.maximise else 1 - scaled[number]
            is_best = tuned.complete[number].number == tuned.best.number
            axis.plot(
                lines[number],
                color=INK if is_best else BLUE,
                linewidth=2.2 if is_best else 1,
                alpha=1 if is_best else 0.12 + 0.5 * goodness,
            )
        for place, name in enumerate([*names, tuned.title]):
            axis.axvline(place, color=GREY, linewidth=0.8)
            ends = (f"{low:.4g}", f"{high:.4g}") if place == len(names) else None
            _label_axis(axis, place, tuned.space.get(name) if ends is None else None, ends)
        axis.set_xticks(range(len(names) + 1), [*names, tuned.title], rotation=20, ha="right")
        axis.set(yticks=[], ylim=(-0.08, 1.08), xlim=(-0.3, len(names) + 0.55))
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.tick_params(length=0)
        axis.set_title("settings and score of each complete trial; dark: the best")
    return figure


def _label_axis(axis: Any, place: int, dimension: Dimension | None, ends: tuple[str, str] | None) -> None:
    """What stands at the marks of one upright axis: a range's ends, or each value of a list."""
    if isinstance(dimension, Range):
        ends = (f"{dimension.low:g}", f"{dimension.high:g}")
    if ends is not None:
        marks = dict(zip((0.0, 1.0), ends, strict=True))
    else:
        assert not isinstance(dimension, Range | None)
        marks = {number / (len(dimension) - 1): _short(label_of(value)) for number, value in enumerate(dimension)}
    for height, text in marks.items():
        behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        axis.annotate(
            text, (place, height), xytext=(3, 2), textcoords="offset points", fontsize=7, color=INK, bbox=behind
        )


def _heights(tuned: TunedTrials, name: str) -> np.ndarray:
    """Where each complete trial crosses a setting's axis, from 0 to 1."""
    dimension = tuned.space[name]
    places = np.array(_places(tuned.complete, name, dimension), float)
    if not isinstance(dimension, Range):
        return places / (len(dimension) - 1)
    low, high = float(dimension.low), float(dimension.high)
    if dimension.log:
        places, low, high = np.log(places), np.log(low), np.log(high)
    return (places - low) / (high - low)


def _places(trials: Sequence[TunedTrial], name: str, dimension: Dimension) -> list[float]:
    """A setting of each trial as a number: of a list the place of its value."""
    values = [trial.settings[name] for trial in trials]
    if isinstance(dimension, Range):
        return values
    labels = list(map(label_of, dimension))
    return [labels.index(label_of(value)) for value in values]


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
