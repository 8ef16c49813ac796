"""A few batches of each member, measured where the experiment's executor would train it.

runs/<experiment>/plan/<member>.json    what they took, kept while settings and data are the same
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.jobs.engines import engine_of
from pipeline.jobs.job import Job, Record
from pipeline.jobs.run import run_jobs
from pipeline.training import Training
from spine.core.files import fingerprint, read_if_whole, write_json
from spine.core.problems import SpineError
from spine.experiment.config import Experiment
from spine.training.rehearsal import Rehearsal

__all__ = ["Rehearsed", "rehearse"]

Show = Callable[[str], None]


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal, and the seconds of its whole process, from its start to the published SavedModel."""

    rehearsal: Rehearsal
    took: float


@dataclass(frozen=True)
class _Rehearsing:
    """One member's, on the dataset of its first training."""

    training: Training
    folder: Path
    file: Path  # the resolved experiment

    @property
    def result(self) -> Path:
        """What it took, and of what."""
        return self.folder / f"{self.training.member}.json"

    @property
    def measured(self) -> Path:
        """What its process wrote."""
        return self.folder / "rehearsals" / self.training.member / "took.json"

    @property
    def job(self) -> Job:
        """What rehearses it."""
        return self.training.rehearsal(self.file, self.measured, self.folder / "jobs")

    @property
    def of(self) -> str:
        """Fingerprint of what it depends on, the place where it is run among it."""
        experiment, dataset = self.training.experiment, self.training.dataset
        hashed = experiment.member_hash(self.training.member, dataset.data_hash, dataset.splits_hash)
        return fingerprint([hashed, experiment.jobs, experiment.executor.model_dump(mode="json")])

    def read(self) -> Rehearsed | None:
        """What is known of it; None where it has not been rehearsed as it is now."""
        kept = read_if_whole(self.result)
        return Rehearsed(Rehearsal(**kept["rehearsal"]), kept["took"]) if kept.get("of") == self.of else None

    def keep(self) -> Rehearsed:
        """What its process measured."""
        record = Record.read(self.job.record)
        assert record is not None
        rehearsed = Rehearsed(Rehearsal(**read_if_whole(self.measured)), record.took)
        write_json({"of": self.of, **asdict(rehearsed)}, self.result)
        return rehearsed


def rehearse(experiment: Experiment, trainings: Sequence[Training], show: Show) -> dict[str, Rehearsed]:
    """Member -> its rehearsal; members that differ by their seed alone share one.

    SpineError where one fails: so would its training.
    """
    folder = experiment.directory / "plan"
    file = experiment.write(folder / "experiment.yaml")
    alike = {one.member: fingerprint(experiment.members[one.member].model_dump(mode="json")) for one in trainings}
    asked: dict[str, _Rehearsing] = {}
    for one in trainings:
        asked.setdefault(alike[one.member], _Rehearsing(one, folder, file))
    found = {key: one.read() for key, one in asked.items()}
    found |= _run(experiment, {key: one for key, one in asked.items() if found[key] is None}, show)
    return {member: rehearsed for member, key in alike.items() if (rehearsed := found[key])}


def _run(experiment: Experiment, missing: Mapping[str, _Rehearsing], show: Show) -> dict[str, Rehearsed]:
    ends = run_jobs(engine_of(experiment), [one.job for one in missing.values()], experiment.executor, show)
    if failed := [end.told(one.job.name) for one, end in zip(missing.values(), ends, strict=True) if end.status]:
        raise SpineError(f"{', '.join(failed)}; what cannot be rehearsed could not be trained")
    return {key: one.keep() for key, one in missing.items()}
