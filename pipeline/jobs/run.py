"""Jobs run by an engine to their ends: as many at once as it has room for, what was cut short once more.

This is no scheduler: Slurm, Ray, or the threads of this process decide what runs where and when.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.jobs.job import STOPPED, Ended, Job, Record
from pipeline.jobs.work import BY_A_PERSON
from spine.experiment.executor import ExecutorSettings

__all__ = ["Engine", "run_jobs"]

Show = Callable[[str], None]
LOOK_EVERY = 0.2  # seconds


class Engine(Protocol):
    """What runs jobs somewhere."""

    at_once: int | None  # most jobs that it is handed at a time; None: it has a queue of its own

    def submit(self, job: Job, record: Record) -> Any:
        """Have a job run; gives a handle of it."""
        ...

    def ended(self, job: Job, handle: Any) -> Ended | None:
        """How a job ended; None while it has not."""
        ...

    def why_waiting(self, job: Job, handle: Any) -> str:
        """What a job waits for that has not begun, in words."""
        ...

    def stop(self, handles: Sequence[Any]) -> None:
        """End jobs that run or wait, and all that the engine has started."""
        ...


@dataclass
class _Running:
    job: Job
    handle: Any
    attempt: int
    submitted: float
    was_told: bool = False


def run_jobs(engine: Engine, jobs: Sequence[Job], settings: ExecutorSettings, show: Show) -> list[Ended]:
    """Run jobs, and give how each ended, in their order. A job that was cut short is tried `retries` times more.
    One that ran out of memory is run once `with_less` of it, where the settings ask for that.

    A job that nobody has begun after `patience` minutes is told once. Whatever ends this call ends the jobs too.
    """
    waiting = deque((job, 1) for job in jobs)
    running: list[_Running] = []
    ends: dict[str, Ended] = {}
    try:
        while waiting or running:
            while waiting and (engine.at_once is None or len(running) < engine.at_once):
                job, attempt = waiting.popleft()
                if attempt == 1 and (elsewhere := _run_by_another(job)):
                    ends[job.name] = elsewhere
                else:
                    running.append(_submit(engine, job, attempt, show))
            for one in list(running):
                ended = engine.ended(one.job, one.handle)
                if ended is None:
                    _tell_of_waiting(engine, one, settings, show)
                    continue
                running.remove(one)
                if ended.was_short_of_memory and settings.smaller_batch and one.job.with_less:
                    show(f"{one.job.name} {ended.why}; it is run again with {' '.join(one.job.with_less)}")
                    less = replace(one.job, arguments=(*one.job.arguments, *one.job.with_less), with_less=())
                    waiting.append((less, one.attempt + 1))
                elif ended.was_cut and one.attempt <= settings.retries:
                    show(f"{one.job.name} {ended.why}; it is run again")
                    waiting.append((one.job, one.attempt + 1))
                else:
                    ends[one.job.name] = ended
            if running:
                time.sleep(LOOK_EVERY)
    finally:
        engine.stop([one.handle for one in running])
        _note_stopped(running)
    return [ends[job.name] for job in jobs]


def _submit(engine: Engine, job: Job, attempt: int, show: Show) -> _Running:
    show(job.name)
    record = Record(job.name, "waiting", attempt, since=time.time()).write(job.record)
    try:
        handle = engine.submit(job, record)
    except Exception as error:
        record.now("failed", status=1, why=str(error)).write(job.record)
        raise
    return _Running(job, handle, attempt, time.monotonic())


def _run_by_another(job: Job) -> Ended | None:
    """What is told of a job that another command runs at the moment; its record is left to that."""
    record = Record.read(job.record)
    if not record or record.state != "running" or record.is_gone(job.record.stat().st_mtime):
        return None
    why = f"is run by another command, {record.process}, at the moment; wait until it ends, or stop it"
    return Ended(1, why, record.process)


def _note_stopped(running: Sequence[_Running]) -> None:
    """Have the records of jobs that were under way tell so, where nobody else is left to do it."""
    for one in running:
        record = Record.read(one.job.record)
        if record and record.ended is None:
            record.now("failed", status=STOPPED[0], why=BY_A_PERSON).write(one.job.record)


def _tell_of_waiting(engine: Engine, one: _Running, settings: ExecutorSettings, show: Show) -> None:
    if one.was_told or time.monotonic() - one.submitted < 60 * settings.patience:
        return
    one.was_told = True
    record = Record.read(one.job.record)
    if record and record.state == "waiting":
        show(f"{one.job.name} has waited for {settings.patience:g} minutes: {engine.why_waiting(one.job, one.handle)}")
