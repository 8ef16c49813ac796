"""An experiment's files at hand: each is opened once, when it is first asked for, however many parts of a stage ask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ensemble.results.evaluation import Evaluation
from ensemble.results.found_weights import FoundWeights, read_weights, require_current
from ensemble.split_predictions import SplitPredictions
from ensemble.tasks import ENSEMBLE_TASKS
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import AnyTruth
from spine.experiment.config import Experiment
from spine.experiment.dataset import read_dataset
from spine.experiment.seeds import member_of_seed
from spine.experiment.snapshots import training_of
from spine.experiment.truth import read_truth
from spine.member.member import Member

__all__ = ["ExperimentRun"]


@dataclass(frozen=True, eq=False)
class ExperimentRun:
    """What stages read of one experiment: its dataset, members, predictions, weights and evaluation.

    It shows the files as they were when they were first read, so each stage opens its own: what an earlier stage, or
    the stage itself, has written is not in the run of before.
    """

    experiment: Experiment
    _truths: dict[str, AnyTruth] = field(default_factory=dict, init=False, repr=False)
    _predictions: dict[str, SplitPredictions] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def manifest(self) -> Manifest:
        """The experiment's dataset."""
        return read_dataset(self.experiment)

    @cached_property
    def members(self) -> dict[str, Member]:
        """Name -> member, in the experiment's order; SpineError where one is not trained."""
        return {name: _opened(self.experiment, name) for name in self.experiment.members}

    def truth(self, split: str) -> AnyTruth:
        """The truth of a split of the dataset."""
        if split not in self._truths:
            self._truths[split] = read_truth(self.experiment, self.manifest, split)
        return self._truths[split]

    def predictions(self, split: str) -> SplitPredictions:
        """All members' stored predictions of a split; SpineError where they are stale, disagree, or miss the truth."""
        if split not in self._predictions:
            self._predictions[split] = SplitPredictions.of(
                self.truth(split), self.members, split, self.experiment.labels
            )
        return self._predictions[split]

    @cached_property
    def weights(self) -> FoundWeights:
        """What the search wrote, and what the experiment gives to be judged beside it.

        SpineError where it searched other members, settings or predictions than now.
        """
        weights = read_weights(self.experiment)
        require_current(weights, self.predictions(weights.split), self.experiment)
        return weights.model_copy(update={"given": self.experiment.given_weights})

    def evaluator(self, split: str) -> Any:
        """The rows of a split's leaderboard: the members, and what they give together."""
        return self.evaluator_of(self.predictions(split))

    def evaluator_of(self, split: SplitPredictions, *, alternatives: bool = False) -> Any:
        """The same of predictions that were read, such as those of another dataset; on demand with what other rules'
        weights make of the members, and what post-processing makes of the ensemble.
        """
        weights = self.weights if alternatives else self.weights.of_served_rule()
        pieces = self.experiment.postprocess.rules(self.experiment.labels) if alternatives else {}
        of_task: Any = ENSEMBLE_TASKS[self.experiment.task].evaluator
        evaluator: Any = of_task.of(split, weights, pieces) if pieces else of_task.of(split, weights)
        return replace(evaluator, ordinal=True) if self.experiment.ordinal else evaluator

    @property
    def directory(self) -> Path:
        """Where weights.json and the exported model lie."""
        return self.experiment.ensemble_directory

    def evaluation_directory(self, dataset: Path | None = None) -> Path:
        """Where metrics.json lies, of the experiment's own dataset or of another."""
        own = self.experiment.evaluation_directory
        return own.with_name(f"{own.name}-{dataset.resolve().name}") if dataset else own

    def evaluation(self, dataset: Path | None = None) -> Evaluation:
        """What the evaluate stage wrote; SpineError where it has not."""
        path = self.evaluation_directory(dataset) / "metrics.json"
        if not path.exists():
            raise SpineError(f"{path} does not exist; run `spine evaluate EXPERIMENT` first")
        evaluation: Evaluation = ENSEMBLE_TASKS[self.experiment.task].evaluator.EVALUATION.read(path)
        return evaluation


def _opened(experiment: Experiment, name: str) -> Member:
    """A member; where it is not trained, what it is to the person who wrote `snapshots` or `seeds` is told."""
    directory = experiment.member_directory(name)
    if (directory / "member.json").exists():
        return Member.open(directory)
    own = experiment.members[name]
    training = training_of(name, own)
    of = member_of_seed(training) or training
    part = ", one of its seeds," if of != name else ""
    if k := getattr(own, "snapshot", None):
        part = f", snapshot {k} of {own.snapshots},"
    raise SpineError(
        f"members.{of}: {name}{part} is not trained ({directory} has no member.json); train it with "
        "`spine train EXPERIMENT` and the same settings, or leave out what asks for it"
    )
