"""Runs one job where it is called, and keeps its record: `python -m pipeline.jobs.work RECORD MODULE [ARGUMENT]...`.

Its exit status is the job's. While the job runs, its record is touched every few seconds: a sign of life for who sees
the file alone.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.jobs.job import OUT_OF_MEMORY, SEE_ABOVE, STOPPED, Ended, Record
from spine.core.disk import is_short
from spine.core.ending import Stopped
from spine.core.memory import NO_MEMORY
from spine.core.problems import SpineError
from spine.core.processes import as_child, die_with_parent, run_child
from spine.core.writers import writer

__all__ = ["BY_A_PERSON", "command_of", "kept", "run_here", "work_command"]

BY_A_PERSON = "was stopped; the same command goes on"
BEAT = 10.0  # seconds between signs of life


def command_of(module: str, arguments: Sequence[str]) -> list[str]:
    """What runs a module of ours in a process of its own."""
    # -m puts the working directory first on the path; an installed package must win over a stray folder there.
    return [sys.executable, "-P", "-m", module, *arguments]


def work_command(record: Path, module: str, arguments: Sequence[str]) -> list[str]:
    """What runs a job, and keeps its record, on whatever machine it is called."""
    return command_of("pipeline.jobs.work", [str(record), module, *arguments])


def run_here(
    record: Record, file: Path, command: Sequence[str], extra: Mapping[str, str], *, log: Path | None, lines: bool
) -> Ended:
    """Run a command to its end as a child of this process, its record in `file`; with a `log` what it says goes there.

    Without one it has the terminal, or comes to it line by line (`lines`).
    """
    kills = _kills()
    running = record.now("running", host=socket.gethostname(), writer=writer(), status=0, why="").write(file)
    begun = log.stat().st_size if log and log.exists() else 0
    environment = {**as_child(), "PYTHONUNBUFFERED": "1", **extra}
    with _signs_of_life(file):
        status = run_child(command, environment, line_by_line=lines, log=log)
    ended = Ended(status, _why(status, log, begun, file.parent, _kills() > kills) if status else "")
    took = round(time.time() - running.since, 1)
    running.now("failed" if status else "done", status=status, why=ended.why, took=took).write(file)
    return ended


@contextmanager
def kept(name: str, file: Path) -> Iterator[None]:
    """Keep the record of a job that nobody else runs: of what this process does within."""
    running = Record(name, "running", host=socket.gethostname(), writer=writer(), since=time.time()).write(file)
    try:
        with _signs_of_life(file):
            yield
    except BaseException as error:
        why, status = str(error) if isinstance(error, SpineError) else type(error).__name__, 1
        if isinstance(error, KeyboardInterrupt | Stopped):
            why, status = BY_A_PERSON, getattr(error, "status", 130)
        running.now("failed", status=status, why=why).write(file)
        raise
    running.now("done").write(file)


@contextmanager
def _signs_of_life(file: Path) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with suppress(OSError):  # a disk that is away for a moment is no reason to end
                os.utime(file)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _why(status: int, log: Path | None, begun: int, folder: Path, memory: bool) -> str:
    """Why a job ended badly; one that was killed had no last word of its own."""
    if status == NO_MEMORY:
        return f"{OUT_OF_MEMORY}: set a smaller batch, or executor.memory; see {log or 'above'}"
    if status in STOPPED:
        return BY_A_PERSON
    if status > 0:
        return _last_word(log, begun) if log else SEE_ABOVE
    told = f"was killed by signal {-status}"
    if is_short(folder):
        return f"{told}; the disk of {folder} is full"
    if -status != signal.SIGKILL:
        return told
    return f"{told}; {OUT_OF_MEMORY if memory else 'perhaps out of memory'}"


def _last_word(log: Path, begun: int) -> str:
    """What a job that failed said last, of what its log has since byte `begun`."""
    with log.open("rb") as stream:
        stream.seek(max(begun, log.stat().st_size - 2**16))
        said = stream.read().decode(errors="replace")
    last = next((line for line in reversed(said.splitlines()) if line.startswith("error:")), "")
    return last.removeprefix("error:").strip() or f"see {log}"


def _kills() -> int:
    """How many processes this machine has killed for want of memory since it started; 0 where it does not say."""
    with suppress(OSError):
        if found := re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE):
            return int(found[1])
    return 0


def main() -> None:
    """The command."""
    die_with_parent()
    file, module, *arguments = sys.argv[1:]
    record = Record.read(Path(file)) or Record(Path(file).stem, "waiting")
    log = Path(file).with_suffix(".log")
    status = run_here(record, Path(file), command_of(module, arguments), {}, log=log, lines=False).status
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
