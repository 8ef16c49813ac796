"""Requests to one signature with inputs of one shape, answered together: a bounded queue and threads that empty it."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from grpc import StatusCode

from pipeline.server.limits import Limits
from pipeline.server.refusals import Refusal
from pipeline.server.servable import Inputs, Outputs, Signature

__all__ = ["Batcher", "Task"]

_THREADS = 2  # while one batch is prepared the other runs; TensorFlow itself uses every core


@dataclass(eq=False)
class Task:
    """One request's inputs. Those of an equal `key` may go together; with None it goes alone.

    `rows` and `pixels` are what it adds to a batch; `deadline` is of `time.monotonic`.
    """

    signature: Signature
    inputs: Inputs
    rows: int
    pixels: int
    key: Hashable
    deadline: float
    arrived: float = field(default_factory=time.monotonic)
    answer: Future[Outputs] = field(default_factory=Future)


class Batcher:
    """Takes tasks, and answers their futures; `close` answers what is left."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._delay = limits.delay
        self._pending: list[Task] = []
        self._running = 0
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"batch-{n}", daemon=True) for n in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> Future[Outputs]:
        """The future answer of a task; Refusal where the queue is full, or the server ends."""
        with self._changed:
            waiting = len(self._pending) + self._running
            if self._closed:
                raise Refusal(StatusCode.UNAVAILABLE, "the server is stopping; ask another one")
            if waiting >= self._limits.queue:
                raise Refusal(
                    StatusCode.RESOURCE_EXHAUSTED,
                    "The batch scheduling queue to which this task was submitted is full; it holds "
                    f"{waiting} requests; ask again in a moment",
                )
            self._pending.append(task)
            self._changed.notify_all()
        return task.answer

    def hurry(self) -> None:
        """Let no row wait for others any more: the server is about to end."""
        with self._changed:
            self._delay = 0.0
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more tasks, and return once those taken are answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=self._limits.drain)

    def _work(self) -> None:
        while batch := self._next():
            _answer(batch)
            with self._changed:
                self._running -= len(batch)
            batch.clear()  # or the answers would live until the next batch

    def _next(self) -> list[Task]:
        """The next batch, once it is full or its first task has waited long enough; empty at the end."""
        with self._changed:
            while True:
                self._drop_late()
                if not self._pending:
                    if self._closed:
                        return []
                    self._changed.wait()
                    continue
                first = self._pending[0]
                batch, is_full = self._fitting(first)
                wait = first.arrived + self._delay - time.monotonic()
                if is_full or wait <= 0 or self._closed:
                    self._pending = [task for task in self._pending if task not in batch]
                    self._running += len(batch)
                    return batch
                self._changed.wait(wait)

    def _fitting(self, first: Task) -> tuple[list[Task], bool]:
        """The tasks that go with the first, and whether no more would."""
        if first.key is None:
            return [first], True
        batch, rows, pixels = [first], first.rows, first.pixels
        for task in self._pending[1:]:
            if task.key != first.key:
                continue
            if rows + task.rows > self._limits.batch or pixels + task.pixels > self._limits.pixels:
                return batch, True
            batch.append(task)
            rows, pixels = rows + task.rows, pixels + task.pixels
        return batch, rows >= self._limits.batch

    def _drop_late(self) -> None:
        now = time.monotonic()
        for task in [task for task in self._pending if task.deadline <= now]:
            self._pending.remove(task)
            if task.answer.set_running_or_notify_cancel():
                task.answer.set_exception(Refusal(StatusCode.DEADLINE_EXCEEDED, "the request waited too long"))


def _answer(batch: Sequence[Task]) -> None:
    """Answer tasks together; where that fails, each alone, so that nobody pays for another's picture."""
    tasks = [task for task in batch if task.answer.set_running_or_notify_cancel()]
    if len(tasks) > 1:
        try:
            answers = _together(tasks)
        except Exception:
            answers = []
        if answers:
            for task, answer in zip(tasks, answers, strict=True):
                task.answer.set_result(answer)
            return
    for task in tasks:
        _answer_alone(task)


def _answer_alone(task: Task) -> None:
    try:
        task.answer.set_result(task.signature(task.inputs))
    except Exception as error:  # whoever asked is told; a Refusal in its own words
        task.answer.set_exception(error)


def _together(tasks: Sequence[Task]) -> list[Outputs]:
    """Each task's rows of one answer; empty where the answer has other rows than the tasks."""
    joined = {name: np.concatenate([task.inputs[name] for task in tasks]) for name in tasks[0].inputs}
    outputs = tasks[0].signature(joined)
    ends = np.cumsum([task.rows for task in tasks])
    if any(value.ndim == 0 or len(value) != ends[-1] for value in outputs.values()):
        return []
    parts = zip([0, *ends[:-1]], ends, strict=True)
    return [{name: value[start:end].copy() for name, value in outputs.items()} for start, end in parts]
