"""How a network of Keras 3 is fitted, alike for every task: the settings that tasks share. Cheap to import."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spine.core.refusals import as_yaml
from spine.core.strict import Strict
from spine.training.augment import Augmentation
from spine.training.augment.settings import Flip
from spine.training.schedule import (
    Count,
    Decay,
    Fraction,
    NotNegative,
    Phase,
    Plateau,
    Schedule,
    too_long_a_warm_up,
)

__all__ = ["FitSettings"]


class FitSettings(Strict):
    """Optimizer, learning rate, stopping and regularisation; a task adds its network, its phases and its loss."""

    ALSO_KNOWN = ("seeds",)

    batch: Count  # pictures a step; each task has its default
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    momentum: Fraction = 0.9  # of sgd and rmsprop
    patience: Count = 10  # epochs of a phase without a lower validation loss
    schedule: Schedule = "constant"  # of the learning rate, in each phase
    warmup: NotNegative = 0.0  # epochs of a phase over which the rate rises from a tenth, step by step
    reduce_on_plateau: Plateau | None = None  # with a constant schedule
    # Each a member of its own: the best network of as many cycles of the last phase's cosine.
    snapshots: Annotated[int, Field(ge=1, le=100)] = 1
    snapshot: Count | None = None  # which of them this member is; set where `snapshots` becomes members
    # The rate of each of the base's stages is this times that of the stage behind it; the head's is the schedule's.
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    # What the moving average of the weights keeps of itself at a step; the averages are validated and published.
    ema: Decay | None = None
    # Of the truth in training: so much of it is spread over all classes alike; validation measures against the truth.
    label_smoothing: Fraction = 0.0
    # How often the base's last residual block is left out of a picture's step, the ones before it less; null: as it is.
    stochastic_depth: Fraction | None = None
    augmentation: Augmentation = Augmentation()
    test_time: tuple[Flip, ...] = ()  # the member answers the mean over a picture and these flips of it
    mixed_precision: bool = False

    @model_validator(mode="after")
    def _flips_once(self) -> Self:
        if len(set(self.test_time)) < len(self.test_time):
            raise ValueError(f"test_time is {as_yaml(self.test_time)}; name each flip once")
        return self

    @model_validator(mode="after")
    def _plateau_fits(self) -> Self:
        if self.reduce_on_plateau and self.schedule != "constant":
            raise ValueError(
                f"schedule {self.schedule} sets every epoch's rate; set schedule to constant for reduce_on_plateau"
            )
        return self

    @model_validator(mode="after")
    def _snapshots_fit(self) -> Self:
        if self.snapshots > 1 and self.schedule != "cosine":
            raise ValueError(f"snapshots are taken of cycles of a cosine; set schedule to it, not to {self.schedule}")
        if self.snapshots > 1 and self.snapshots > (epochs := self.phases[-1].epochs):
            raise ValueError(f"snapshots is {self.snapshots}, and the last phase has {epochs} epochs; give it more")
        if self.snapshot is not None and not self.snapshot <= self.snapshots > 1:
            raise ValueError(f"snapshot is {self.snapshot} of {self.snapshots}; leave it out, and set snapshots alone")
        return self

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        """Also before a cycle starts over, whose high rate the warm-up would take."""
        if not self.warmup:
            return self
        *first, last = self.phases
        if over := too_long_a_warm_up(self.warmup, [*first, replace(last, cycles=self.snapshots)]):
            raise ValueError(
                f"warmup is {self.warmup:g}, and {over}, in which the rate is never reached; give it fewer epochs, or "
                "the phase more"
            )
        return self

    @model_validator(mode="after")
    def _decay_has_a_base(self) -> Self:
        if self.layer_decay != 1 and not self.tunes_base:
            raise ValueError(
                f"layer_decay is {self.layer_decay:g}, but no weights that the base starts from are tuned: they are "
                "frozen throughout, or there are none; leave it out"
            )
        return self

    def _require_blocks(self, base: str, residual: Collection[str]) -> None:
        """ValueError where stochastic depth is asked for of a base that is none of the `residual` ones."""
        if self.stochastic_depth is not None and base not in residual:
            raise ValueError(
                f"stochastic_depth is {self.stochastic_depth:g}, but {base} has no residual blocks that can be "
                f"left out; those that have: {', '.join(sorted(residual))}"
            )

    @property
    def tunes_base(self) -> bool:
        """Whether there is a phase in which a base learns that starts from weights."""
        raise NotImplementedError(f"{type(self).__name__} of a task says when its base learns")

    @property
    def doubts(self) -> tuple[str, ...]:
        """Flips at test time that no training picture has; pictures to be mixed with none."""
        unseen = sorted(flip for flip in set(self.test_time) if not getattr(self.augmentation, flip))
        flips = (
            f"test_time has {flip}, which augmentation has not; unless the pictures face both ways, a network errs on "
            f"what it never saw: give augmentation.{flip}, or leave it out of test_time"
            for flip in unseen
        )
        return (*flips, *self.augmentation.doubts_of(self.batch))

    @property
    def repeats(self) -> int:
        """Times that an epoch draws each training picture."""
        return 1

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in order."""
        raise NotImplementedError(f"{type(self).__name__} of a task says what its phases are")
