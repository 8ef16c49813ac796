"""The loop: studies are read ahead, their pictures answered in batches, and what is whole is written.

Three things go on at once: threads read, one thread has the model at work, and this one turns outputs into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.bulk.batches import Batches
from pipeline.bulk.parts import Answered, Parts
from pipeline.bulk.reading import THREADS, Found, Pictures, Read, mapped_ahead, read_ahead
from pipeline.bulk.studies import Study
from pipeline.bulk.tables import rows_of
from pipeline.client import SentPicture
from spine.answers.answer import Answer
from spine.core.problems import Problem, SpineError
from spine.images.pictures import encode_png

__all__ = ["BulkModel", "Outcome", "answer_studies"]

ASKED_AHEAD = 3  # requests that the model has, or has answered, before they are read
Outputs = Mapping[str, np.ndarray]


class BulkModel(Protocol):
    """A model that answers several pictures in one request."""

    @property
    def needs_one_size(self) -> bool:
        """Whether the pictures of a request are of one size."""
        ...

    def outputs_of(self, pictures: Sequence[SentPicture]) -> Outputs:
        """The outputs of one request, by name; SpineError where it cannot answer."""
        ...

    def read(self, outputs: Outputs, pictures: Sequence[SentPicture]) -> list[Answer]:
        """The answers in them."""
        ...


@dataclass
class Outcome:
    """How many studies were answered, with how many pictures, and how many could not be; and of those that were
    answered how many have warnings.
    """

    studies: int = 0
    pictures: int = 0
    failed: int = 0
    warned: int = 0

    @property
    def asked(self) -> int:
        """How many studies the model was asked about, or could not be."""
        return self.studies + self.failed


def answer_studies(
    model: BulkModel,
    studies: Iterable[Study],
    pictures: Pictures,
    parts: Parts,
    *,
    batch: int = 8,
    masks: bool = False,
    threads: int = THREADS,
    settled: Callable[[Outcome], object] = lambda outcome: None,
) -> Outcome:
    """Answer studies, `batch` pictures a request; `settled` is told how it stands after each study.

    A study any part of which cannot be read or answered fails whole: the slice that is missing could have been the one
    to answer. In memory are pictures of a few batches, and rows of one part.
    """
    work = _Work(model, parts, batch, masks, settled)
    batches = work.batches(read_ahead(studies, pictures, threads, ahead=2 * batch))
    try:
        for asked in mapped_ahead(work.ask, batches, threads=1, ahead=ASKED_AHEAD):
            for one in asked:
                work.note(*one)
    except BaseException:  # whatever ends it, what is whole is not lost
        with suppress(OSError):  # a disk that cannot be written to is told already
            parts.write()
        raise
    parts.write()
    return work.outcome


@dataclass
class _Open:
    """A study of which something is still to be read or answered."""

    answered: Answered
    read: int = 0  # pictures
    is_read: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return self.is_read and self.read == len(self.answered.files)


@dataclass(frozen=True)
class _Asked:
    """The `number`-th picture of a study."""

    study: _Open
    number: int
    found: Found


class _Work:
    def __init__(
        self, model: BulkModel, parts: Parts, batch: int, masks: bool, settled: Callable[[Outcome], object]
    ) -> None:
        self.model, self.parts, self.masks, self.settled = model, parts, masks, settled
        self.outcome = Outcome()
        self._open: dict[str, _Open] = {}
        self._batches: Batches[_Asked] = Batches(batch, self._alike)

    def _alike(self, asked: _Asked) -> tuple[object, ...]:
        """What pictures of one request have in common."""
        picture = asked.found.picture
        return picture.neighbours is not None, picture.pixels.shape if self.model.needs_one_size else None

    def batches(self, reads: Iterable[Read]) -> Iterator[list[_Asked]]:
        """The requests of what is read."""
        for read in reads:
            one = self._open.setdefault(read.study.source, _Open(Answered(read.study)))
            if read.found:
                one.read += 1
                yield from self._batches.add(_Asked(one, one.read - 1, read.found))
            else:
                self._end(one, read.problems)
        yield from self._batches.rest()

    def ask(self, batch: Sequence[_Asked]) -> list[tuple[Sequence[_Asked], Outputs | SpineError]]:
        """Answer a batch; one that fails, for want of memory or by one of its pictures, by halves."""
        try:
            return [(batch, self.model.outputs_of([one.found.picture for one in batch]))]
        except SpineError as error:
            if len(batch) == 1:
                return [(batch, error)]
        middle = len(batch) // 2
        return [*self.ask(batch[:middle]), *self.ask(batch[middle:])]

    def note(self, batch: Sequence[_Asked], outputs: Outputs | SpineError) -> None:
        """Take the rows of a request, or why it has none."""
        if isinstance(outputs, SpineError):
            batch[0].study.problems.append(Problem.from_error(outputs, Path(batch[0].found.path)))
        else:
            answers = self.model.read(outputs, [one.found.picture for one in batch])
            for asked, answer in zip(batch, answers, strict=True):
                self._take(asked, answer)
        for asked in batch:
            asked.study.answered.files[asked.number] = asked.found.path, asked.found.picture.note
            self._settle(asked.study)

    def _take(self, asked: _Asked, answer: Answer) -> None:
        answered = asked.study.answered
        name = self._mask(answered, asked.number, answer)
        answered.rows += rows_of(answered.study, asked.number, asked.found, answer, name)

    def _mask(self, answered: Answered, number: int, answer: Answer) -> str:
        """The name of the file of a picture's mask; "" where there is none."""
        if not self.masks or answer.mask is None:
            return ""
        name = f"masks/{answered.study.name}-{number}.png"
        answered.masks[name] = encode_png(answer.mask.astype("uint8"))
        return name

    def _end(self, one: _Open, problems: Sequence[Problem]) -> None:
        """A study is read, or cannot be."""
        one.is_read = True
        for problem in problems:
            (one.problems if problem.severity == "error" else one.answered.warnings).append(problem)
        if not one.read and not one.problems:
            one.problems.append(Problem(one.answered.study.source, "holds no picture", "leave it out"))
        self._settle(one)

    def _settle(self, one: _Open) -> None:
        """Hand a study on once it is whole."""
        if not one.is_whole:
            return
        study = one.answered.study
        del self._open[study.source]
        if one.problems:
            self.outcome.failed += 1
            self.parts.fail(study, one.problems)
        else:
            self.outcome.studies += 1
            self.outcome.pictures += one.read
            self.outcome.warned += bool(one.answered.warnings)
            self.parts.add(one.answered)
        if self.parts.is_due:
            self.parts.write()
        self.settled(self.outcome)
