"""What the report shows of the members beside each other: what each adds, how they err together, what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ensemble.costs import Cost, pareto_front
from ensemble.report.plots import WIDE, Drawing
from ensemble.report.style import GREY, INK, Style, new_figure
from ensemble.results.evaluation import Estimate, Evaluation
from spine.core.words import signed
from spine.tasks import TASKS

__all__ = ["CostRow", "MemberSet", "cheapest_sets", "cost_rows", "member_drawings"]

AXES = {"ms": "ms an image", "megabytes": "MB"}  # what a row costs, and how an axis calls it


@dataclass(frozen=True)
class CostRow:
    """A row whose cost is known: `ms` an image (or None), `megabytes`, whether these are `summed` over its members, the
    headline's value, and by which cost it is on the front.
    """

    name: str
    kind: str
    ms: float | None
    megabytes: float
    summed: bool
    score: Estimate
    fronts: tuple[str, ...] = ()

    def cost(self, axis: str) -> float | None:
        """By a name of `AXES`."""
        return self.ms if axis == "ms" else self.megabytes


@dataclass(frozen=True)
class MemberSet:
    """A set of members, their names joined, with what it costs and the best score of any weights of it."""

    members: str
    ms: float
    megabytes: float
    score: float


def member_drawings(evaluation: Evaluation, styles: dict[str, Style]) -> dict[str, Drawing]:
    """The figures by name, of those that metrics.json has the numbers for."""
    drawings: dict[str, Drawing] = {}
    if any(member.shapley is not None for member in evaluation.search.member_contributions.values()):
        drawings["shapley"] = partial(_shapley, evaluation, styles)
    if evaluation.without:
        drawings["left_out"] = partial(_left_out, evaluation, styles)
    if evaluation.pairs.pairs:
        drawings["pairs"] = partial(_pairs, evaluation)
    if len(known := cost_rows(evaluation)) > 1:
        drawings["pareto"] = partial(_pareto, evaluation.headline_name, known, styles)
    return drawings


def cost_rows(evaluation: Evaluation) -> list[CostRow]:
    """The rows whose cost and headline are known."""
    rows = [
        CostRow(row.name, row.kind, cost.ms, cost.megabytes, cost.summed, score)
        for row in evaluation.rows
        if (cost := evaluation.costs.get(row.name)) and (score := row.metrics[evaluation.headline]).value is not None
    ]
    fronts = {axis: [row.name for row in _front(rows, axis)] for axis in AXES}
    return [replace(row, fronts=tuple(axis for axis in AXES if row.name in fronts[axis])) for row in rows]


def cheapest_sets(evaluation: Evaluation) -> list[MemberSet]:
    """The sets of members that no cheaper one scores as well as, by what the search knew."""
    costs = {name: Cost(cost.seconds, cost.megabytes) for name, cost in evaluation.costs.items()}
    sets = evaluation.search.scores_of_sets
    known = [
        MemberSet(members, 1000 * cost.seconds, cost.megabytes, score)
        for members, score in sets.items()
        if score is not None
        and set(members.split(" + ")) <= set(costs)
        and (cost := Cost.sum_of([costs[name] for name in members.split(" + ")])).seconds is not None
    ]
    sign = 1 if TASKS[evaluation.task].metrics.named(evaluation.search.metric).higher_is_better else -1
    numbers = pareto_front([one.ms for one in known], [sign * one.score for one in known])
    return [known[number] for number in numbers]


def _front(rows: Sequence[CostRow], axis: str) -> list[CostRow]:
    known = [(row, cost) for row in rows if (cost := row.cost(axis)) is not None]
    numbers = pareto_front([cost for _, cost in known], [row.score.value or 0.0 for row, _ in known])
    return [known[number][0] for number in numbers]


def _shapley(evaluation: Evaluation, styles: dict[str, Style]) -> Any:
    members = evaluation.search.member_contributions
    values = [member.shapley or 0.0 for member in members.values()]
    with new_figure(WIDE, 0.6 + 0.27 * len(members)) as (figure, axis):
        axis.barh(range(len(members)), values, color=[styles[name]["color"] for name in members], height=0.55)
        axis.axvline(0, color=GREY, linewidth=0.8)
        for place, value in enumerate(values):
            side = 1 if value >= 0 else -1
            axis.annotate(
                signed(value),
                (value, place),
                xytext=(4 * side, 0),
                textcoords="offset points",
                va="center",
                ha="left" if side > 0 else "right",
                fontsize=8,
            )
        axis.margins(x=0.18)
        _name_rows(axis, list(members))
        axis.set(title=f"Shapley value, {evaluation.search.split or 'validation'}", xticks=[])
        axis.spines["bottom"].set_visible(False)
    return figure


def _left_out(evaluation: Evaluation, styles: dict[str, Style]) -> Any:
    with new_figure(WIDE, 0.75 + 0.27 * len(evaluation.without)) as (figure, axis):
        for place, left_out in enumerate(evaluation.without):
            difference, colour = left_out.difference, styles[left_out.name]["color"]
            if difference.low is not None:
                axis.plot([difference.low, difference.high], [place, place], color=colour, linewidth=1.4)
            if difference.value is not None:
                axis.plot(difference.value, place, "o", color=colour, markersize=5)
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.6)
        _name_rows(axis, [left_out.name for left_out in evaluation.without])
        axis.set_title(f"{evaluation.headline_name} that is lost without it, test")
    return figure


def _name_rows(axis: Any, names: Sequence[str]) -> None:
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def _pairs(evaluation: Evaluation) -> Any:
    """Two triangles of shares, the darker the more."""
    names = [row.name for row in evaluation.members]
    side = max(1.1, 0.42 * len(names))
    with new_figure(2 * side + 3.2, side + 1.2, columns=2) as (figure, axes):
        for axis, (rate, title) in zip(
            axes, {"disagreement": "called differently", "double_fault": "both wrong"}.items(), strict=True
        ):
            _triangle(axis, names, {pair.members: getattr(pair, rate).value for pair in evaluation.pairs.pairs})
            axis.set_title(title)
    return figure


def _triangle(axis: Any, names: Sequence[str], shares: Mapping[tuple[str, ...], float | None]) -> None:
    table = np.full((len(names) - 1, len(names) - 1), np.nan)
    for (first, second), share in shares.items():
        table[names.index(second) - 1, names.index(first)] = np.nan if share is None else share
    highest = np.nanmax(table) if np.isfinite(table).any() else 1.0
    axis.imshow(table, cmap="Blues", vmin=0, vmax=2 * highest or 1.0, aspect="equal")  # never so dark as to hide ink
    for (row, column), share in np.ndenumerate(table):
        if np.isfinite(share):
            axis.text(column, row, f"{100 * share:.1f}", ha="center", va="center", fontsize=8, color="#111111")
    axis.set_xticks(range(len(names) - 1), names[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names) - 1), names[1:])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _pareto(headline: str, rows: Sequence[CostRow], styles: dict[str, Style]) -> Any:
    """The headline against each cost that is known, with the front as steps."""
    axes_shown = [axis for axis in AXES if any(row.cost(axis) is not None for row in rows)]
    height = 2.6 + 0.17 * -(-len(rows) // 3)
    with new_figure(2 * WIDE, height, columns=len(axes_shown), squeeze=False) as (figure, axes):
        for axis, cost in zip(axes.flat, axes_shown, strict=True):
            for row in rows:
                _point(axis, row, row.cost(cost), styles[row.name]["color"])
            front = _front(rows, cost)
            places, scores = [row.cost(cost) for row in front], [row.score.value for row in front]
            axis.step(places, scores, where="post", color=INK, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
            axis.set(xlabel=AXES[cost], title=headline if cost == axes_shown[0] else "")
            axis.set_xlim(left=0)
            axis.grid(color=GREY, alpha=0.25, linewidth=0.6)
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _point(axis: Any, row: CostRow, cost: float | None, colour: str) -> None:
    if cost is None:
        return
    if row.score.low is not None:
        axis.plot([cost, cost], [row.score.low, row.score.high], color=colour, linewidth=1, alpha=0.5)
    mark = "D" if row.kind == "ensemble" else "o"
    fill = "none" if row.summed else "full"
    axis.plot(cost, row.score.value, mark, color=colour, markersize=6, linestyle="none", label=row.name, fillstyle=fill)
