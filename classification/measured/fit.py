"""How a member that measures is fitted: its discs are measured, and scikit-learn learns of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from classification.measured.config import MeasuredSettings
from classification.measured.data import MeasuredData, by_segmenter, by_true_masks
from classification.measured.export import Measuring, ServedMeasuring, signature_of
from classification.measured.fitted import Fitted
from classification.measured.importance import importance_of
from classification.measured.learn import Rows, learn
from spine.core.files import atomic_file
from spine.dataset.truth import ClassTruth
from spine.member.measuring import Measure, measure_regions
from spine.member.member import Patients
from spine.member.serving import publish_model
from spine.training.fitting import Fitting
from spine.training.history import History
from spine.training.progress import print_line

__all__ = ["MeasuredFitting"]

MASKS = {
    "segmenter": "measured on the segmenter's masks in training, as it is served",
    "true": "measured on true masks in training; served are the segmenter's, which may differ",
}


@dataclass(frozen=True)
class MeasuredFitting(Fitting):
    """One member's training; it takes minutes at most, and one that was killed begins anew."""

    data_class = MeasuredData

    settings: MeasuredSettings
    data: MeasuredData

    def run(self, prepare_directory: Callable[[], None] = lambda: None) -> History:
        """Measure and fit, once; as `Fitting` tells."""
        measure = self._measure()
        prepare_directory()
        if not self._fitted.exists():
            self._learn(measure)
        return History.read(self.directory / "history.csv")

    def _learn(self, measure: Measure) -> None:
        train, validation = (self._rows(truth, measure) for truth in (self.data.train, self.data.validation))
        assert train is not None
        (phase,) = self.phases
        fitted, history = learn(self.settings, phase, train, validation, self.data.class_weights, self.seed)
        best = history.best
        assert best is not None
        told = {key: value for key, value in best.items() if key.endswith(("loss", "accuracy"))}
        print_line(f"{self.name} {phase.name}", "  ".join(f"{key} {value:.4f}" for key, value in told.items()))
        history.write(self.directory / "history.csv")
        if validation is not None:
            importance_of(fitted, validation, self.seed).write(self.directory)
        with atomic_file(self._fitted) as temporary:
            fitted.save_weights(temporary)

    @cached_property
    def _measuring(self) -> Measuring:
        return Measuring(self.data.segmenter)

    def _measure(self) -> Measure:
        if self.settings.masks == "true":
            return by_true_masks(self.data.mask_labels)
        return by_segmenter(self._measuring, self.data.kept)

    def _rows(self, truth: ClassTruth | None, measure: Measure) -> Rows | None:
        if truth is None:
            return None
        return Rows(measure_regions(truth.regions, measure, f"{self.name} measures"), truth.values)

    @property
    def _fitted(self) -> Path:
        """What was learned, as plain arrays; written last of all."""
        return self.directory / "fitted.npz"

    def best_epoch(self) -> int:
        """The round whose model is published."""
        best = History.read(self.directory / "history.csv").best
        assert best is not None
        return int(best["epoch"])

    def best_network(self) -> Fitted:
        """The fitted model."""
        return Fitted.read(self.settings.model, self._fitted)

    def export(self, network: Fitted) -> Path:
        """Publish it with the segmenter that feeds it."""
        return publish_model(ServedMeasuring(self._measuring, network), self.directory)

    def signature(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The contract's."""
        return signature_of(len(self.data.labels))

    @property
    def details(self) -> dict[str, Any]:
        """What it measures on."""
        segmenter = self.data.segmenter
        return {"segmenter": segmenter.name, "masks": MASKS[self.settings.masks]}

    @property
    def parts_patients(self) -> tuple[Patients, ...]:
        """Those that the segmenter has seen."""
        return (self.data.segmenter.card.patients,)
