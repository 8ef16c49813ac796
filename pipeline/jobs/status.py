"""How the jobs of a run stand, by its files alone: on whatever machine, while it runs or after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.jobs.engines import records_of
from pipeline.jobs.job import SEE_ABOVE, STOPPED, Record
from pipeline.training import name_of_training
from spine.experiment.config import Experiment
from spine.experiment.folds import stages
from spine.experiment.outcomes import outcomes
from spine.experiment.trained import trained_otherwise
from spine.member.member import Member

__all__ = ["DONE", "Standing", "counted", "recorded", "standings"]

DONE = "done"


@dataclass(frozen=True)
class Standing:
    """How one job stands: `done`, `running`, `waiting`, `failed`, `stopped`, `lost` or `not begun`."""

    job: str
    state: str
    where: str = ""
    since: float = 0.0  # seconds of the epoch; 0 where nobody noted it
    note: str = ""
    failed: str = ""  # what of its work it could not do, and passed over, such as "3 studies"

    @property
    def is_whole(self) -> bool:
        """Whether it is done, and has passed nothing over."""
        return self.state == DONE and not self.failed

    def __str__(self) -> str:
        return f"{self.state}, {self.failed} failed" if self.failed else self.state


def standings(experiment: Experiment) -> list[Standing]:
    """Of each job of an experiment, in the order of its members, then of what else has a record.

    What is done tells where it was done with other settings than the experiment has now.
    """
    records = dict(_records(records_of(experiment)))
    changed = trained_otherwise(experiment)
    trained = [
        _training(name, done, records.pop(name, None), changed.get(member, ""))
        for name, member, done in _trainings(experiment)
    ]
    return [*trained, *(_by_record(name, *found) for name, found in records.items())]


def recorded(folder: Path) -> list[Standing]:
    """Of each job that has a record in a folder, by name."""
    return [_by_record(name, *found) for name, found in _records(folder)]


def _trainings(experiment: Experiment) -> Iterator[tuple[str, str, bool]]:
    """The name of each training, a member that it gives, and whether all that it gives is published."""
    trained = [part for stage in stages(experiment) for part in stage]
    seen = set()
    for member in experiment.members:
        for part in trained:
            gives = outcomes(part, member)
            directories = [outcome.directory for outcome in gives]
            if directories[0] in seen or Member.is_external(experiment.member_directory(member)):
                continue
            seen.add(directories[0])
            yield name_of_training(part, gives[0].member), member, all(map(Member.open_if_whole, directories))


def _records(folder: Path) -> Iterator[tuple[str, tuple[Record, float]]]:
    """Of each record its name, and when it last gave a sign of life."""
    for file in sorted(folder.glob("*.json")):
        if record := Record.read(file):
            yield record.name, (record, file.stat().st_mtime)


def _training(name: str, done: bool, found: tuple[Record, float] | None, changed: str) -> Standing:
    standing = _by_record(name, *found) if found else Standing(name, "not begun")
    if done and standing.state != "running":
        return Standing(name, DONE, standing.where, standing.since if standing.state == DONE else 0.0, note=changed)
    if standing.state == DONE:
        return Standing(name, "lost", standing.where, standing.since, "it ended well, and its member is gone")
    return standing


def _by_record(name: str, record: Record, alive: float) -> Standing:
    state, note = str(record.state), record.why
    if record.attempt > 1:
        note = f"attempt {record.attempt}{f'; {note}' if note else ''}"
    if state == "failed" and record.status in STOPPED:
        state = "stopped"
    if note == SEE_ABOVE:
        note = "what it said is on the terminal of its command; the same command tries again"
    if state == "running" and record.is_gone(alive):
        state, note = "lost", "; ".join(filter(None, (note, "its process is gone; run the same command again")))
    return Standing(name, state, record.host, record.since, note)


def counted(found: list[Standing]) -> Mapping[str, int]:
    """State -> how many; what is done and has passed something over is `done in part`."""
    states = [f"{one.state} in part" if one.failed else one.state for one in found]
    return {state: states.count(state) for state in dict.fromkeys(states)}
