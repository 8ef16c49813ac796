"""How training images are augmented: ranges that each image's own values are drawn from, evenly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from spine.experiment.config import Strict

__all__ = ["PRESETS", "Augmentation", "Fill", "Interval"]

Fill = Literal["nearest", "constant", "reflect", "wrap"]  # constant is black


def _as_interval(value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (-abs(value), abs(value)) if is_number else value


def _as_chance(value: Any) -> Any:
    return (0.5 if value else 0.0) if isinstance(value, bool) else value


Interval = Annotated[tuple[float, float], BeforeValidator(_as_interval)]  # a number x means [-x, x]
Fraction = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[Fraction, BeforeValidator(_as_chance)]  # true means one half

_NOTHING = (0.0, 0.0)
_LEAST = {"zoom": -0.99, "brightness": -1.0, "contrast": -1.0, "gamma": -0.99}
_MOST = {"rotation": 360.0, "shift": 1.0, "vertical_shift": 1.0, "horizontal_shift": 1.0}
_MOST |= dict.fromkeys(("zoom", "brightness", "contrast", "gamma"), 10.0)


class Augmentation(Strict):
    """Intervals to draw from, one value an image; every default changes nothing. A preset's name stands for its values.

    In YAML a number is both directions and a pair is [low, high]: `rotation: 30` is `rotation: [-30, 30]`.
    """

    rotation: Interval = _NOTHING  # degrees, positive is counter-clockwise
    zoom: Interval = _NOTHING  # change of scale: 0.2 shows things at 0.8 to 1.2 times their size
    shift: Interval = _NOTHING  # fraction of height and of width, positive is down and right
    vertical_shift: Interval | None = None  # where it differs from `shift`
    horizontal_shift: Interval | None = None
    horizontal_flip: Chance = 0.0
    vertical_flip: Chance = 0.0
    # Largest displacement of the points of a coarse grid, as a fraction of height and width; image and mask bend alike.
    elastic: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    fill: Fill = "nearest"  # what comes in from outside the image; a mask gets background, class 0, there
    brightness: Interval = _NOTHING  # change of the factor on all grey levels
    contrast: Interval = _NOTHING  # change of the factor on grey levels' distance from their mean
    gamma: Interval = _NOTHING  # change of the exponent on grey levels
    noise: Fraction = 0.0  # greatest standard deviation of Gaussian noise; white is 1
    probability: Fraction = 1.0  # that an image is moved, and, drawn apart, that its grey levels change

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, raw: Any) -> Any:
        if not isinstance(raw, str):
            return raw
        if raw not in PRESETS:
            raise ValueError(f"augmentation {raw!r} is not known; give settings, or one of {', '.join(PRESETS)}")
        return PRESETS[raw].model_dump()

    @model_validator(mode="after")
    def _is_possible(self) -> Augmentation:
        for name, value in self:
            if not isinstance(value, tuple):
                continue
            low, high = value
            if low > high:
                raise ValueError(f"{name} is [{low}, {high}]; give [low, high] with low <= high")
            if low < _LEAST.get(name, low):
                raise ValueError(f"{name} goes down to {low}; it is a change, and {_LEAST[name]} is the least")
            if max(abs(low), abs(high)) > _MOST[name]:
                raise ValueError(f"{name} is [{low}, {high}]; at most {_MOST[name]:g} either way makes sense")
        return self

    @property
    def shifts(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Vertical and horizontal shift."""
        vertical, horizontal = self.vertical_shift, self.horizontal_shift
        return self.shift if vertical is None else vertical, self.shift if horizontal is None else horizontal

    @property
    def moves(self) -> bool:
        """Whether an affine matrix moves pixels, and with them masks and boxes; `elastic` is apart."""
        spans = (self.rotation, self.zoom, *self.shifts)
        return any(span != _NOTHING for span in spans) or bool(self.horizontal_flip or self.vertical_flip)


_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    # Sayed et al. 2025, classifiers and segmenters: "0-30°", "10-50 %" and "0-20 %" are read as sizes without a
    # direction, so both directions are drawn; the vertical shift that the paper lists and later excludes is left out.
    "sayed2025": {"rotation": 30, "brightness": 0.5, "horizontal_flip": True, "horizontal_shift": 0.2},
    # The same paper's detector, whose corners are filled black.
    "sayed2025-detector": {"rotation": 20, "brightness": 0.25, "fill": "constant"},
    # Ma et al. 2020, and the spinal cord study that prints the same numbers.
    "ma2020": {"rotation": 30, "zoom": 0.2, "horizontal_flip": True, "vertical_flip": True},
}
PRESETS = {name: Augmentation.model_validate(values) for name, values in _PUBLISHED.items()}
