"""The rules of a search: what each makes of the patients, how they compare where it counts, and which one serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ensemble.engine.grid.choice import SAME
from ensemble.engine.rules.cross_validation import CrossValidated, Difference, difference
from ensemble.engine.rules.rules import RULES, Evidence, Ruled
from ensemble.results.weight_rules import (
    Ahead,
    ComparedRule,
    OneSplit,
    PrunedMember,
    RuleComparison,
    RuleWeights,
    WeightShrinkage,
)
from ensemble.search_problem.resampling import Resampled
from spine.core.problems import SpineError
from spine.experiment.stages import SearchSettings

__all__ = ["RuledWeights", "WeightRules", "find_rules"]

NOT_JUDGED = "a fold of the patients leaves too few of them to choose weights on"
CHOSEN = ("exponential", "shrunk", "bagged", "penalised")  # rules whose small weights may be pruned
Optimum = Callable[[float], tuple[np.ndarray, Mapping[str, float]]]  # kappa -> weights and the fusion's thresholds


@dataclass(frozen=True)
class RuledWeights:
    """Weights (M,) with the thresholds of the fusion that go with them, and their score on so many patients."""

    weights: np.ndarray
    fusion: Mapping[str, float] = field(default_factory=dict)
    score: float = np.nan
    patients: int = 0


@dataclass(frozen=True)
class WeightRules:
    """What `find_rules` gives: the rule that is `served` and its weights, those of all rules, and how they compare.

    `share` is lambda, how far `shrunk` goes from equal weights, `served_share` how far the served rule goes, of
    `exponential` and `shrunk`, as so many `resamples` tell; `kappa` is the penalty of `penalised`. `pruned` is by the
    members' names; `one_split` are the weights of the validation split alone. `answers` are what the served rule
    said of patients that it had not seen, as the task's scorer has it, where that was found.
    """

    served: str
    weights: RuledWeights
    by_rule: Mapping[str, RuledWeights]
    share: float
    served_share: float | None
    resamples: int
    kappa: float
    comparison: RuleComparison
    pruned: Mapping[str, PrunedMember] = field(default_factory=dict)
    one_split: RuledWeights | None = None
    answers: Any = None

    def written(self, names: tuple[str, ...]) -> dict[str, Any]:
        """What weights.json has of them, with the members' names."""
        told = {
            "rules": {name: RuleWeights(**_by_name(one, names), score=one.score) for name, one in self.by_rule.items()},
            "shrinkage": WeightShrinkage(share=self.share, served=self.served_share, resamples=self.resamples),
            "kappa": self.kappa,
            "comparison": self.comparison,
            "pruned": dict(self.pruned),
        }
        if self.one_split:
            told["one_split"] = OneSplit(**_by_name(self.one_split, names), patients=self.one_split.patients)
        return told


def _by_name(ruled: RuledWeights, names: tuple[str, ...]) -> dict[str, Any]:
    return {"weights": dict(zip(names, ruled.weights.tolist(), strict=True)), "fusion": dict(ruled.fusion)}


def find_rules(
    resampled: Resampled,
    settings: SearchSettings,
    names: tuple[str, ...],
    optimum: Optimum,
    score: Callable[[RuledWeights], float],
) -> WeightRules:
    """Weights by every rule, the `optimum` of the search's own grid, and what they `score` by the task's own metric.

    SpineError where the rule that is asked for runs members that a budget forbids.
    """
    evidence, served = resampled.whole, settings.served_rule
    found = _by_rule(evidence, resampled, settings, optimum)
    by_rule = {name: replace(one, score=score(one)) for name, one in found.items()}
    chosen = by_rule[served]
    if not evidence.allows(chosen.weights):
        raise SpineError(f"the rule {served!r} gives weights that break the budget; use optimum or exponential")
    judged = CrossValidated.of(resampled.folds, resampled.fold_of)
    kept, pruned = _pruned(chosen, judged, served, names) if settings.prune else (chosen, {})
    answers = judged and _answers(judged, served, np.array([name not in pruned for name in names]))
    return WeightRules(
        served=served,
        weights=replace(kept, score=score(kept)) if pruned else chosen,
        by_rule=by_rule,
        share=evidence.shrinkage.share,
        served_share=_share_of(served, chosen.weights, evidence),
        resamples=evidence.gains.resamples,
        kappa=evidence.kappa,
        comparison=_comparison(judged, served, resampled, answers),
        pruned=pruned,
        one_split=_of_split(resampled.one_split, served),
        answers=answers,
    )


