"""Many trials in a few processes, each watched: one that takes too long, too much memory, or dies costs one input.

    outcomes = run_trials([("png", 0), ("png", 1), ...])
    print(table(outcomes))

A worker (`python -m tests.hostile.runner FOLDER`) reads one task a line and answers one outcome a line, both JSON.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from queue import Empty, Queue

from tests.hostile.trial import GOOD, KINDS, Outcome, Trials

__all__ = ["MOST_MEGABYTES", "MOST_SECONDS", "bad", "run_trials", "table"]

MOST_SECONDS = 20.0  # of the processor, for one input
MOST_MEGABYTES = 2048.0  # resident, with all libraries
_PATIENCE = 5  # times as long by the clock, where other work keeps the processor busy
_START = 120.0  # seconds, by the clock, to make a reader's good input with all its imports
_LOOK = 0.05  # seconds
_PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20
_TICK = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).resolve().parents[2]

Task = tuple[str, int]


def run_trials(
    tasks: Iterable[Task], workers: int = 2, show: Callable[[Outcome], None] = lambda outcome: None
) -> list[Outcome]:
    """The outcome of each task, reader and seed, in their order; each is shown as soon as it is there."""
    queue: Queue[list[tuple[int, Task]]] = Queue()
    for _, of_a_reader in groupby(enumerate(tasks), key=lambda numbered: numbered[1][0]):
        queue.put(list(of_a_reader))  # of one worker, so that its good input is made and read once
    found: dict[int, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="hostile") as folder:
        threads = [
            threading.Thread(target=_supervise, args=(queue, found, show, Path(folder, str(number))))
            for number in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [found[number] for number in sorted(found)]


def bad(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that must not be."""
    return [outcome for outcome in outcomes if outcome.kind not in GOOD]


def table(outcomes: Sequence[Outcome]) -> str:
    """Reader by reader how many inputs came to what, and the command that shows each of those that must not be."""
    readers = list(dict.fromkeys(outcome.reader for outcome in outcomes))
    counts = Counter((outcome.reader, outcome.kind) for outcome in outcomes)
    width = max(map(len, readers), default=6)
    lines = [f"{'':{width}} {'inputs':>9} " + " ".join(f"{kind:>9}" for kind in KINDS)]
    for reader in readers:
        cells = [counts[reader, kind] for kind in KINDS]
        lines.append(f"{reader:{width}} {sum(cells):9} " + " ".join(f"{cell or '':>9}" for cell in cells))
    totals = [sum(counts[reader, kind] for reader in readers) for kind in KINDS]
    lines.append(f"{'':{width}} {len(outcomes):9} " + " ".join(f"{total:9}" for total in totals))
    lines += [f"python -m tests.hostile.fuzz {one.reader!r} {one.seed}    # {one}" for one in bad(outcomes)]
    return "\n".join(lines)


def _supervise(
    queue: Queue[list[tuple[int, Task]]], found: dict[int, Outcome], show: Callable[[Outcome], None], folder: Path
) -> None:
    """Give one worker its tasks, one at a time; a new worker takes the place of one that is gone."""
    worker: _Worker | None = None
    try:
        for number, task in _taken(queue):
            if worker and not worker.is_alive:
                worker.stop()
                worker = None
            worker = worker or _Worker(folder)
            found[number] = worker.run(task)
            show(found[number])
    finally:
        if worker:
            worker.stop()


def _taken(queue: Queue[list[tuple[int, Task]]]) -> Iterator[tuple[int, Task]]:
    """The tasks of one reader after another, until the queue is empty."""
    while True:
        try:
            yield from queue.get_nowait()
        except Empty:
            return


class _Worker:
    """A process that runs trials, watched from here."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = (folder / "log").open("w+b")
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "SPINE_SALT": "salt of the tests"}
        one = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.runner", str(folder)],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT), **quiet, **one},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,  # a line that waits in a buffer would not be seen by `select`
        )
        self._begun = False

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(self, task: Task) -> Outcome:
        """The outcome of a task: the worker's own, or what ended it."""
        self._write(task)
        ready = self._wait(_START, task)  # the good input is made: that is ours, not the mutated one's
        return ready if isinstance(ready, Outcome) else self._trial(task)

    def _trial(self, task: Task) -> Outcome:
        cpu, start = self._cpu(), time.monotonic()
        answer = self._wait(MOST_SECONDS, task)
        if isinstance(answer, Outcome):
            return answer
        outcome = Outcome(**json.loads(answer))
        seconds = max(self._cpu() - cpu, 0.0) or time.monotonic() - start
        if outcome.megabytes > MOST_MEGABYTES:
            return _of(task, "memory", f"{outcome.megabytes:.0f} MB ({outcome.kind})", outcome.mutation)
        if seconds > MOST_SECONDS:
            return _of(task, "hang", f"{seconds:.0f} s ({outcome.kind})", outcome.mutation)
        return outcome

    def _wait(self, most: float, task: Task) -> bytes | Outcome:
        """The next line of the worker, or the outcome where it dies, or goes beyond what it may take."""
        cpu, start = self._cpu(), time.monotonic()
        assert self._process.stdout
        while True:
            if select.select([self._process.stdout], [], [], _LOOK)[0]:
                line = self._process.stdout.readline()
                return line if line else self._died(task)
            if self._megabytes() > MOST_MEGABYTES:
                return self._end(task, "memory", f"over {MOST_MEGABYTES:.0f} MB")
            if self._cpu() - cpu > most or time.monotonic() - start > most * _PATIENCE:
                return self._end(task, "hang", f"over {most:.0f} s")

    def _write(self, task: Task) -> None:
        assert self._process.stdin
        self._log.seek(0)
        self._log.truncate()
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        self._process.stdin.flush()

    def _end(self, task: Task, kind: str, seen: str) -> Outcome:
        self._process.kill()
        self._process.wait()
        return _of(task, kind, seen)

    def _died(self, task: Task) -> Outcome:
        code = self._process.wait()
        self._log.seek(0)
        said = " ".join(self._log.read().decode(errors="replace").split())[-300:]
        return _of(task, "crash", f"ended with {code}: {said}")

    def _megabytes(self) -> float:
        try:
            return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0.0

    def _cpu(self) -> float:
        """Seconds of the processor that it took so far."""
        try:
            words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / _TICK
        except (OSError, IndexError):
            return 0.0

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


def _of(task: Task, kind: str, seen: str, mutation: str = "") -> Outcome:
    reader, seed = task
    return Outcome(reader, seed, kind, mutation, seen)


def _serve(folder: Path) -> None:
    """Run tasks from standard input. A library that writes to the terminal writes to the log instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from tests.hostile.all_readers import READERS

    trials = Trials(folder)
    for line in sys.stdin:
        name, seed = json.loads(line)
        trials.warm(READERS[name], seed)
        print("ready", file=answers, flush=True)
        _forget_peak()
        start = time.monotonic()
        outcome = trials.run(READERS[name], seed).as_dict()
        print(
            json.dumps({**outcome, "seconds": time.monotonic() - start, "megabytes": _peak()}), file=answers, flush=True
        )


def _forget_peak() -> None:
    """Have the system measure the peak of memory anew (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
