"""What the report shows of the rules that weights are made by: what each is worth, on searched patients and on test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from ensemble.report.plots import WIDE, Drawing
from ensemble.report.style import Style, new_figure
from ensemble.results.evaluation import Estimate, Evaluation
from ensemble.results.found_weights import ONE_SPLIT, FoundWeights
from ensemble.results.weight_rules import ComparedRule
from spine.core.words import signed
from spine.tasks import TASKS

__all__ = ["MADE", "RuleRow", "RulesShown", "TestedWeights", "rule_drawings"]

MADE: Mapping[str, str] = {  # rule -> what it makes
    "exponential": "the mean of all weights of the grid, the better one does, the more it counts",
    "shrunk": "part of the way from equal weights to the mean of the resamples' optima",
    "optimum": "the best on the searched patients",
    "equal": "the same weight for every member",
    "bagged": "the mean of the resamples' optima",
    "dropped": "the worst members left out, the others equal",
    "penalised": "the best score less a penalty on the distance from equal weights",
    ONE_SPLIT: "weights of the validation split alone",
}


@dataclass(frozen=True)
class RuleRow:
    """A rule: its `score` on the searched patients, and what it was on patients that weights were not chosen on."""

    name: str
    made: str
    is_served: bool
    score: float | None
    held: ComparedRule | None


@dataclass(frozen=True)
class TestedWeights:
    """Weights on test: the headline, and what the served ones are ahead of that; None of the served themselves.

    `patients` counts those that they were chosen on, where any were.
    """

    name: str
    made: str
    score: Estimate
    behind: Estimate | None
    patients: int | None = None


@dataclass(frozen=True)
class RulesShown:
    """What weights.json tells of the rules, and metrics.json of their weights on test."""

    weights: FoundWeights
    evaluation: Evaluation

    @classmethod
    def of(cls, weights: FoundWeights, evaluation: Evaluation) -> Self | None:
        """None where weights were made by no rule, as older versions did."""
        return cls(weights, evaluation) if weights.rules else None

    @property
    def made(self) -> str:
        """What the served rule makes."""
        return MADE.get(self.weights.rule, self.weights.rule)

    @property
    def share(self) -> str:
        """How far from equal weights the patients support going."""
        return self.weights.shrinkage.describe() if self.weights.shrinkage else ""

    @property
    def optimum(self) -> float | None:
        """The optimum's score on the searched patients."""
        return self.weights.rules["optimum"].score if "optimum" in self.weights.rules else None

    @property
    def rows(self) -> list[RuleRow]:
        """A row a rule, as weights.json has them; the served one as it is served, without what was pruned."""
        served = self.weights.rule
        return [
            RuleRow(
                name,
                MADE.get(name, ""),
                name == served,
                self.weights.score if name == served else one.score,
                self.weights.comparison.rows.get(name),
            )
            for name, one in self.weights.rules.items()
        ]

    @property
    def metric(self) -> str:
        """How people call what was searched by."""
        return self.evaluation.names.get(self.weights.metric, self.weights.metric)

    @property
    def higher_is_better(self) -> bool:
        """Whether it is."""
        return TASKS[self.evaluation.task].metrics.named(self.weights.metric).higher_is_better

    @property
    def better(self) -> str:
        """A sentence on rules that were ahead by more than the standard error."""
        return self.weights.comparison.describe_better(
            self.weights.rule,
            self.metric,
            higher_is_better=self.higher_is_better,
            method=self.weights.method,
        )

    @property
    def by_member(self) -> dict[str, Mapping[str, float]]:
        """Rule -> weights, the served one's without what was pruned, and those of one split."""
        found = {name: one.weights for name, one in self.weights.rules.items()}
        one_split = {ONE_SPLIT: self.weights.one_split.weights} if self.weights.one_split else {}
        return {**found, **({self.weights.rule: self.weights.weights} if found else {}), **one_split}

    @property
    def pruned(self) -> list[str]:
        """A sentence a member that was left out, with what that changes and what it saves."""
        weights, costs = self.weights, self.evaluation.costs
        ms = {name: costs[name].ms if name in costs else None for name in (*weights.kept, *weights.pruned)}
        known = [one for one in ms.values() if one is not None]
        return [
            f"{name}, to which the rule gave {one.weight:.2f}: {self._change(one.difference)}"
            f"{_saving(ms[name], sum(known) if len(known) == len(ms) else None)}."
            for name, one in weights.pruned.items()
        ]

    def _change(self, difference: float | None) -> str:
        """Such as "leaving it out costs nothing (AUC +0.001)"."""
        if difference is None:
            return "what leaving it out changes is undefined"
        shown = signed(difference).replace("-", "−")
        return f"leaving it out costs nothing ({self.metric} {shown})"

    @property
    def tested(self) -> list[TestedWeights]:
        """What the same members' other weights would have scored on test; empty where metrics.json does not tell."""
        others = [
            TestedWeights(one.name, MADE.get(one.name, ""), one.score, one.difference)
            for one in self.evaluation.alternatives
            if one.name != ONE_SPLIT
        ]
        return [self._served, *others, *self._equal] if others else []

    @property
    def of_one_split(self) -> list[TestedWeights]:
        """With folds, side by side: weights of one validation split, of out-of-fold predictions, and equal weights."""
        split = self.weights.one_split
        found = [one for one in self.evaluation.alternatives if one.name == ONE_SPLIT]
        if not split or not found:
            return []
        alone = TestedWeights("one validation split", "", found[0].score, found[0].difference, split.patients)
        counts = self.weights.counts
        served = TestedWeights(
            "out-of-fold predictions", "served", self._served.score, None, counts.patients if counts else None
        )
        return [alone, served, *self._equal]

    @property
    def _served(self) -> TestedWeights:
        score = self.evaluation.ensemble.metrics[self.evaluation.headline]
        return TestedWeights(self.weights.rule, self.made, score, None)

    @property
    def _equal(self) -> list[TestedWeights]:
        evaluation = self.evaluation
        equal = next(row for row in evaluation.rows if row.kind == "equal")
        ahead = [
            one.all_differences.get(evaluation.headline) for one in evaluation.comparisons if one.against == equal.name
        ]
        return [TestedWeights(equal.name, "", equal.metrics[evaluation.headline], one) for one in ahead if one]


