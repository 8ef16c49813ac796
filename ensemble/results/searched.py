"""What metrics.json tells of the search, and what people read of it: the rule, what it is worth, and the optimum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import StrictStr

from ensemble.results.found_weights import Contributions, FoundWeights, MemberContribution, NestedScore
from ensemble.results.scores import Number
from ensemble.results.weight_rules import PrunedMember, RuleComparison, RuleWeights, WeightShrinkage
from ensemble.results.written import Written
from spine.core.words import signed
from spine.experiment.stages import UNCHOSEN
from spine.tasks import TASKS

__all__ = ["Searched"]

AT_BOUND = "The fit ran to its bound, as where a member calls nothing wrong, which tells nothing of other patients."


class Searched(Written):
    """What weights.json tells of the search. `nested` and `contributions` are of the optimum.

    Files of older versions have no `rules`: their weights are the optimum itself.
    """

    task: StrictStr | None = None
    metric: StrictStr
    method: StrictStr | None = None
    step: Number | None = None
    score: Number | None = None
    fusion: dict[str, Number] | None = None
    split: StrictStr | None = None
    nested: NestedScore | None = None
    contributions: Contributions | None = None
    temperatures: dict[str, Number] | None = None
    rule: StrictStr | None = None
    rules: dict[str, RuleWeights] | None = None
    shrinkage: WeightShrinkage | None = None
    comparison: RuleComparison | None = None
    pruned: dict[str, PrunedMember] | None = None
    why: StrictStr | None = None

    @classmethod
    def of(cls, weights: FoundWeights) -> Self:
        """The same of the weights; null where they tell none."""
        content = weights.as_json()
        return cls.model_validate({key: content.get(key) for key in cls.model_fields})

    @property
    def member_contributions(self) -> dict[str, MemberContribution]:
        """What each member adds; nothing of a single one."""
        return self.contributions.members if self.contributions else {}

    @property
    def scores_of_sets(self) -> dict[str, float | None]:
        """The best score of every set of members, where there are few."""
        return self.contributions.sets if self.contributions else {}

    def describe(self, names: Mapping[str, str]) -> list[str]:
        """At most five lines of a sentence or two; `names` are the metrics' readable names."""
        metric = names.get(self.metric, self.metric)
        return [*filter(None, [self._unscaled]), *self._describe(metric)]

    def _describe(self, metric: str) -> list[str]:
        if self.method in UNCHOSEN:
            return [f"{self._unchosen} Score ({metric}): {_score(self.score)} on the {self.split} patients."]
        if not self.rules:
            return [f"Search score ({metric}): {_score(self.score)} on the patients it chose on{self._on_others()}"]
        optimum = self.rules.get("optimum")
        of_optimum = f"The optimum alone: {_score(optimum.score if optimum else None)} on the patients it chose on"
        lines = [self._rule, self._held(metric), self._better(metric), f"{of_optimum}{self._on_others()}"]
        return [line for line in lines if line]

    @property
    def _unscaled(self) -> str:
        """Whom no temperature could be fitted to."""
        names = [name for name, temperature in (self.temperatures or {}).items() if temperature == 1]
        return f"Without a temperature: {', '.join(names)}. {AT_BOUND}" if names else ""

    @property
    def _unchosen(self) -> str:
        return "Equal weights, not searched." if self.method == "equal" else self.why or "Weights given by hand."

    @property
    def _rule(self) -> str:
        """The rule, how far from equal weights it could go, and whom it left out."""
        pruned = ", ".join(f"{name} (weight {one.weight:.2f})" for name, one in (self.pruned or {}).items())
        told = [
            f"Weights by the rule {self.rule!r}.",
            self.shrinkage.describe() if self.shrinkage else "",
            f"Left out, since that costs nothing: {pruned}." if pruned else "",
        ]
        return " ".join(filter(None, told))

    def _held(self, metric: str) -> str:
        """What the served weights score where they were chosen, and where not."""
        chosen = f"Search score ({metric}): {_score(self.score)} on the patients it chose on."
        comparison = self.comparison or RuleComparison()
        if comparison.why:
            return f"{chosen} Rules were not compared: {comparison.why}."
        return f"{chosen} {comparison.describe(self.rule or '', metric)}".strip()

    def _better(self, metric: str) -> str:
        if not self.comparison or not self.comparison.rows or self.task not in TASKS:
            return ""
        higher = TASKS[self.task].metrics.named(self.metric).higher_is_better
        method = self.method or ""
        return self.comparison.describe_better(self.rule or "", metric, higher_is_better=higher, method=method)

    def _on_others(self) -> str:
        """How the sentence on the optimum goes on: what it is on other patients, and who did better there."""
        nested = self.nested or NestedScore()
        if not nested.resamples:
            return "; what it is on others was not estimated."
        aside = f"; {nested.left_aside}" if nested.left_aside else ""
        whom = "the optimum" if self.rules else ""
        better = nested.describe_baselines(self.task, self.metric, whom) if self.task in TASKS else ""
        return (
            f", about {nested.score:.3f} on others (optimism {signed(nested.optimism)}; {nested.resamples} "
            f"resamples, middle 95 % {nested.low:.3f} to {nested.high:.3f}{aside}). {better}"
        ).strip()


def _score(score: float | None) -> str:
    return "undefined" if score is None else f"{score:.3f}"
