"""Shards of studies as jobs: each a command that may be run twice, on this machine, on Slurm or on Ray.

OUTPUT/studies.csv    what of a tree belongs together, so that each job need not look through it
OUTPUT/jobs/          a record a job, and what it said on a cluster
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.bulk.loop import Outcome
from pipeline.bulk.parts import answered_in, failed_of, failures_in, is_answers, warned_in
from pipeline.bulk.predict import Request, begun
from pipeline.bulk.shard import Shard
from pipeline.bulk.studies import write_sheet_of
from pipeline.jobs.engines import engine_by
from pipeline.jobs.job import Job
from pipeline.jobs.run import run_jobs
from pipeline.jobs.status import DONE, Standing, recorded
from pipeline.jobs.work import kept
from spine.core.cores import usable_cores
from spine.core.problems import SpineError
from spine.core.processes import PARENT, die_with_parent, exclusive_lock
from spine.core.words import counted
from spine.experiment.executor import ExecutorSettings

__all__ = ["as_job", "is_answers", "is_run_by_engine", "job_of", "predict_in_jobs", "records_in", "shards_in"]

Show = Callable[[str], None]


def records_in(output: Path) -> Path:
    """The folder of the records of a directory of answers."""
    return output / "jobs"


def job_of(request: Request) -> Job:
    """What answers the request's shard, in a process of its own."""
    options = {
        "--studies": request.studies,
        "--output": str(request.output),
        "--batch": str(request.batch),
        "--slices": str(request.slices or 0),
        "--shard": str(request.shard),
        **({"--credentials": str(request.credentials)} if request.credentials else {}),
    }
    words = [word for option in options.items() for word in option]
    arguments = ("predict", str(request.model), *words, *(["--masks"] if request.masks else []))
    less = ("--batch", str(request.batch // 2)) if request.batch > 1 else ()  # the last of an option holds
    return Job(_name(request.shard), "pipeline.cli", arguments, records_in(request.output), with_less=less)


@contextmanager
def as_job(request: Request) -> Iterator[None]:
    """Hold the shard for this process, and keep its record as a job where no engine does that.

    SpineError where another process is at work on the shard.
    """
    with exclusive_lock(request.output / f"shard{request.shard.suffix}"):
        if is_run_by_engine():
            die_with_parent()
            yield
        else:
            with kept(_name(request.shard), job_of(request).record):
                yield


def is_run_by_engine() -> bool:
    """Whether an engine runs this process as a job, and keeps its record."""
    return PARENT in os.environ


def shards_in(output: Path) -> list[Standing]:
    """How each shard stands that has left a record, by name; one that is done, with the studies that failed in it."""
    return [_with_failures(standing, output) for standing in recorded(records_in(output))]


def predict_in_jobs(request: Request, count: int, settings: ExecutorSettings, show: Show) -> Outcome:
    """Answer the studies in `count` shards, each a job; those of which all is answered are not begun.

    SpineError names jobs that did not come to their ends. Studies that failed in those that did are in the outcome.
    """
    if settings.store:
        raise SpineError(
            "executor.store is of trainings: what a model answers, and the answers, lie on a disk that all nodes see; "
            "leave it out, or run `spine predict --shard I/N` on each machine"
        )
    studies, _ = begun(request, show)
    if Path(request.studies).is_dir():
        request = replace(request, studies=str(write_sheet_of(studies, request.output / "studies.csv")))
    names = {study.source: study.name for study in studies}
    left = names.keys() - answered_in(request.output)
    show(f"{counted(len(names), 'study', 'studies')}, {len(names) - len(left):,} answered before")
    shards = [Shard(number + 1, count) for number in range(count)]
    jobs = []
    for one in (replace(request, shard=shard) for shard in shards):
        if any(map(one.shard.holds, left)):
            jobs.append(job_of(one))
        else:
            one.forget_failures()
    engine = engine_by(settings, records_in(request.output), min(len(jobs) or 1, usable_cores()))
    ends = run_jobs(engine, jobs, settings, show)
    answered = left & answered_in(request.output)
    if failed := [end.told(job.name) for job, end in zip(jobs, ends, strict=True) if end.status]:
        asked = counted(len(left), "study", "studies")
        raise SpineError(f"{len(answered):,} of {asked} answered, and {', '.join(failed)}; run the same command again")
    warned = warned_in(request.output) & {names[source] for source in answered}
    return Outcome(len(answered), failed=len(left) - len(answered), warned=len(warned))


def _name(shard: Shard) -> str:
    return f"shard {shard.number} of {shard.count}"


def _shard_of(name: str) -> Shard:
    return Shard.of(name.removeprefix("shard ").replace(" of ", "/"))


def _with_failures(standing: Standing, output: Path) -> Standing:
    count = failures_in(output, shard := _shard_of(standing.job)) if standing.state == DONE else 0
    if not count:
        return standing
    note = f"{failed_of(output, shard).name} tells why; the same command tries them again"
    return replace(standing, failed=counted(count, "study", "studies"), note=note)
