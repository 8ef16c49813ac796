"""What one member is worth on validation, by the metric that weights are searched by."""

from __future__ import annotations

from ensemble.problem_of import problem_of_split
from ensemble.split_predictions import SplitPredictions
from spine.experiment.config import Experiment
from spine.experiment.dataset import read_dataset
from spine.experiment.folds import view
from spine.experiment.stages import SearchSettings
from spine.experiment.truth import read_truth
from spine.member.member import Member
from spine.member.predict import predict_missing

__all__ = ["score_on_validation"]


def score_on_validation(experiment: Experiment, name: str) -> float:
    """The score of a trained member alone, in the units of `search.metric`, from what its SavedModel predicts.

    Of an experiment's fold, on the patients that are that fold's validation. Test is not read.
    """
    truth = read_truth(experiment, view(experiment, read_dataset(experiment)), "validation")
    member = Member.open(experiment.member_directory(name))
    predict_missing([member], {"validation": truth}, experiment.measurements_directory)
    split = SplitPredictions.of(truth, {name: member}, "validation", experiment.labels)
    alone = SearchSettings(metric=experiment.search.metric, method="equal")
    problem = problem_of_split(experiment.model_copy(update={"search": alone}), split, None)
    return float(problem.objectives(alone).alone(0))
