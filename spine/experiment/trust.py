"""Trusting SavedModels that were not made in this project, by the word of whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from spine.experiment.config import Experiment
from spine.experiment.folds import parts, refit
from spine.member.member import Member

__all__ = ["trust", "trust_members"]


def trust_members(experiment: Experiment, show: Callable[[str], None]) -> None:
    """Trust the SavedModels of an experiment's members, and of their folds, as they are now."""
    several = [experiment, *parts(experiment), *([refit(experiment)] if experiment.folds else ())]
    trust(dict.fromkeys(one.member_directory(name) for one in several for name in experiment.members), show)


def trust(directories: Iterable[Path], show: Callable[[str], None]) -> None:
    """Trust the SavedModel of each member's directory that has one, and show those that were not trusted before."""
    for directory in directories:
        if (directory / "member.json").exists():
            member = Member.open(directory)
            if member.has_model and not member.may_run:
                member.seal()
                show(f"trusted from now on: {member.model} ({member.hash_model(member.model)[:16]})")