def rule_drawings(shown: RulesShown | None, styles: dict[str, Style]) -> dict[str, Drawing]:
    """The figure of the weights by rule, where there are rules."""
    return {"weights_by_rule": partial(_weights_by_rule, shown, styles)} if shown else {}


def _saving(ms: float | None, total: float | None) -> str:
    return "" if ms is None or total is None else f" and saves {ms:.1f} of {total:.1f} ms an image"


def _weights_by_rule(shown: RulesShown, styles: dict[str, Style]) -> Any:
    """A bar a rule, from 0 to 1, a part a member."""
    bars = shown.by_member
    members = list(shown.weights.weights)
    names = {name: f"{name} (served)" if name == shown.weights.rule else name for name in bars}
    names |= {ONE_SPLIT: "one split"} if ONE_SPLIT in bars else {}
    with new_figure(WIDE, 0.8 + 0.27 * len(bars) + 0.17 * -(-len(members) // 3)) as (figure, axis):
        left = [0.0] * len(bars)
        for member in members:
            widths = [weights[member] for weights in bars.values()]
            axis.barh(range(len(bars)), widths, left=left, height=0.6, color=styles[member]["color"], label=member)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axis.set_yticks(range(len(bars)), names.values())
        axis.set(title="weights by rule", xlim=(0, 1), ylim=(len(bars) - 0.5, -0.5))
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        figure.legend(loc="outside lower center", ncols=3)
    return figure
