"""Settings of one classification member; cheap to import, so `spine --help` and every config load at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from classification.measured.config import MEASURED, MeasuredSettings
from classification.networks import NETWORKS
from spine.core.strict import Strict
from spine.training import schedule
from spine.training.choices import NameIn
from spine.training.fit_settings import FitSettings
from spine.training.pretrained.pixel_scale import PixelScale, require_scale, with_scale_of_file
from spine.training.schedule import MOST_PIXELS, Count, Fraction, Positive
from spine.training.view import View

if TYPE_CHECKING:
    from spine.dataset.truth import ClassTruth
    from spine.member.member import Patients

__all__ = ["FineTuning", "Head", "Phase", "Settings"]

Unfreeze = Literal["all"] | Count | Annotated[float, Field(gt=0, lt=1)]


class Head(Strict):
    """What follows the base: pooling, dense layers, dropout, and a softmax over the labels."""

    pooling: Literal["avg", "max", "flatten"] = "avg"
    dense: tuple[Count, ...] = (256, 64)
    activation: Literal["relu", "gelu", "elu", "selu", "silu", "tanh"] = "relu"
    dropout: Fraction = 0.2


class FineTuning(Strict):
    """The second phase: the last part of the base learns too, its batch norm kept frozen."""

    epochs: Count = 35
    learning_rate: Positive = 1e-4
    # Of the base's layers that hold weights, counted from its end: a number of them, a fraction, or all.
    unfreeze: Unfreeze = 0.3


@dataclass(frozen=True)
class Phase(schedule.Phase):
    """A stretch of epochs with one schedule; `unfreeze` None keeps the base frozen."""

    unfreeze: Unfreeze | None


class Settings(FitSettings):
    """One member: network, head, size, phases, regularisation. The defaults are Sayed et al. 2025 where it gives them.

    With pretrained weights there are two phases: the base frozen for `epochs`, then `fine_tuning` (null: none). With
    weights "none" there is one, `epochs` at `learning_rate` with everything trainable; `fine_tuning` does not apply.
    """

    # What is no network has settings of its own.
    OF_NETWORKS: ClassVar[Mapping[str, Any]] = {MEASURED: MeasuredSettings}

    network: Annotated[str, NameIn(NETWORKS, "network")]
    # imagenet, none, a member of the same network, or a file of the base's, of Keras or PyTorch.
    weights: str = "imagenet"
    pixel_scale: PixelScale = "own"  # of the weights; of a PyTorch file PyTorch's, unless it is given
    alpha: Positive = 1.0  # MobileNet's width; 1 elsewhere
    filters: Annotated[tuple[Count, ...], Field(min_length=1)] = (16, 32, 64, 128)  # of plain_cnn
    height: Annotated[int, Field(ge=8, le=MOST_PIXELS)] = 224
    width: Annotated[int, Field(ge=8, le=MOST_PIXELS)] = 224
    normalisation: Literal["minmax", "percentile", "none"] = "minmax"
    view: View = View()  # of a box in its picture
    head: Head = Head()

    epochs: Count = 35
    learning_rate: Positive = 1e-3
    fine_tuning: FineTuning | None = FineTuning()
    batch: Count = 5
    class_weights: Literal["none", "balanced"] | Mapping[str, Positive] = "none"
    # Of batch norm trained from scratch: Keras' own 0.99 leaves inference blind after a few hundred steps.
    batch_norm_momentum: Fraction = 0.9
    bootstrap: Literal["none", "sample", "patient"] = "none"  # bagging: drawn with replacement, for each member anew

    @model_validator(mode="before")
    @classmethod
    def _scale_of_file(cls, given: Any) -> Any:
        return with_scale_of_file(given, "network", "weights", NETWORKS)

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        network = NETWORKS[self.network]
        require_scale(self.pixel_scale, self.network, network.scales_inside, self.weights)
        self._require_blocks(self.network, [name for name, other in NETWORKS.items() if other.residual])
        if self.weights == "imagenet" and not network.imagenet:
            raise ValueError(f"{self.network} has no ImageNet weights to download; set weights to none or to a file")
        if self.alpha != 1 and not network.alphas:
            raise ValueError(f"alpha is {self.alpha}, which only a mobilenet has; leave it out for {self.network}")
        if self.weights == "imagenet" and network.alphas and self.alpha not in network.alphas:
            published = ", ".join(f"{alpha:g}" for alpha in network.alphas)
            raise ValueError(f"{self.network} has ImageNet weights for alpha {published}; received {self.alpha}")
        return self

    def check(self, train: ClassTruth) -> None:
        """SpineError where a class has no weight or row, or the view needs whole pictures."""
        from classification.data import class_weights

        self.view.of_crops(train.grow, train.lost_pictures, train.has_neighbours)
        class_weights(self.class_weights, train.values, train.labels)

    def models_of_fold(self, fold: int) -> dict[Path, Patients]:
        """The models that a fold's starts from, and whom each has seen: a member that gives its base."""
        from classification.base_of_member import patients_of

        return {Path(self.weights): patients for patients in patients_of(self.weights)}

    @property
    def initial_weights(self) -> tuple[str | int | float, ...]:
        """What tells the weights that it starts from: MobileNet's published files are of a size of input, too."""
        return (self.network, self.alpha, self.height, self.width, self.weights) if self.pretrained else ()

    @property
    def pretrained(self) -> bool:
        """Whether the base starts from weights."""
        return self.weights != "none"

    @property
    def tunes_base(self) -> bool:
        """Whether there is fine tuning."""
        return self.pretrained and self.fine_tuning is not None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in order, as told in the class."""
        if not self.pretrained:
            return (Phase("scratch", self.epochs, self.learning_rate, "all"),)
        frozen = Phase("frozen", self.epochs, self.learning_rate, None)
        if self.fine_tuning is None:
            return (frozen,)
        tuning = self.fine_tuning
        return (frozen, Phase("fine_tuning", tuning.epochs, tuning.learning_rate, tuning.unfreeze))
