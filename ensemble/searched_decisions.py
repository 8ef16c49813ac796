"""The decisions of a search: fitted on what the served rule said of the searched patients without having seen them."""

from __future__ import annotations

import numpy as np

from ensemble.decisions.fit import fit_decisions
from ensemble.evaluators.rows import fused
from ensemble.results.decisions import Decisions
from ensemble.results.found_weights import FoundWeights
from ensemble.search_problem.weight_rules import WeightRules
from ensemble.split_predictions import SplitPredictions
from spine.experiment.config import Experiment
from spine.experiment.stages import UNCHOSEN

__all__ = ["find_decisions"]

FLATTERED = (
    "Decisions were fitted on the patients that the weights were chosen on, without a fold that left them out, and "
    "look better there than on others."
)


def find_decisions(
    experiment: Experiment, split: SplitPredictions, weights: FoundWeights, rules: WeightRules | None
) -> Decisions | None:
    """What the experiment asks for, by the out-of-fold answers of the rules' cross-validation.

    Where there are none, such as of one member or with class weights, by what the `weights` make of the `split`. None
    where nothing is asked for.
    """
    settings = experiment.decide
    if settings.asks_for_nothing:
        return None
    members, truth, patients = split.to_resample()
    unseen = rules.answers if rules else None
    probabilities = fused(members, weights.of_members(members)) if unseen is None else unseen
    found = fit_decisions(settings, experiment.labels, probabilities, np.asarray(truth), np.asarray(patients))
    assert found is not None
    chosen = len(members) > 1 and weights.method not in UNCHOSEN
    notes = [*found.notes, FLATTERED] if unseen is None and chosen else found.notes
    return found.model_copy(update={"asked": settings.model_dump(mode="json"), **({"notes": notes} if notes else {})})
