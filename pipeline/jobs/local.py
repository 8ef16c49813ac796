"""Jobs as processes of this machine, each with its share of the cores and its own of the GPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from pipeline.jobs.job import Ended, Job, Record
from pipeline.jobs.work import command_of, run_here
from spine.core.cores import threads_for, usable_cores
from spine.core.problems import SpineError
from spine.core.processes import end_children
from spine.experiment.executor import ExecutorSettings

__all__ = ["Local", "share_of_cores", "visible_gpus"]


class Local:
    """Threads that each wait for one process."""

    def __init__(self, settings: ExecutorSettings, at_once: int) -> None:
        self.at_once: int | None = at_once
        self.cpus = settings.cpus
        self.pool = ThreadPoolExecutor(at_once)
        self.free: SimpleQueue[dict[str, str]] = SimpleQueue()  # what a job is told of its GPUs
        for extra in _of_gpus(visible_gpus(), settings.gpus, at_once) if settings.gpus else [{}] * at_once:
            self.free.put(extra)

    def submit(self, job: Job, record: Record) -> Future[Ended]:
        """A thread that runs it."""
        return self.pool.submit(self._run, job, record)

    def _run(self, job: Job, record: Record) -> Ended:
        """The terminal is one job's own, and shared line by line by several: their bars would overwrite each other."""
        several = self.at_once != 1
        cores = share_of_cores(self.at_once or 1, self.cpus) if several or self.cpus else {}
        gpus = self.free.get()
        try:
            command = command_of(job.module, job.arguments)
            return run_here(record, job.record, command, {**cores, **gpus}, log=None, lines=several)
        finally:
            self.free.put(gpus)

    def ended(self, job: Job, handle: Future[Ended]) -> Ended | None:
        """What the thread gave."""
        return handle.result() if handle.done() else None

    def why_waiting(self, job: Job, handle: Any) -> str:
        """Never asked for long: a job is handed over when there is room."""
        return "all processes are at work"

    def stop(self, handles: Sequence[Any]) -> None:
        """End the processes; after Ctrl-C no further one starts."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        if handles:
            end_children()


def share_of_cores(jobs: int, cpus: int = 0) -> dict[str, str]:
    """TensorFlow's threads for one of several jobs, so that they do not fight for the cores."""
    return threads_for(cpus or max(1, usable_cores() // jobs))


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    TensorFlow is not asked: it would take them.
    """
    if (named := environment.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    if not (program := shutil.which("nvidia-smi")):
        return []
    asked = subprocess.run(
        [program, "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return asked.stdout.split() if asked.returncode == 0 else []


def _of_gpus(gpus: list[str], each: int, at_once: int) -> list[dict[str, str]]:
    """What each of the jobs that run at once is told of its GPUs; SpineError where there are too few."""
    if len(gpus) < each * at_once:
        advice = (
            f"set jobs to {len(gpus) // each or 1}, or executor.gpus to less" if gpus else "leave executor.gpus out"
        )
        raise SpineError(
            f"executor.gpus is {each} for each of {at_once} jobs, and this machine shows {len(gpus)} GPUs "
            f"({', '.join(gpus) or 'none'}); {advice}"
        )
    return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[each * n : each * (n + 1)])} for n in range(at_once)]
