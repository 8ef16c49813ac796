"""What an experiment says of tuning: whose settings are searched, where, for how long; which trials are cut short."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from spine.core.strict import Strict
from spine.experiment.stages import StudyURL

__all__ = ["Choices", "Dimension", "Range", "TuneSettings", "label_of"]

MOST = 10**5  # trials: more are a slip of the pen
DIGITS = 4  # of a number that is drawn: as many as anybody tells apart, so that the best settings read well

Choices = tuple[Any, ...]


class Range(Strict):
    """Numbers from `low` to `high`, both included; whole ones where the setting is a whole number."""

    low: int | float
    high: int | float
    log: bool = False  # drawn evenly on a logarithmic scale
    step: Annotated[int | float, Field(gt=0)] | None = None  # only low, low + step, ...

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and high {self.high}; give a low below high")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; leave one out")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low}; a logarithmic scale begins above 0")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if abs(steps - round(steps)) > 1e-6:
                raise ValueError(f"step {self.step} does not lead from low {self.low} to high {self.high}")
        return self

    def holds(self, value: Any) -> bool:
        """Whether a value is one of its numbers."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        return math.isclose(self.tidy(value), value, rel_tol=1e-9, abs_tol=1e-12)

    def tidy(self, number: float) -> float:
        """A number of the range as it is used and written: a step's own decimals, else DIGITS of them that count."""
        if self.step is not None:
            return float(f"{self.low + round((number - self.low) / self.step) * self.step:.10g}")
        return min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high)

    @property
    def size(self) -> float:
        """How many numbers it has, where steps make them countable."""
        return math.inf if self.step is None else round((self.high - self.low) / self.step) + 1


Dimension = Range | Choices
_Dimension = Annotated[  # a mapping is told as a range that is wrong, and not as a wrong list besides
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("list")],
    Discriminator(lambda given: "range" if isinstance(given, (Mapping, Range)) else "list"),
]


class TuneSettings(Strict):
    """The search for a member's settings: each trial trains it once, and is judged on validation."""

    member: str
    space: Mapping[str, _Dimension] = Field(min_length=1)  # setting, dotted where it is in a group, to its values
    trials: int = Field(default=20, ge=1, le=MOST)  # of all processes and starts together
    minutes: float | None = Field(default=None, gt=0)  # of trials, all together; none begins after that
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    watch: str = ""  # the column of history.csv that pruning goes by; empty: mAP, foreground Dice, or the loss
    grace: int = Field(default=5, ge=1, le=10**6)  # epochs before which no trial is cut short
    storage: StudyURL = ""  # URL of sqlite, journal or postgresql; empty: study.db beside the tables

    @field_validator("space", mode="before")
    @classmethod
    def _has_dimensions(cls, space: Any) -> Any:
        for name, dimension in space.items() if isinstance(space, Mapping) else ():
            if not isinstance(dimension, (Mapping, list, tuple, Range)):
                raise ValueError(f"{name} is {dimension!r}; give {{low: ..., high: ...}} or a list of values")
            if isinstance(dimension, (list, tuple)):
                _require_choices(name, dimension)
        if isinstance(space, Mapping):
            _require_apart(list(space))
        return space

    @field_validator("watch")
    @classmethod
    def _is_of_validation(cls, watch: str) -> str:
        if watch and not re.fullmatch(r"val_\w+", watch):
            raise ValueError("pruning goes by what is measured on validation: give a column that begins with val_")
        return watch

    @model_validator(mode="after")
    def _can_be_a_grid(self) -> TuneSettings:
        if self.sampler != "grid":
            return self
        if endless := [name for name in self.space if math.isinf(self._size_of(name))]:
            raise ValueError(f"sampler grid needs values that can be counted; give {endless[0]} a step, or a list")
        if self.size > MOST:
            raise ValueError(f"the grid has {self.size:,} combinations, more than {MOST:,}; take sampler tpe or random")
        return self

    @property
    def size(self) -> float:
        """How many combinations there are; infinite where a range has no step."""
        return math.prod(self._size_of(name) for name in self.space)

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Whether all of these settings are in the space."""
        return all(_holds(self.space[name], value) for name, value in settings.items())

    def _size_of(self, name: str) -> float:
        dimension = self.space[name]
        return dimension.size if isinstance(dimension, Range) else len(dimension)


def label_of(value: Any) -> str:
    """A value of a list as text, a different one for each: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _holds(dimension: Dimension, value: Any) -> bool:
    if isinstance(dimension, Range):
        return dimension.holds(value)
    return label_of(value) in map(label_of, dimension)


def _require_choices(name: str, choices: Any) -> None:
    labels = list(map(label_of, choices))
    if len(labels) < 2:
        raise ValueError(f"{name} has {len(labels)} values; give two or more, or set it in the member itself")
    if len(set(labels)) < len(labels):
        raise ValueError(f"{name} has a value twice: {', '.join(labels)}; give each once")


def _require_apart(names: list[Any]) -> None:
    """ValueError where a name is a group that another one is in."""
    for name in names:
        if inner := [other for other in names if str(other).startswith(f"{name}.")]:
            raise ValueError(f"{name} is the group that {inner[0]} is in; give only one of them")
