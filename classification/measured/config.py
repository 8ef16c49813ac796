"""Settings of a member that measures; cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from spine.core.problems import SpineError
from spine.experiment.config import NoNetwork
from spine.measurements.roles import roles_of
from spine.training.schedule import Count, Phase, Positive

if TYPE_CHECKING:
    from spine.dataset.truth import ClassTruth
    from spine.member.member import Member, Patients

__all__ = ["MEASURED", "MeasuredSettings"]

MEASURED = "measurements"  # the network's name of such a member


class MeasuredSettings(NoNetwork):
    """One member that measures discs on a segmenter's mask, and what its model learns of the measurements by."""

    network: Literal["measurements"] = "measurements"
    segmenter: Path  # the directory of a segmentation member or ensemble; its SavedModel becomes part of this member's
    masks: Literal["segmenter", "true"] = "segmenter"  # what is measured for training; served are the segmenter's
    model: Literal["gradient_boosting", "logistic_regression"] = "gradient_boosting"
    trees: Count = 300  # rounds of boosting at most; kept are those of the lowest validation loss
    depth: Annotated[int, Field(ge=1, le=8)] = 3  # of a tree
    shrinkage: Positive = 0.03  # what each tree adds: scikit-learn's learning_rate, which networks have as well
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.5  # of the rows, drawn anew for each tree
    fewest: Count = 10  # rows in a leaf
    l2: Positive = 30.0  # of logistic regression: the penalty on its weights, 1 / C
    class_weights: Literal["none", "balanced"] | Mapping[str, Positive] = "none"

    @field_validator("masks", mode="before", json_schema_input_type=Literal["segmenter", "true", True])
    @classmethod
    def _may_be_a_truth_of_yaml(cls, masks: Any) -> Any:
        return "true" if masks is True else masks

    def check(self, train: ClassTruth) -> None:
        """SpineError where there is no such segmenter, it finds no discs, a mask to measure on is missing, or a class
        has no weight or row.
        """
        from classification.data import class_weights
        from classification.measured.data import mask_of

        if train.lost_pictures:
            raise SpineError(
                "measures discs in whole pictures, but the dataset holds crops without the pictures that they were cut "
                "out of, as older versions built them; build the dataset again with `spine data build CONFIG`"
            )
        self.opened_segmenter()
        if self.masks == "true":
            for picture in {region.picture for region in train.regions}:
                mask_of(picture)
        class_weights(self.class_weights, train.values, train.labels)

    def opened_segmenter(self, fold: int | None = None) -> Member:
        """The segmenter, and of one that was trained in folds the model of a fold; SpineError where it does not fit."""
        from spine.core.privacy import salt_id
        from spine.member.member import Member

        own = self.segmenter / f"fold-{fold}"
        member = Member.open_for(own if (own / "member.json").exists() else self.segmenter, "segmentation")
        _ = member.trusted_model
        lacking = {"disc", "vertebra"} - set(roles_of(member.card.labels))
        if lacking:
            raise SpineError(
                f"the segmenter {member.path} has the labels {', '.join(member.card.labels)}, and none that is "
                f"called {' or '.join(sorted(lacking))}; give one that segments discs and vertebrae"
            )
        if member.card.patients.salt not in ("", salt_id()):
            raise SpineError(
                f"the segmenter {member.path} hashes its patients under another salt than this project; put the "
                ".spine-salt that it was trained with back into the working directory, or train it again"
            )
        return member

    @property
    def models_within(self) -> tuple[Path, ...]:
        """The directories of the members whose SavedModels run in this one: the segmenter's, and those of its folds."""
        return (self.segmenter, *sorted(self.segmenter.glob("fold-*")))

    def models_of_fold(self, fold: int) -> dict[Path, Patients]:
        """The models that a fold's is made of, and whom each has seen: the segmenter's."""
        member = self.opened_segmenter(fold)
        return {member.path: member.card.patients}

    @property
    def made_of(self) -> str:
        """The fingerprint of the segmenter's SavedModel, empty without one: another makes another member."""
        from spine.member.member import Member

        member = Member.open_if_whole(self.segmenter)
        return member.card.model_hash if member else ""

    @property
    def shares_nothing(self) -> bool:
        """Each of several targets has a model of its own."""
        return True

    @property
    def draws_nothing(self) -> bool:
        """Whether it learns the same whatever its seed: trees draw rows and measurements."""
        return self.model == "logistic_regression"

    @property
    def batch(self) -> int:
        """All rows are learned from at once, however few."""
        return 1

    @property
    def phases(self) -> tuple[Phase, ...]:
        """One: an epoch of boosting is a round of trees."""
        rounds = self.trees if self.model == "gradient_boosting" else 1
        return (Phase(self.model, rounds, self.shrinkage),)
