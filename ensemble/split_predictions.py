"""The members' stored predictions of one split beside its truth, checked to belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spine.core.files import fingerprint
from spine.core.problems import SpineError
from spine.core.refusals import as_yaml
from spine.dataset.truth import AnyTruth
from spine.member.member import Member
from spine.predictions.predictions import require_of, require_same

__all__ = ["SplitPredictions"]


@dataclass(frozen=True)
class SplitPredictions:
    """What all members said of one split: `stored` by member name, in the experiment's order, and the `truth` of it."""

    truth: AnyTruth
    stored: dict[str, Any]  # Predictions, or BoxPredictions of detection: as the truth's task has them

    @classmethod
    def of(
        cls, truth: AnyTruth, members: Mapping[str, Member], split: str, labels: tuple[str, ...]
    ) -> SplitPredictions:
        """Open every member's predictions of `split`; SpineError where they are stale, disagree, or miss the truth.

        `labels` are the experiment's.
        """
        stored = {name: member.predictions(split) for name, member in members.items()}
        require_same(stored)
        first_name, first = next(iter(stored.items()))
        if first.labels != labels:
            raise SpineError(
                f"the members have the labels {as_yaml(first.labels)}, the experiment has {as_yaml(labels)}; "
                "run `spine train EXPERIMENT` again"
            )
        if first.truth_hash != truth.hash:
            raise SpineError(
                f"the predictions of {first_name!r} were made for another truth ({first.truth_hash[:8]}) than the "
                f"dataset has now ({truth.hash[:8]}); run `spine predict EXPERIMENT` again"
            )
        require_of(truth, first_name, first)  # the others hold the same samples
        return cls(truth, stored)

    @cached_property
    def hash(self) -> str:
        """Fingerprint of the truth, its pixel spacings where distances depend on them, and of what the members said."""
        spacings = getattr(self.truth, "spacings", ())
        said = {name: predictions.hash for name, predictions in self.stored.items()}
        return fingerprint([self.truth.hash, said, *spacings])

    def to_search(self) -> tuple[Mapping[str, Any], Any]:
        """Members and truth as `search_weights` takes them: units of classification, images of the other tasks."""
        members, truth, _ = self.to_resample()
        return members, truth

    def to_resample(self) -> tuple[Mapping[str, Any], Any, np.ndarray]:
        """The same, and the patient of every unit or image."""
        return self.truth.with_units(self.stored)
