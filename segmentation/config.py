"""Settings of one segmentation member; cheap to import, so `spine --help` and every config load at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from segmentation import algebra
from segmentation.architectures import ARCHITECTURES
from segmentation.encoders import ENCODERS
from spine.core.problems import SpineError
from spine.core.strict import Strict
from spine.core.words import enumerated
from spine.training import schedule
from spine.training.choices import NameIn
from spine.training.fit_settings import FitSettings
from spine.training.pretrained.pixel_scale import PixelScale, require_scale, with_scale_of_file
from spine.training.schedule import MOST_PIXELS, Count, Fraction, Positive, Schedule

if TYPE_CHECKING:
    from spine.dataset.truth import MaskTruth

__all__ = ["Patches", "Phase", "Settings"]

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Phase(schedule.Phase):
    """A stretch of epochs with one schedule; the encoder learns in it or is frozen."""

    encoder_learns: bool


class Patches(Strict):
    """How a member trains at the pictures' own resolution: on patches of them, of its height and width."""

    per_picture: Annotated[int, Field(ge=1, le=1000)] = 1  # drawn in an epoch
    foreground: Annotated[float, Field(ge=0, le=1)] = 0.33  # share that is drawn around a pixel of a class


class Settings(FitSettings):
    """One member: network, size, loss, training. For the published training see `configs/papers/`.

    `epochs` in all; the encoder is frozen in the first `freeze_encoder` of them, its batch norm with it.
    """

    architecture: Annotated[str, NameIn(ARCHITECTURES, "architecture")] = "unet"
    encoder: Annotated[str, NameIn(ENCODERS, "encoder")] = "resnet34"
    encoder_weights: str = "imagenet"  # imagenet, none, or the path of a file of Keras or PyTorch
    pixel_scale: PixelScale = "own"  # of the weights; of a PyTorch file PyTorch's, unless it is given
    freeze_encoder: Annotated[int, Field(ge=0)] = 0  # epochs
    height: Annotated[int, Field(ge=32, le=MOST_PIXELS)] = 256
    width: Annotated[int, Field(ge=32, le=MOST_PIXELS)] = 256
    patches: Patches | None = None  # null: pictures are resized to height and width, and trained on whole
    normalisation: Literal["minmax", "percentile", "none"] = "minmax"
    # Of every batch norm: an encoder's own 0.999 leaves inference blind after hundreds of steps.
    batch_norm_momentum: Fraction = 0.9

    loss: str = "dice + 1.0 * focal"  # the grammar is in segmentation.algebra
    gamma: Annotated[float, Field(ge=0)] = 2.0  # of focal: how little the well-classified pixels count
    alpha: Positive = 0.25  # of focal: a factor on all of it
    class_weights: Literal["none"] | Weight | Mapping[str, Weight] = "none"  # of dice, one for all or by label
    deep_supervision: bool = (
        False  # the loss is counted at the decoder's coarser levels too, each half of the finer one
    )

    epochs: Count = 30
    learning_rate: Positive = 3e-3
    schedule: Schedule = "cosine"
    batch: Count = 8

    @field_validator("loss")
    @classmethod
    def _is_algebra(cls, text: str) -> str:
        algebra.parse(text)
        return text

    @model_validator(mode="after")
    def _has_coarser_levels(self) -> Settings:
        if self.deep_supervision and not ARCHITECTURES[self.architecture].coarse:
            able = ", ".join(name for name, one in ARCHITECTURES.items() if one.coarse)
            raise ValueError(
                f"deep_supervision needs a decoder of several levels, which {self.architecture} is not; "
                f"leave it out, or use one of {able}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _scale_of_file(cls, given: Any) -> Any:
        return with_scale_of_file(given, "encoder", "encoder_weights", ENCODERS)

    @model_validator(mode="after")
    def _may_have_any_size(self) -> Settings:
        if self.patches and not ARCHITECTURES[self.architecture].any_size:
            able = ", ".join(name for name, one in ARCHITECTURES.items() if one.any_size)
            raise ValueError(f"patches need a network of any size, which {self.architecture} is not; use one of {able}")
        if self.patches and (self.height, self.width) != self.padded_size:
            raise ValueError(
                f"height and width are {self.height} and {self.width}; the sides of patches are multiples of "
                f"{self.multiple} here, and at least {self.least_size}: give {self.padded_size[0]} and "
                f"{self.padded_size[1]}"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        inside = ENCODERS[self.encoder].scales_inside
        require_scale(self.pixel_scale, self.encoder, inside, self.encoder_weights, "encoder_weights")
        if self.encoder_weights == "imagenet" and not ENCODERS[self.encoder].imagenet:
            raise ValueError(
                f"{self.encoder} has no ImageNet weights to download; set encoder_weights to none or a file"
            )
        if self.label_smoothing and self._dice:
            raise ValueError(
                "label_smoothing gives every pixel a part of every class, together more than a small class has, and "
                f"{enumerated(self._dice)} would be of that; take cross_entropy or focal, or leave it out"
            )
        self._require_blocks(self.encoder, [name for name, encoder in ENCODERS.items() if encoder.residual])
        if self.freeze_encoder and not self.pretrained:
            raise ValueError("freeze_encoder would keep a random encoder; give encoder_weights, or set it to 0")
        if self.freeze_encoder > self.epochs:
            raise ValueError(
                f"freeze_encoder is {self.freeze_encoder} of {self.epochs} epochs; give at most all of them"
            )
        return self

    @property
    def doubts(self) -> tuple[str, ...]:
        """As of every task; weights of classes in a loss that does not weigh them."""
        doubts = super().doubts
        if not isinstance(self.class_weights, Mapping) or self._dice:
            return doubts
        return (*doubts, f"class_weights are of dice, and loss {self.loss} has none: they weigh nothing")

    @property
    def _dice(self) -> list[str]:
        """The terms of the loss that are of regions, and weigh classes."""
        return sorted({term.name for term in algebra.parse(self.loss)} & {"dice", "paper_dice"})

    def check(self, train: MaskTruth) -> None:
        """SpineError where `class_weights` does not fit the labels, or a label has no pixel."""
        from spine.experiment.foresight import require_classes

        self.weight_of_classes(train.labels)
        require_classes(train)

    @property
    def network(self) -> str:
        """Its name, such as unet-resnet34."""
        return f"{self.architecture}-{self.encoder}"

    @property
    def initial_weights(self) -> tuple[str | int | float, ...]:
        """What tells the weights that it starts from: MobileNet's published files are of a size of input, too."""
        return (self.encoder, *self.padded_size, self.encoder_weights) if self.pretrained else ()

    @property
    def pretrained(self) -> bool:
        """Whether the encoder starts from weights."""
        return self.encoder_weights != "none"

    @property
    def tunes_base(self) -> bool:
        """Whether an encoder that starts from weights learns."""
        return self.pretrained and self.freeze_encoder < self.epochs

    @property
    def multiple(self) -> int:
        """What height and width of the network's input are multiples of, in pixels."""
        return ARCHITECTURES[self.architecture].multiple

    @property
    def least_size(self) -> int:
        """The least height and width of the network's input, in pixels."""
        return ENCODERS[self.encoder].least_size

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width that the network itself reads: the settings' own, padded to its multiple."""
        least, multiple = self.least_size, self.multiple
        height, width = (math.ceil(max(size, least) / multiple) * multiple for size in (self.height, self.width))
        return height, width

    @property
    def repeats(self) -> int:
        """Times that an epoch draws each training picture: the patches of it."""
        return self.patches.per_picture if self.patches else 1

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in order: the encoder frozen, where asked, then everything."""
        frozen = Phase("frozen", self.freeze_encoder, self.learning_rate, False)
        whole = Phase("whole", self.epochs - self.freeze_encoder, self.learning_rate, True)
        return tuple(phase for phase in (frozen, whole) if phase.epochs)

    def weight_of_classes(self, labels: tuple[str, ...]) -> tuple[float, ...]:
        """What each label weighs in dice; SpineError where a mapping does not name every label, or all weigh 0."""
        given = 1.0 if self.class_weights == "none" else self.class_weights
        if not isinstance(given, Mapping):
            given = dict.fromkeys(labels, float(given))
        if set(given) != set(labels):
            raise SpineError(
                f"class_weights names {sorted(given)}; the labels are {list(labels)}, give each one a weight"
            )
        if not any(given.values()):
            raise SpineError(
                "class_weights is 0 for every label, so dice has nothing to learn; give one a weight above 0"
            )
        return tuple(given[label] for label in labels)
