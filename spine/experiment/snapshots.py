"""Snapshots of one training as members: `plain: {snapshots: 3}` stands for plain-1, plain-2 and plain-3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["members_of", "of_one_training", "training_of", "training_of_snapshot"]


def members_of(name: str, settings: Any) -> dict[str, Any]:
    """Name -> settings of the members that a member's settings stand for: itself, or one a snapshot."""
    count = getattr(settings, "snapshots", 1)
    if count == 1 or settings.snapshot is not None:
        return {name: settings}
    return {f"{name}-{k}": settings.model_copy(update={"snapshot": k}) for k in range(1, count + 1)}


def training_of(name: str, settings: Any) -> str:
    """What gives a member: `plain` of its snapshot plain-2, the member itself of any other."""
    return training_of_snapshot(name, getattr(settings, "snapshot", None))


def training_of_snapshot(name: str, snapshot: int | None) -> str:
    """The same of the snapshot's number, None of what is none."""
    return name if snapshot is None else name.removesuffix(f"-{snapshot}")


def of_one_training(members: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The members that are snapshots of the training that gives `name`, in order, or `name` alone."""
    own = members[name]
    if getattr(own, "snapshot", None) is None:
        return (name,)
    stem = training_of(name, own)
    wanted = {f"{stem}-{k}": own.model_copy(update={"snapshot": k}) for k in range(1, own.snapshots + 1)}
    found = tuple(other for other, settings in wanted.items() if members.get(other) == settings)
    return found if name in found else (name,)
