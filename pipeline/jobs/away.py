"""Jobs on machines that share no disk with this one: what they read travels there, what they write comes back whole."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pipeline.jobs.job import Away, Job, Record, as_file_name
from pipeline.jobs.store import Lost, Store
from pipeline.jobs.work import work_command
from spine.core.files import atomic_directory, hash_directory, hash_file
from spine.core.privacy import salt
from spine.core.processes import as_child

__all__ = ["Journey", "run_away"]

RECORD = "job.json"


@dataclass(frozen=True)
class Journey:
    """One attempt of a job somewhere else, and what of it lies in the store."""

    job: Job
    away: Away
    attempt: int
    name: str  # of what comes back
    inputs: tuple[str, ...]  # names of what was brought

    @classmethod
    def begin(cls, job: Job, away: Away, attempt: int) -> Journey:
        """Bring what it reads to the store, unless that is there already."""
        store = Store(away.store)
        inputs = tuple(_bring(store, place, path) for place, path in away.brings.items())
        return cls(job, away, attempt, f"results/{as_file_name(job.name)}-{uuid.uuid4().hex[:12]}", inputs)

    @property
    def environment(self) -> dict[str, str]:
        """What a process there must be told to be of this project: its salt."""
        return {"SPINE_SALT": salt().decode()}

    @property
    def work(self) -> tuple[str, tuple[str, ...], str, Sequence[str], str, Sequence[str]]:
        """The arguments of `run_away` but for the environment."""
        away = self.away
        return (away.store, self.inputs, self.job.module, self.job.arguments, self.name, list(away.returns))

    def note(self) -> None:
        """Keep its record here while it is under way: begun, and alive."""
        record = Record.read(self.job.record)
        if record and record.state == "running":
            self.job.record.touch()
        elif record:
            with suppress(Lost):
                told = Store(self.away.store).read(f"{self.name}/begun")
                record.now("running", host=str(told["host"])).write(self.job.record)

    def end(self) -> None:
        """Take what it wrote, each directory at once and whole, then its record; Lost where something is missing."""
        store = Store(self.away.store)
        with tempfile.TemporaryDirectory() as folder:
            store.get(self.name, Path(folder))
            for place, target in self.away.returns.items():
                if (Path(folder) / place).is_dir():
                    with atomic_directory(target) as fresh:
                        shutil.copytree(Path(folder) / place, fresh, dirs_exist_ok=True)
            record = Record.read(Path(folder) / RECORD)
            log = (Path(folder) / RECORD).with_suffix(".log")
            if log.exists():
                shutil.copy(log, self.job.log)
        if record is None:
            raise Lost(f"{self.name} came back without a record")
        replace(record, name=self.job.name, attempt=self.attempt).write(self.job.record)
        store.remove(self.name)


def run_away(
    url: str,
    inputs: Sequence[str],
    module: str,
    arguments: Sequence[str],
    name: str,
    returns: Sequence[str],
    environment: Mapping[str, str],
) -> int:
    """On the other machine: run a job in a folder of its own, which is removed; its exit status."""
    store = Store(url)
    store.write(f"{name}/begun", {"host": socket.gethostname()})
    with tempfile.TemporaryDirectory(prefix="spine-job-") as folder:
        for brought in inputs:
            store.get(brought, Path(folder))
        record = Path(folder) / RECORD
        command = work_command(record, module, arguments)
        status = subprocess.call(command, cwd=folder, env={**as_child(), **environment})
        written = [place for place in returns if status == 0 and (Path(folder) / place).is_dir()]
        told = [path.name for path in (record, record.with_suffix(".log")) if path.exists()]
        store.put({place: Path(folder) / place for place in [*written, *told]}, name)
    return status


def _bring(store: Store, place: str, path: Path) -> str:
    name = f"inputs/{as_file_name(place)}-{_fingerprint(path)[:16]}"
    if not store.has(name):
        store.put({place: path}, name)
    return name


def _fingerprint(path: Path) -> str:
    return _of_directory(path) if path.is_dir() else hash_file(path)


_of_directory = cache(hash_directory)  # of a dataset, which all jobs of a run read, once
