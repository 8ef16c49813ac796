"""The loop: studies are read ahead, their pictures answered in batches, and what is whole is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.bulk.batches import Batches
from pipeline.bulk.parts import Answered, Parts
from pipeline.bulk.reading import THREADS, Found, Pictures, SourceLostError, read_ahead
from pipeline.bulk.studies import Study
from pipeline.bulk.tables import rows_of
from pipeline.client import SentPicture
from spine.answers.answer import Answer
from spine.core.ending import Stopped
from spine.core.problems import Problem, SpineError
from spine.images.pictures import encode_png

__all__ = ["BulkModel", "Outcome", "answer_studies"]


class BulkModel(Protocol):
    """A model that answers several pictures in one request."""

    @property
    def needs_one_size(self) -> bool:
        """Whether the pictures of a request are of one size."""
        ...

    def answers(self, pictures: Sequence[SentPicture]) -> list[Answer]:
        """An answer to each."""
        ...


@dataclass
class Outcome:
    """How many studies were answered, with how many pictures, and how many could not be."""

    studies: int = 0
    pictures: int = 0
    failed: int = 0


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
    try:
        for read in read_ahead(studies, pictures, threads, ahead=2 * batch):
            if read.found:
                work.take(read.study, read.found)
            else:
                work.end(read.study, read.problems)
        work.finish()
    except (SourceLostError, Stopped, KeyboardInterrupt):
        parts.write()  # what is whole is not lost
        raise
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

    def take(self, study: Study, found: Found) -> None:
        """A picture that was read."""
        one = self._of(study)
        one.read += 1
        for batch in self._batches.add(_Asked(one, one.read - 1, found)):
            self._ask(batch)

    def end(self, study: Study, problems: Sequence[Problem]) -> None:
        """A study is read, or cannot be."""
        one = self._of(study)
        one.is_read = True
        one.problems += [problem for problem in problems if problem.severity == "error"]
        if not one.read and not one.problems:
            one.problems.append(Problem(study.source, "holds no picture", "leave it out"))
        self._settle(one)
        if self.parts.is_due:
            self.finish()

    def finish(self) -> None:
        """Ask about what waits, and write what is whole."""
        for batch in self._batches.rest():
            self._ask(batch)
        self.parts.write()

    def _of(self, study: Study) -> _Open:
        return self._open.setdefault(study.source, _Open(Answered(study)))

    def _ask(self, batch: Sequence[_Asked]) -> None:
        """Answer a batch; one that fails, for want of memory or by one of its pictures, by halves."""
        try:
            answers = self.model.answers([one.found.picture for one in batch])
        except SpineError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._ask(batch[:middle])
                self._ask(batch[middle:])
                return
            batch[0].study.problems.append(Problem.from_error(error, Path(batch[0].found.path)))
        else:
            for asked, answer in zip(batch, answers, strict=True):
                self._note(asked, answer)
        for asked in batch:
            asked.study.answered.files[asked.number] = asked.found.path
            self._settle(asked.study)

    def _note(self, asked: _Asked, answer: Answer) -> None:
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
            self.parts.add(one.answered)
        self.settled(self.outcome)
