"""Jobs of a Ray cluster: tasks that each start one process, on machines with or without the disk of the runs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from pipeline.jobs.away import Journey, run_away
from pipeline.jobs.job import OUT_OF_MEMORY, Ended, Job, Record
from pipeline.jobs.ray_session import in_cluster
from pipeline.jobs.store import Lost
from pipeline.jobs.work import work_command
from spine.core.cores import threads_for, usable_cores
from spine.core.processes import as_child
from spine.experiment.executor import ExecutorSettings

__all__ = ["RayCluster"]

LOOK_AWAY = 10.0  # seconds between looks at a job that is away
CPUS = 4  # of a job that does not say how many, on a cluster that has nodes of as many
HANDED_ON = ("SPINE_", "PYTHONPATH", "PYTHONUNBUFFERED")  # environment variables of this process that a job needs there


class RayCluster:
    """A cluster that is joined, or one of this machine that ends with this process."""

    at_once: int | None = None

    def __init__(self, settings: ExecutorSettings) -> None:
        self.settings, self._task, self._session = settings, None, ExitStack()
        self._journeys: dict[str, Journey] = {}
        self._looked: dict[str, float] = {}
        self.cpus = settings.cpus or (CPUS if settings.address else min(CPUS, usable_cores()))

    @property
    def task(self) -> Any:
        """What runs a command on a node; the cluster is joined when the first job comes."""
        if self._task is None:
            self._session.enter_context(in_cluster(self.settings))
            self._task = self._of_resources()
        return self._task

    def _of_resources(self) -> Any:
        import ray

        own = self.settings
        asked: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": own.gpus}
        if own.memory:
            asked["memory"] = int(own.memory * 2**30)
        return ray.remote(max_calls=1, max_retries=0, **asked)(_call)

    def submit(self, job: Job, record: Record) -> Any:
        """Hand it to the cluster, with what this process was told by environment variables."""
        handed = {key: value for key, value in os.environ.items() if key.startswith(HANDED_ON)}
        handed |= threads_for(self.cpus)
        if job.away:
            journey = self._journeys[job.name] = Journey.begin(job, job.away, record.attempt)
            return self.task.remote(run_away, *journey.work, {**handed, **journey.environment})
        command = work_command(job.record.absolute(), job.module, job.arguments)
        return self.task.remote(_run, command, str(job.folder), handed)

    def ended(self, job: Job, handle: Any) -> Ended | None:
        """How it ended by its own record, else by what Ray says."""
        import ray

        journey = self._journeys.get(job.name)
        done, _ = ray.wait([handle], timeout=0)
        if not done:
            if journey and self._is_time_to_look(job):
                journey.note()
            return None
        try:
            ray.get(handle)
            why = "ended without a word"
            if journey:
                journey.end()
        except Lost as error:
            why = f"did not bring its results back whole: {error}"
        except ray.exceptions.OutOfMemoryError:
            why = f"{OUT_OF_MEMORY}; set executor.memory higher, or a smaller batch"
        except ray.exceptions.RayError as error:
            why = f"lost its worker ({type(error).__name__})"
        record = Record.read(job.record)
        if record and (ended := record.ended):
            return ended
        (record or Record(job.name, "running")).now("failed", status=-9, why=why).write(job.record)
        return Ended(-9, why)

    def _is_time_to_look(self, job: Job) -> bool:
        """Into the store, which may be far: seldom."""
        if time.monotonic() - self._looked.get(job.name, -LOOK_AWAY) < LOOK_AWAY:
            return False
        self._looked[job.name] = time.monotonic()
        return True

    def why_waiting(self, job: Job, handle: Any) -> str:
        """What the cluster has, beside what the job asks for."""
        import ray

        have = {name: number for name, number in ray.cluster_resources().items() if name in ("CPU", "GPU", "memory")}
        return f"it asks for {self.cpus} cores and {self.settings.gpus} GPUs, and the cluster has {have}"

    def stop(self, handles: Sequence[Any]) -> None:
        """End the jobs, and leave the cluster; one that was started here goes with them."""
        with self._session:
            self._task = None
            if handles:
                import ray

                for handle in handles:
                    ray.cancel(handle, force=True)


def _call(function: Callable[..., int], *arguments: Any) -> int:
    """The task: a function of ours, in a process that ends with it."""
    return function(*arguments)


def _run(command: list[str], folder: str, handed: dict[str, str]) -> int:
    """On a node: the exit status of the command."""
    return subprocess.call(command, cwd=folder, env={**as_child(), **handed})
