"""The plan of an experiment: its trainings, what each reads and for how long, as rehearsed; and what they took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from pipeline.data import build_data
from pipeline.jobs.job import Record
from pipeline.planning.makespan import makespan
from pipeline.planning.rehearsals import Rehearsed, rehearse
from pipeline.training import Training, chosen_members, trainings_of
from spine.core.files import write_json
from spine.core.problems import SpineError
from spine.experiment.config import REFIT, Experiment
from spine.experiment.dataset import read_dataset
from spine.experiment.truth import read_truths
from spine.training.rehearsal import pictures_of_epoch

__all__ = ["Plan", "PlannedTraining", "make_plan"]

Show = Callable[[str], None]


@dataclass(frozen=True)
class PlannedTraining:
    """One training: pictures of an epoch, epochs of each phase at most, and what the rehearsal says of both."""

    name: str
    member: str
    learned_from: int  # pictures that an epoch draws, each as often as the member's settings repeat it
    stopped_on: int
    lengths: Mapping[str, int]  # phase -> epochs
    rehearsed: Rehearsed
    took: float | None  # seconds, where it has been run

    @property
    def pictures(self) -> float:
        """Of an epoch; one of validation counts as what it costs."""
        return pictures_of_epoch(self.learned_from, self.stopped_on)

    @property
    def epochs(self) -> int:
        """Of all phases, if none stops early."""
        return sum(self.lengths.values())

    @property
    def seconds(self) -> float:
        """The rehearsal's own, and what more epochs of more pictures take."""
        own, started = self.rehearsed.rehearsal, self.rehearsed.took
        share = self.pictures / own.pictures
        more = (
            seconds * (self.lengths.get(phase, 0) * share - own.lengths[phase])
            for phase, seconds in own.epoch_seconds.items()
        )
        return max(started + sum(more), 0.0)


@dataclass(frozen=True)
class Plan:
    """All trainings of an experiment: stages that begin when the one before has ended, such as refits after folds."""

    experiment: Experiment
    stages: tuple[tuple[PlannedTraining, ...], ...]
    left_out: tuple[str, ...]  # members that no network learns for, which no rehearsal tells of

    @cached_property
    def trainings(self) -> list[PlannedTraining]:
        """Of all stages."""
        return [training for stage in self.stages for training in stage]

    @property
    def of_members(self) -> list[tuple[str, list[PlannedTraining]]]:
        """Each member with its trainings."""
        ordered = sorted(self.trainings, key=lambda training: list(self.experiment.members).index(training.member))
        return [(member, list(own)) for member, own in groupby(ordered, key=lambda training: training.member)]

    @property
    def each_machine_runs(self) -> int:
        """Trainings at once on a machine; of a cluster a machine stands for what one training asks for."""
        return self.experiment.jobs if self.experiment.executor.kind == "local" else 1

    def worth_of(self, counts: Sequence[int]) -> list[int]:
        """Of these counts of machines those up to the first on which all trainings run at once."""
        enough = [count for count in counts if count * self.each_machine_runs >= len(self.trainings)]
        return [count for count in counts if not enough or count <= enough[0]]

    def seconds_on(self, machines: int) -> float:
        """Until all are done, on so many machines alike."""
        stages = [[training.seconds for training in stage] for stage in self.stages]
        return makespan(stages, machines * self.each_machine_runs)

    @property
    def memory(self) -> int:
        """Bytes on a machine: of the largest trainings that it may run at once."""
        largest = sorted((training.rehearsed.rehearsal.memory for training in self.trainings), reverse=True)
        return sum(largest[: self.each_machine_runs])

    @property
    def kept(self) -> int:
        """Bytes of disk that the members hold in the end; joined folds and predictions come on top."""
        return sum(training.rehearsed.rehearsal.kept for training in self.trainings)

    @property
    def passing(self) -> int:
        """Bytes of disk that a training's checkpoints hold at most while it runs, the largest one's."""
        return max((training.rehearsed.rehearsal.passing for training in self.trainings), default=0)

    @property
    def measured(self) -> tuple[float, float, int]:
        """Of the trainings that have been run: seconds as planned, seconds that they took, and how many they are."""
        done = [training for training in self.trainings if training.took is not None]
        return sum(one.seconds for one in done), sum(one.took or 0.0 for one in done), len(done)

    def write(self, machines: Sequence[int]) -> Path:
        """`plan.json` beside the rehearsals; its path."""
        trainings = [
            {
                "name": one.name,
                "pictures": {"train": one.learned_from, "validation": one.stopped_on},
                "epochs": dict(one.lengths),
                "seconds": round(one.seconds, 1),
                "took": one.took,
                "memory_bytes": one.rehearsed.rehearsal.memory,
                "gpu_memory_bytes": one.rehearsed.rehearsal.gpu_memory,
                "disk_bytes": one.rehearsed.rehearsal.kept,
            }
            for one in self.trainings
        ]
        file = self.experiment.directory / "plan" / "plan.json"
        on = {str(count): round(self.seconds_on(count), 1) for count in machines}
        write_json({"trainings": trainings, "seconds_on_machines": on, "left_out": list(self.left_out)}, file)
        return file


def make_plan(experiment: Experiment, show: Show, only: Iterable[str] = ()) -> Plan:
    """Rehearse the trainings of an experiment where its executor runs them, and count what all of them will take; of
    members alone where these are named.

    The dataset is built first, as of a run. Rehearsals of the same settings and data are kept. SpineError where there
    is no dataset, or a rehearsal fails.
    """
    chosen = chosen_members(experiment, only)
    if experiment.build:
        build_data(experiment, show)
    manifest = read_dataset(experiment)
    stages = trainings_of(experiment, manifest, chosen)
    left_out = [name for name in chosen if not _is_network(experiment, name)]
    stages = [[one for one in stage if one.member not in left_out] for stage in stages]
    if not any(stages):
        raise SpineError(f"{experiment.name} trains no network; there is nothing to plan")
    rehearsed = rehearse(experiment, stages[0], show)
    planned = tuple(tuple(_planned(one, rehearsed[one.member]) for one in stage) for stage in stages if stage)
    return Plan(experiment, planned, tuple(left_out))


def _is_network(experiment: Experiment, member: str) -> bool:
    settings = experiment.members[member]
    return hasattr(settings, "phases") and not getattr(settings, "shares_nothing", False)


def _planned(training: Training, rehearsed: Rehearsed) -> PlannedTraining:
    experiment = training.experiment
    settings = experiment.members[training.member]
    both = [read_truths(one, training.dataset) for one in experiment.siblings]
    learned_from, stopped_on = (
        len({sample for truth in split if truth is not None for sample in truth.samples})
        for split in zip(*both, strict=True)
    )
    job = training.job(experiment.directory / "experiment.yaml")
    record = Record.read(job.record)
    return PlannedTraining(
        name=str(training),
        member=training.member,
        learned_from=settings.repeats * learned_from,
        stopped_on=0 if experiment.fold == REFIT else stopped_on,
        lengths={phase.name: phase.epochs for phase in settings.phases},
        rehearsed=rehearsed,
        took=record.took if record and record.state == "done" and record.took else None,
    )
