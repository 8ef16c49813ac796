"""What one training gives: a member, or several that are published by one network, each in a directory of its own.

An experiment with `targets` trains a member once, with a head for each target, and publishes a member a target. A
member with `snapshots` is trained once, and published as a member a snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.folds import part_hash
from spine.experiment.snapshots import of_one_training
from spine.member.member import Member

__all__ = ["Outcome", "is_trained", "outcomes"]


@dataclass(frozen=True)
class Outcome:
    """A member that a training gives: of which experiment, and under which name."""

    experiment: Experiment
    member: str

    @property
    def directory(self) -> Path:
        """Where it is published."""
        return self.experiment.member_directory(self.member)

    def config_hash(self, seen: Manifest) -> str:
        """Fingerprint of all that it depends on; `seen` is the dataset as its training sees it."""
        return part_hash(self.experiment, self.member, seen)

    def is_published(self, seen: Manifest) -> bool:
        """Whether its directory holds just this."""
        return Member.is_complete(self.directory, self.config_hash(seen))


def outcomes(experiment: Experiment, member: str) -> tuple[Outcome, ...]:
    """The members that the training of `member` gives; it runs in the directory of the first, which is published last.

    The same for each of them, so that whichever is asked for, one training makes them all. What shares nothing, such as
    a model of measurements, is trained for each target by itself.
    """
    if getattr(experiment.members[member], "shares_nothing", False):
        return (Outcome(experiment, member),)
    names = of_one_training(experiment.members, member)
    return tuple(Outcome(one, name) for one in experiment.siblings for name in names)


def is_trained(experiment: Experiment, member: str, seen: Manifest) -> bool:
    """Whether all that the training of `member` gives is published; `seen` is the dataset as that training sees it."""
    return all(outcome.is_published(seen) for outcome in outcomes(experiment, member))
