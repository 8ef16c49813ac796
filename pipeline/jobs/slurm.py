"""Jobs of a Slurm cluster, handed over by submitit; the cluster shares the disk of the runs.

runs/<experiment>/jobs/slurm/    submitit's own files, which it pickles for itself alone
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.jobs.job import OUT_OF_MEMORY, SILENT_AFTER, Ended, Job, Record
from pipeline.jobs.work import work_command
from spine.core.cores import threads_for
from spine.core.problems import SpineError, brief
from spine.core.processes import as_child
from spine.core.words import needs_extra
from spine.experiment.executor import ExecutorSettings

__all__ = ["Slurm", "Work"]

CPUS = 4  # of a job that does not say how many
_WHY = {
    "OUT_OF_MEMORY": f"{OUT_OF_MEMORY}; set executor.memory higher, or a smaller batch",
    "TIMEOUT": "took longer than executor.minutes",
    "NODE_FAIL": "lost its node",
    "PREEMPTED": "had to make room for others",
    "CANCELLED": "was cancelled",
}


@dataclass
class Work:
    """What submitit runs on a node: the job's command. Pre-empted or out of time, it is queued again, and goes on."""

    command: list[str]
    folder: str
    cpus: int

    def __call__(self) -> int:
        """The exit status."""
        return subprocess.call(self.command, cwd=self.folder, env={**as_child(), **threads_for(self.cpus)})

    def __submitit_checkpoint__(self) -> Any:
        """The same again: a training goes on after its last complete epoch."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    checkpoint = __submitit_checkpoint__  # its name until submitit 1.5


class Slurm:
    """submitit's executor, and what it knows of its jobs."""

    at_once: int | None = None

    def __init__(self, settings: ExecutorSettings, records: Path) -> None:
        self.settings, self.records, self._executor = settings, records, None

    @property
    def executor(self) -> Any:
        """Opened when the first job comes."""
        if self._executor is None:
            self._executor = self._open()
        return self._executor

    def _open(self) -> Any:
        try:
            import submitit
        except ImportError:
            raise SpineError(needs_extra("executor.kind slurm", "submitit", "slurm")) from None
        logging.getLogger("submitit").setLevel(logging.ERROR)  # it warns at every look where there is no accounting
        own = self.settings
        try:
            executor = submitit.AutoExecutor(folder=self.records / "slurm", cluster=own.through)
        except RuntimeError as error:
            raise SpineError(
                f"Slurm is not to be found here ({error}); run this on a machine that has sbatch"
            ) from None
        of_slurm = {"slurm_partition": own.partition, "slurm_account": own.account}
        executor.update_parameters(
            name="spine",
            timeout_min=own.minutes,
            cpus_per_task=own.cpus or CPUS,
            **({"gpus_per_node": own.gpus} if own.gpus else {}),
            **({"mem_gb": own.memory} if own.memory else {}),
            **{key: value for key, value in of_slurm.items() if value},
        )
        return executor

    def submit(self, job: Job, record: Record) -> Any:
        """Queue it; SpineError where Slurm does not take it."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        command = work_command(job.record.absolute(), job.module, job.arguments)
        try:
            return self.executor.submit(Work(command, str(job.folder), self.settings.cpus or CPUS))
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            raise SpineError(
                f"Slurm does not take {job.name}: {brief(str(error))}; run this where `sinfo` lists nodes"
            ) from None

    def ended(self, job: Job, handle: Any) -> Ended | None:
        """How it ended by its own record, else by what Slurm says."""
        record = Record.read(job.record)
        if not handle.done():
            return self._of_silence(job, handle, record)
        record = Record.read(job.record)
        if record and (ended := record.ended):
            return ended
        state = str(handle.state).upper().split()[0] if handle.state else "UNKNOWN"
        why = _WHY.get(state, f"ended without a word (Slurm calls it {state})")
        (record or Record(job.name, "running")).now("failed", status=-9, why=why).write(job.record)
        return Ended(-9, f"{why}; see {handle.paths.stderr}")

    def _of_silence(self, job: Job, handle: Any, record: Record | None) -> Ended | None:
        """The end of a job that gives no sign of life: a cluster without accounting tells nothing of it."""
        if not record or not record.is_silent(job.record):
            return None
        handle.cancel()
        why = f"gave no sign of life for {SILENT_AFTER:g} seconds"
        record.now("failed", status=-9, why=why).write(job.record)
        return Ended(-9, f"{why}; see {handle.paths.stderr}")

    def why_waiting(self, job: Job, handle: Any) -> str:
        """Slurm's word for it."""
        return f"Slurm has it as {handle.state}; `squeue --job {handle.job_id} --format %R` tells why"

    def stop(self, handles: Sequence[Any]) -> None:
        """Take them from the queue, and end those that run."""
        for handle in handles:
            handle.cancel()
