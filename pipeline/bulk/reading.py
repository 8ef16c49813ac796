"""Pictures of many studies, read by threads ahead of the model: never more than a few of them are in memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, TypeVar

from spine.core.cores import usable_cores
from spine.core.problems import Problem, SpineError, lost_in

if TYPE_CHECKING:
    from pipeline.bulk.studies import Study
    from pipeline.client import SentPicture

__all__ = ["THREADS", "Found", "Pictures", "Read", "SourceLostError", "mapped_ahead", "pictures_on_disk", "read_ahead"]

THREADS = max(4, 2 * usable_cores())  # that read: they wait for disks and networks more than they compute
_LOOK_EVERY = 0.2  # seconds until a thread that waits sees that nobody takes anything any more

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Found:
    """A picture as it was read, and the path of the file that it is of."""

    picture: SentPicture
    path: str


Pictures = Callable[["Study"], Iterator[Found | Problem]]  # what reads one study


@dataclass(frozen=True)
class Read:
    """A picture of a study; or, without one, the study's end, with what is wrong with it."""

    study: Study
    found: Found | None = None
    problems: tuple[Problem, ...] = ()


def read_ahead(studies: Iterable[Study], pictures: Pictures, threads: int = THREADS, ahead: int = 32) -> Iterator[Read]:
    """The pictures of studies as they come, each study's in order and then its end; `ahead` of them wait at most.

    A study that cannot be read has its reason at its end. What is a defect of ours is raised here.
    """
    rest, taking = iter(studies), threading.Lock()
    queue: Queue[Read | BaseException | None] = Queue(ahead)
    ended = threading.Event()

    def put(one: Read | BaseException | None) -> None:
        while not ended.is_set():
            try:
                return queue.put(one, timeout=_LOOK_EVERY)
            except Full:
                continue
        raise _Ended

    def work() -> None:
        try:
            while True:
                with taking:
                    study = next(rest, None)
                if study is None:
                    break
                for one in _read(study, pictures):
                    put(one)
            put(None)
        except _Ended:
            pass
        except BaseException as error:
            put(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield from _taken(queue, threads)
    finally:
        ended.set()
        for worker in workers:
            worker.join()


class SourceLostError(SpineError):
    """No further study can be read either."""


class _Ended(Exception):
    """Nobody takes what is read any more."""


def _taken(queue: Queue[Read | BaseException | None], threads: int) -> Iterator[Read]:
    """What the threads put, until all of them have ended."""
    while threads:
        try:
            one = queue.get(timeout=_LOOK_EVERY)  # not for ever: a signal is raised between
        except Empty:
            continue
        if isinstance(one, BaseException):
            raise one
        if one is None:
            threads -= 1
        else:
            yield one


def _read(study: Study, pictures: Pictures) -> Iterator[Read]:
    problems = []
    try:
        for one in pictures(study):
            if isinstance(one, Problem):
                problems.append(one)
            else:
                _ = one.picture.png  # encoded here, and not where the model waits for it
                yield Read(study, one)
    except SourceLostError:
        raise
    except SpineError as error:
        problems.append(Problem.from_error(error, Path(study.source)))
    yield Read(study, problems=tuple(problems))


def pictures_on_disk(study: Study, slices: int | None, neighbours: bool) -> Iterator[Found | Problem]:
    """The pictures of a study of files, chosen as of any study; what is wrong with it."""
    from pipeline.client import pictures_of
    from pipeline.client.unzip import is_zip

    tree = study.files()
    yield from lost_in(tree)
    archives = [file for file in tree.files if is_zip(file)]
    files = [file for file in tree.files if file not in archives]
    if len({file.is_absolute() for file in files}) > 1:  # a table may name both kinds
        files = [file.absolute() for file in files]
    root = Path(os.path.commonpath([file.parent for file in files])) if files else Path()
    for one in pictures_of(root, slices=slices, neighbours=neighbours, files=files) if files else ():
        yield one if isinstance(one, Problem) else Found(one, str(root / one.name))
    for archive in archives:
        for one in pictures_of(archive, slices=slices, neighbours=neighbours):
            yield one if isinstance(one, Problem) else Found(one, f"{archive}/{one.name}")


def mapped_ahead(
    function: Callable[[Given], Made], items: Iterable[Given], threads: int = THREADS, ahead: int = 64
) -> Iterator[Made]:
    """`function` of each item in order, made by threads; at most `ahead` items are taken before they are asked for."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
