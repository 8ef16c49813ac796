"""How a classifier is fitted: its network, what of it learns in each phase, its loss and its SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import keras

from classification.base_of_member import patients_of
from classification.config import Settings
from classification.data import Data
from classification.export import export, signature_of
from classification.masked import LOSS, LabelledAccuracy, LabelledLoss, masked_cross_entropy
from classification.model import PROBABILITIES, Target, base_of, build, build_together, only_of, set_trainable
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.outcomes import Outcome
from spine.member.member import Patients
from spine.training.history import History
from spine.training.keras_fitting import KerasFitting

__all__ = ["ClassifierFitting"]


@dataclass(frozen=True)
class ClassifierFitting(KerasFitting):
    """One classifier's training, by categorical cross-entropy, of one target or of several together.

    `targets` are all that the network has a head for; `of_target` is the one that is published, of several.
    """

    data_class = Data

    settings: Settings
    data: Data
    targets: Mapping[str, Target] = field(default_factory=dict)
    of_target: str = ""

    @classmethod
    def of(cls, experiment: Experiment, member: str, manifest: Manifest, seed: int, **others: Any) -> Self:
        """The training of a member on a dataset; SpineError where that holds nothing to train or to stop on."""
        targets = {one.target: Target(len(one.labels), one.ordinal) for one in experiment.siblings}
        return super().of(experiment, member, manifest, seed, targets=targets, **others)

    def outcome(self, outcome: Outcome) -> Self:
        """Of several targets, with the network of one."""
        return replace(super().outcome(outcome), of_target=outcome.experiment.target if self._has_several else "")

    def build(self, *, pretrained: bool) -> keras.Model:
        """The network of the settings."""
        settings = self.settings if pretrained else self.settings.model_copy(update={"weights": "none"})
        if self._has_several:
            return build_together(settings, self.targets)
        (target,) = self.targets.values()
        return build(settings, target.classes, ordinal=target.ordinal)

    def set_trainable(self, network: keras.Model, phase: Any) -> None:
        """The head learns, and of the base what the phase unfreezes."""
        set_trainable(network, phase.unfreeze, batch_norm=not self.settings.pretrained)

    def base_of(self, network: keras.Model) -> keras.Model:
        """What is before the head."""
        return base_of(network)

    def objective(self) -> Mapping[str, Any]:
        """Cross-entropy and accuracy; of several targets the sum of each one's, by the samples with a value of it."""
        if not self._has_several:
            return {"loss": "categorical_crossentropy", "metrics": ["accuracy"]}
        return {
            "loss": [masked_cross_entropy for _ in self.targets],
            "metrics": [[LabelledAccuracy(), LabelledLoss()] for _ in self.targets],
        }

    @property
    def class_weights(self) -> dict[int, float] | None:
        """What each class weighs in the loss."""
        return self.data.class_weights

    def best_network(self) -> keras.Model:
        """Of several targets that of the one that is published."""
        network = super().best_network()
        return only_of(network, self.of_target) if self.of_target else network

    def own_history(self, history: History) -> History:
        """Of several targets with the accuracy of the one that is published, and the losses of all by their names."""
        names = {f"{target}_{PROBABILITIES}": target for target in self.targets}
        return history.renamed(lambda column: _called(column, names, self.of_target)) if self.of_target else history

    def export(self, network: keras.Model) -> Path:
        """Publish the network."""
        return export(network, self.settings, self.directory, self.data.view)

    @property
    def details(self) -> dict[str, Any]:
        """What changes the order of the base's variables."""
        rate = self.settings.stochastic_depth
        return {} if rate is None else {"stochastic_depth": rate}

    @property
    def parts_patients(self) -> tuple[Patients, ...]:
        """Those that the member has seen whose base it starts from."""
        return patients_of(self.settings.weights)

    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The contract's, with the network's size."""
        (target,) = [self.targets[self.of_target]] if self.of_target else self.targets.values()
        return signature_of(self.settings, target.classes, self.data.view)

    @property
    def _has_several(self) -> bool:
        return len(self.targets) > 1


def _called(column: str, names: Mapping[str, str], own: str) -> str:
    """What a column of Keras' log is called where one of several targets is told of; empty where it is left out."""
    for name, target in names.items():
        validated, found, measure = column.partition(f"{name}_")
        if found and validated in ("", "val_"):
            # Keras' own loss of a head takes batches for equally large, the last one too.
            called = {
                "loss": "",
                LOSS: f"{target}_loss",
                "accuracy": "accuracy" if target == own else f"{target}_accuracy",
            }
            told = called.get(measure, f"{target}_{measure}")
            return validated + told if told else ""
    return column
