"""Trusting SavedModels that were not made in this project, by the word of whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from spine.experiment.config import Experiment
from spine.experiment.folds import parts, refit
from spine.member.member import Member

__all__ = ["trust", "trust_members"]


def trust_members(experiment: Experiment, show: Callable[[str], None]) -> None:
    """Trust the SavedModels of an experiment's members, of their folds, and of what is in them, as they are now.

    What is in a member, such as the segmenter of one that measures, has to run before the member is trained.
    """
    several = [experiment, *parts(experiment), *([refit(experiment)] if experiment.folds else ())]
    own = [one.member_directory(name) for one in several for name in experiment.members]
    within = [path for settings in experiment.members.values() for path in getattr(settings, "models_within", ())]
    trust(dict.fromkeys([*own, *within]), show)


def trust(directories: Iterable[Path], show: Callable[[str], None]) -> None:
    """Trust the SavedModel of each member's directory that has one, and show those that were not trusted before."""
    for directory in directories:
        if (directory / "member.json").exists():
            member = Member.open(directory)
            if member.has_model and not member.may_run:
                member.seal()
                show(f"trusted from now on: {member.model} ({member.hash_model(member.model)[:16]})")
