"""What each member is: its network, what it sees, where its weights come from, and how it was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from spine.core.words import duration
from spine.experiment.seeds import member_of_seed
from spine.experiment.snapshots import training_of_snapshot
from spine.member.member import Member
from spine.training.augment.settings import PRESETS, Augmentation
from spine.training.view import WHOLE, View

__all__ = ["MemberFacts", "MemberTable", "options_of"]

Model = TypeVar("Model", bound=BaseModel)
Settings = Mapping[str, Any]  # a member's, in plain values, as it was trained with

_ORIGINS = ("weights", "encoder_weights", "backbone_weights")  # what tasks call the setting
# Option -> its value when it is off, and what a reader is told when it is on.
_OPTIONS: Mapping[str, tuple[Any, str]] = {
    "schedule": ("constant", "{} learning rate"),
    "warmup": (0, "warm-up epochs: {:g}"),
    "reduce_on_plateau": (None, "rate falls on a plateau"),
    "layer_decay": (1, "layer decay {:g}"),
    "ema": (None, "weights averaged ({:g})"),
    "label_smoothing": (0, "label smoothing {:g}"),
    "stochastic_depth": (None, "stochastic depth {:g}"),
    "class_weights": ("none", "class weights"),
    "bootstrap": ("none", "bootstrap by {}"),
    "deep_supervision": (False, "deep supervision"),
    "mixed_precision": (False, "mixed precision"),
}
_MIXING = {"mixup": "MixUp", "cutmix": "CutMix"}


@dataclass(frozen=True)
class MemberFacts:
    """A row of the report's table of members; "" where a member does not tell."""

    name: str
    network: str
    parameters: int | None
    sees: str
    weights: str  # where they come from
    options: tuple[str, ...]  # of training, those that are on
    epochs: str


@dataclass(frozen=True)
class MemberTable:
    """A row each; options that all networks were trained with are `shared`, and in no row."""

    rows: tuple[MemberFacts, ...]
    shared: tuple[str, ...] = ()

    @classmethod
    def of(cls, members: Mapping[str, Member], trained: Mapping[str, Settings]) -> MemberTable:
        """Of the cards and the settings that members were `trained` with."""
        rows = {name: _of(name, member, trained.get(name, {})) for name, member in members.items()}
        networks = [row for name, row in rows.items() if "augmentation" in trained.get(name, {})]
        if len(networks) < 2:
            return cls(tuple(rows.values()))
        shared = tuple(one for one in networks[0].options if all(one in row.options for row in networks))
        own = {row: tuple(one for one in row.options if one not in shared) for row in rows.values()}
        return cls(tuple(replace(row, options=options) for row, options in own.items()), shared)


def _of(name: str, member: Member, settings: Settings) -> MemberFacts:
    details = member.card.details
    return MemberFacts(
        name=name,
        network=_network(member, settings),
        parameters=details.get("parameters"),
        sees=_sees(member, settings),
        weights=_origin(member, settings),
        options=(*_of_seed(name, settings.get("snapshot")), *options_of(settings), *_of_short_memory(details)),
        epochs=_epochs(details),
    )


def _network(member: Member, settings: Settings) -> str:
    if backbone := settings.get("backbone"):  # Keras names the whole of a detector by its class
        return f"Faster R-CNN, {backbone}"
    return str(member.card.details.get("network", "" if member.card.kind == "network" else member.card.kind))


def _sees(member: Member, settings: Settings) -> str:
    """Such as `96 × 160 pixels, percentile; the box grown by 50 %, stretched, grey levels of the whole picture`."""
    if masks := member.card.details.get("masks"):
        return str(masks)
    network = member.card.input.get("network") or settings
    if not {"height", "width", "normalisation"} <= set(network):
        return ""
    what = "patches of " if settings.get("patches") else ""
    size = f"{what}{network['height']} × {network['width']} pixels, {network['normalisation']} grey levels"
    view = _known(View, network.get("view", {}))
    return size if view is None or view == WHOLE else f"{size}; {_view(view)}"


def _view(view: View) -> str:
    grown = f"the box grown by {100 * view.grow:g} %" if view.grow else "the box as it is"
    shape = "stretched" if view.aspect == "stretch" else "aspect kept"
    levels = ", levels of the whole picture" if view.levels == "picture" else ""
    return f"{grown}, {shape}{levels}" + (", the slices next to it as channels" if view.slices > 1 else "")


def _origin(member: Member, settings: Settings) -> str:
    if segmenter := member.card.details.get("segmenter"):
        return f"of the segmenter {segmenter}"
    given = next((settings[key] for key in _ORIGINS if key in settings), None)
    if given is None:
        return ""
    if given == "none":
        return "random"
    frozen = ", frozen" if "fine_tuning" in settings and settings["fine_tuning"] is None else ""
    return ("ImageNet" if given == "imagenet" else Path(str(given)).name) + frozen


def _of_seed(name: str, snapshot: int | None) -> list[str]:
    of = member_of_seed(training_of_snapshot(name, snapshot))
    return [f"a seed of {of}"] if of else []


def _of_short_memory(details: Mapping[str, Any]) -> list[str]:
    return [f"batch {details['batch']}, as memory ran out"] if "batch" in details else []


def options_of(settings: Settings) -> Iterator[str]:
    """What is told of a member's settings that are off by default, and of its flips at test time."""
    for key, (off, told) in _OPTIONS.items():
        if settings.get(key, off) != off:
            yield told.format(settings[key])
    if settings.get("snapshot"):
        yield f"snapshot {settings['snapshot']} of {settings['snapshots']}"
    yield from _augmentation(settings.get("augmentation") or {})
    if flips := settings.get("test_time"):
        yield f"mean over {' and '.join(str(flip).replace('_', ' ') for flip in flips)} at test time"


def _augmentation(given: Mapping[str, Any]) -> Iterator[str]:
    augmentation = _known(Augmentation, given)
    if augmentation is None:
        return
    moved = augmentation.model_copy(update=dict.fromkeys(_MIXING, 0.0))
    preset = next((name for name, one in PRESETS.items() if one == moved), None)
    if preset is None:
        off = Augmentation()
        names = [key for key, value in moved if key not in ("fill", "probability") and value != getattr(off, key)]
        yield f"augmentation ({', '.join(name.replace('_', ' ') for name in names)})"
    elif preset != "none":
        yield f"augmentation {preset}"
    yield from (f"{told} {value:g}" for key, told in _MIXING.items() if (value := getattr(augmentation, key)))


def _known(model: type[Model], told: Any) -> Model | None:
    """None where another version told it otherwise: the page does not fail over it."""
    try:
        return model.model_validate(told)
    except ValidationError:
        return None


def _epochs(details: Mapping[str, Any]) -> str:
    """Such as `16 of 24, 3.0 min`: the epoch that is published, of how many, and how long they took."""
    if (epochs := details.get("epochs")) is None:
        return ""
    folds = details.get("fold_models") if "best_epoch" not in details else None
    told = f"{epochs} in {folds} folds" if folds else f"{details['best_epoch']} of {epochs}"
    seconds = details.get("training_seconds")
    return told if seconds is None else f"{told}, {duration(seconds)}"