def _share_of(served: str, weights: np.ndarray, evidence: Evidence) -> float | None:
    """How far weights go from equal ones along the way to the resamples' optima; None of a rule that does not."""
    if served not in ("exponential", "shrunk"):
        return None
    way = evidence.shrinkage.mean - evidence.target
    length = float(way @ way)
    return float((weights - evidence.target) @ way) / length if length else 0.0


def _by_rule(
    evidence: Evidence, resampled: Resampled, settings: SearchSettings, optimum: Optimum
) -> dict[str, RuledWeights]:
    found = {name: _named(rule(evidence), evidence) for name, rule in RULES.items()}
    found["optimum"] = RuledWeights(*optimum(0.0))
    if settings.served_rule == "penalised" and resampled.is_coarser_than(settings):
        found["penalised"] = RuledWeights(*optimum(evidence.kappa))
    return found


def _named(ruled: Ruled, evidence: Evidence) -> RuledWeights:
    return RuledWeights(ruled.weights, evidence.gains.scorers[ruled.setting].fusion)


def _of_split(evidence: Evidence | None, served: str) -> RuledWeights | None:
    if evidence is None or not evidence.gains.is_defined:
        return None
    patients = len(set(evidence.gains.draws.patients[evidence.gains.draws.own].tolist()))
    return replace(_named(RULES[served](evidence), evidence), patients=patients)


def _pruned(
    chosen: RuledWeights, judged: CrossValidated | None, served: str, names: tuple[str, ...]
) -> tuple[RuledWeights, dict[str, PrunedMember]]:
    """Without the members of less than half an equal weight, the least first, as long as that costs nothing.

    What it costs is seen on patients that weights were not chosen on: each fold's weights without the same members.
    """
    if judged is None or served not in CHOSEN:
        return chosen, {}
    weights, pruned = chosen.weights, {}
    kept = np.ones(len(weights), dtype=bool)  # also whom all patients leave out: they saw the folds
    best = judged.gain(judged.said[served])
    for member in np.argsort(weights, kind="stable"):
        if not 0 < weights[member] < 1 / (2 * len(weights)):
            continue
        fewer = kept & (np.arange(len(weights)) != member)
        gain = judged.gain(_answers(judged, served, fewer))
        if not gain >= best - SAME:
            break
        pruned[names[member]] = PrunedMember(weight=float(weights[member]), difference=(gain - best) * judged.sign)
        kept, best = fewer, gain
    return replace(chosen, weights=_renormalised(weights, kept)), pruned


def _answers(judged: CrossValidated, served: str, kept: np.ndarray) -> Any:
    """What the served rule's weights say of patients that they were not chosen on, with those members alone."""
    ruled = judged.ruled[served]
    if all((one.weights[~kept] == 0).all() for one in ruled):
        return judged.said[served]
    return judged.joined([replace(one, weights=_renormalised(one.weights, kept)) for one in ruled])


def _renormalised(weights: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The weights of some members, to sum to 1; equal ones where these have none."""
    some = np.where(kept, weights, 0.0)
    return some / some.sum() if some.any() else kept / kept.sum()


def _comparison(judged: CrossValidated | None, served: str, resampled: Resampled, answers: Any) -> RuleComparison:
    if judged is None:
        return RuleComparison(why=NOT_JUDGED if resampled.folds else "")
    draws = resampled.drawn
    said = {**judged.said, served: answers}
    scores = {name: judged.scores(one, draws) for name, one in said.items()}
    rows = {
        name: ComparedRule(
            score=float(one[0]),
            from_equal=_ahead(difference(one, scores["equal"], draws)),
            from_served=_ahead(difference(one, scores[served], draws)),
        )
        for name, one in scores.items()
    }
    least = min(one.gains.resamples for one in resampled.folds)
    return RuleComparison(folds=len(resampled.folds), resamples=least, rows=rows)


def _ahead(difference: Difference) -> Ahead:
    found = difference.interval
    return Ahead(value=found.value, low=found.low, high=found.high, error=difference.error)
