"""How training images are augmented: ranges that each image's own values are drawn from, evenly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from spine.core.refusals import as_yaml
from spine.core.strict import Strict

__all__ = ["PRESETS", "Augmentation", "Fill", "Flip", "Interval"]

Flip = Literal["horizontal_flip", "vertical_flip"]  # left and right, upside down
Fill = Literal["nearest", "constant", "reflect", "wrap"]  # constant is black


def _as_interval(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"is {as_yaml(value)}, where a number or two are expected, such as 10 or [-5, 10]")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (-abs(value), abs(value)) if is_number else value


def _as_chance(value: Any) -> Any:
    return (0.5 if value else 0.0) if isinstance(value, bool) else value


Interval = Annotated[
    tuple[float, float], BeforeValidator(_as_interval, json_schema_input_type=float | tuple[float, float])
]  # a number x means [-x, x]
Fraction = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[Fraction, BeforeValidator(_as_chance, json_schema_input_type=bool | Fraction)]  # true means one half
Mix = Annotated[float, Field(ge=0, le=100)]  # a of the Beta(a, a) that shares are drawn from; 0 does not mix

_NOTHING = (0.0, 0.0)
_LEAST = {"zoom": -0.99, "brightness": -1.0, "contrast": -1.0, "gamma": -0.99}
_MOST = {"rotation": 360.0, "shift": 1.0, "vertical_shift": 1.0, "horizontal_shift": 1.0}
_MOST |= dict.fromkeys(("zoom", "brightness", "contrast", "gamma"), 10.0)


class Augmentation(Strict):
    """Intervals to draw from, one value an image; every default changes nothing. A preset's name stands for its values.

    Values beside a preset replace its own: `{preset: mr, rotation: 5}`. In YAML a number is both directions and a pair
    is [low, high]: `rotation: 30` is `rotation: [-30, 30]`.
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
    # Greatest natural logarithm of a smooth factor on grey levels, as of a receive coil: 0.3 is 0.74 to 1.35 times.
    bias_field: Fraction = 0.0
    solarisation: Chance = 0.0  # that bright turns dark and grey turns bright, as fluid and marrow do from T2 to T1
    mixup: Mix = 0.0  # blend an image with another of its batch
    cutmix: Mix = 0.0  # paste a rectangle of another; with both, half of the images each
    probability: Fraction = (
        1.0  # that an image is moved, and, drawn apart, that its grey levels change, that it is mixed
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, raw: Any) -> Any:
        if not isinstance(raw, str) and not (isinstance(raw, Mapping) and "preset" in raw):
            return raw
        name, own = (raw, {}) if isinstance(raw, str) else (raw["preset"], {**raw})
        own.pop("preset", None)
        if not isinstance(name, str) or name not in PRESETS:
            raise ValueError(f"augmentation {name!r} is not known; give settings, or one of {', '.join(PRESETS)}")
        return {**PRESETS[name].model_dump(), **own}

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

    @property
    def mixes(self) -> bool:
        """Whether an image and its truth are mixed with another's."""
        return bool(self.mixup or self.cutmix)

    def doubts_of(self, batch: int) -> tuple[str, ...]:
        """What is asked for in vain of batches of that size."""
        if not self.mixes or batch > 1:
            return ()
        return ("mixup and cutmix mix pictures of one batch, and batch is 1, so none is mixed: give batch 2 or more",)


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
# What differs from scanner to scanner and from patient to patient, by the physics of each modality. How a patient lies
# turns a picture by some degrees; body size and field of view change its scale. None bends (`elastic`): boxes could not
# follow. A flip is in a preset only where such pictures exist. That depends on the plane, which a preset does not know:
# sagittal pictures are shown with the face to the left, so none is mirrored; axial and coronal ones are nearly the same
# left and right, so there add `horizontal_flip: true`. Head and feet never change places in a whole picture; the
# crop of one disc looks nearly alike upside down, so there `vertical_flip: true` may do.
_BY_MODALITY: Mapping[str, Mapping[str, Any]] = {
    # Grey levels of MR have no unit: a coil's sensitivity falls off smoothly with distance, echo and repetition times
    # change contrast. TorchIO's RandomBiasField has coefficients of the field's logarithm up to 0.5, and nnU-Net gammas
    # of 0.7 to 1.5 (Isensee et al. 2021); both are wider than this.
    "mr": {
        **{"rotation": 10, "zoom": 0.1, "shift": 0.05},
        **{"bias_field": 0.4, "gamma": 0.3, "contrast": 0.2, "noise": 0.03},
    },
    # Hounsfield units are calibrated: water may be 5 HU off (AAPM's Task Group 66), a third of a per cent of a bone
    # window of 1,500. Bone depends on the tube's voltage, too, so contrast changes a little. Noise changes with dose
    # and kernel; 0.03 are 45 HU of that window.
    "ct": {
        **{"rotation": 10, "zoom": 0.1, "shift": 0.05},
        **{"brightness": 0.03, "contrast": 0.1, "noise": 0.03},
    },
    # Exposure and the vendor's look-up table bend the grey levels (gamma, brightness, contrast); few photons are noise.
    # Frontal pictures are nearly symmetric, and lateral ones are taken from either side.
    "x-ray": {
        **{"rotation": 10, "zoom": 0.1, "shift": 0.05, "horizontal_flip": True},
        **{"gamma": 0.4, "brightness": 0.2, "contrast": 0.3, "noise": 0.03},
    },
}
PRESETS: Mapping[str, Augmentation] = {
    name: Augmentation.model_validate(values) for name, values in {**_PUBLISHED, **_BY_MODALITY}.items()
}
