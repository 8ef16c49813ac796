"""How members were trained, in words: what their weights were at the start, and the settings that a reader asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from spine.training.augment.settings import Augmentation

__all__ = ["initial_weights", "training"]

Settings = Mapping[str, Any]  # a member's, in plain values, as it was trained with

_STARTS = ("weights", "encoder_weights", "backbone_weights")  # what tasks call the setting
_LOSSES = {  # of tasks whose losses are no setting
    "classification": "cross-entropy",
    "detection": "Faster R-CNN's four (score and box, of the proposals and of the detections)",
}
_MOST = ("scheme", "schedule", "warmup", "patience", "weight_decay", "label_smoothing", "class_weights", "bootstrap")
_FROZEN = {"freeze_encoder": "encoder", "freeze_backbone": "backbone"}
_OF_MEASUREMENTS = ("trees", "depth", "shrinkage", "subsample", "fewest", "l2", "class_weights")
_UNITS = {"rotation": " degrees"}
_OFF = (None, "", "none", 0, False)


def initial_weights(settings: Settings) -> str:
    """Such as `ImageNet, its other layers random numbers`, or the name of a file; "" of what has no such weights."""
    found = next((str(settings[key]) for key in _STARTS if settings.get(key)), "")
    if not found:
        return ""
    return "random numbers" if found == "none" else f"{_named(found)}, its other layers random numbers"


def _named(weights: str) -> str:
    if weights == "imagenet":
        return "ImageNet"
    path = PurePath(weights.replace("\\", "/"))
    return "/".join(path.parts[-3::2]) if path.parent.name == "members" else path.name


def training(task: str, settings: Settings) -> str:
    """Such as `loss cross-entropy, optimizer adam, learning rate 0.001, at most 35 epochs, ...`; "" where none is told.

    Values that are off are left out, but for the augmentation.
    """
    if settings.get("network") == "measurements":
        return ", ".join([f"model {settings.get('model')}".replace("_", " "), *_told(settings, _OF_MEASUREMENTS)])
    if "epochs" not in settings:
        return ""
    loss = settings.get("loss") or _LOSSES.get(task, "")
    known = [
        f"loss {loss}" if loss else "",
        *_optimizer(settings),
        *_told(settings, ("learning_rate",)),
        f"at most {settings['epochs']} epochs",
        *_frozen(settings),
        *_told(settings, ("batch", *_MOST)),
        _augmentation(settings.get("augmentation") or {}),
    ]
    return ", ".join(filter(None, known))


def _optimizer(settings: Settings) -> Iterator[str]:
    if name := settings.get("optimizer"):
        yield f"optimizer {name}"
        if name != "adam":
            yield from _told(settings, ("momentum",))


def _frozen(settings: Settings) -> Iterator[str]:
    """What was held still at first, and what the second phase of a classifier from weights is."""
    for key, part in _FROZEN.items():
        if settings.get(key):
            yield f"the {part} frozen in the first {settings[key]}"
    if settings.get("weights", "none") != "none" and "fine_tuning" in settings:
        yield "the base frozen"
        if tuning := settings["fine_tuning"]:
            yield f"then fine tuning of it ({', '.join(_told(tuning, tuple(tuning)))})"


def _told(settings: Settings, keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        if (value := settings.get(key)) not in _OFF:
            yield f"{key.replace('_', ' ')} {_value(value)}"


def _augmentation(given: Settings | str) -> str:
    """What was drawn from, each with its bounds; a number is the greatest value, or a chance."""
    if isinstance(given, str):
        return f"augmentation {given}"
    off = Augmentation().model_dump(mode="json")
    told = [
        f"{key.replace('_', ' ')} {_value(value)}{_UNITS.get(key, '')}"
        for key, value in given.items()
        if value != off.get(key)
    ]
    return f"augmentation: {', '.join(told)}" if told else "no augmentation"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " to ".join(f"{one:g}" for one in value)
    if isinstance(value, Mapping):
        return " and ".join(f"{name} {_value(one)}" for name, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
