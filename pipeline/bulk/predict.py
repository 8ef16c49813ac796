"""One model, many studies, one directory of answers: what is there is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.bulk.loop import Outcome, answer_studies
from pipeline.bulk.parts import Parts, answered_in, begin, failed_of, require_same
from pipeline.bulk.reading import THREADS, Found, Pictures, pictures_on_disk
from pipeline.bulk.shard import ALL, Shard
from pipeline.bulk.studies import Study, in_folder, in_sheet
from pipeline.client.local import described_by
from spine.core.files import fingerprint
from spine.core.privacy import salt_id
from spine.core.problems import Problem, SpineError
from spine.core.progress import bar
from spine.core.words import counted, duration
from spine.member.member import Member

__all__ = ["Request", "begun", "predict"]

Show = Callable[[str], None]
ChosenPictures = Callable[..., Iterator[Found | Problem]]  # of a study, by `slices` and `neighbours`
TELL_EVERY = 60.0  # seconds, where nobody sees the bar


@dataclass(frozen=True)
class Request:
    """What is asked: the `model`, a directory with member.json and SavedModel, about `studies`: a folder, a .csv or the
    URL of a DICOMweb archive; of which shard, and what is written in `output`.

    Pictures are chosen by `slices` as `pictures_of` does it; `batch` of them go into a request.
    """

    model: Path
    studies: str
    output: Path
    shard: Shard = ALL
    batch: int = 8
    masks: bool = False
    slices: int | None = 1
    threads: int = THREADS
    credentials: Path | None = None  # of an archive; else the environment has them

    @property
    def failed(self) -> Path:
        """The list of studies that could not be answered; there where there are any."""
        return failed_of(self.output, self.shard)

    def forget_failures(self) -> None:
        """Remove that list, where all of the shard is answered: the studies that it names are asked for no more."""
        self.failed.unlink(missing_ok=True)

    @property
    def about(self) -> Mapping[str, Any]:
        """What all answers of one directory have in common; SpineError where the model may not run, or has no mask that
        is asked for.
        """
        member = Member.open(self.model)
        if self.masks and not described_by(member.card).mask_labels:
            raise SpineError(f"{self.model} is a model of {member.card.task} that gives no mask; leave out --masks")
        return {
            "model": member.name,
            "version": member.trusted_model.name,
            "model_hash": member.card.model_hash,
            "slices": self.slices,
            "masks": self.masks,
            "salt": salt_id(),
            **self._place,
        }

    @property
    def _place(self) -> Mapping[str, str]:
        """By what studies are called, in a hash, since paths may name patients: an archive, a folder, or that of a
        sheet, whose rows may become more; not of the sheet in the output itself, which is of a folder's studies.
        """
        if self.studies.startswith(("http://", "https://")):
            return {"studies_from": fingerprint(self.studies)}
        path = Path(self.studies).resolve()
        if path.suffix.lower() == ".csv":
            path = path.parent
        if path == self.output.resolve() or not path.exists():  # that is told where they are read
            return {}
        return {"studies_from": fingerprint(str(path))}


def predict(request: Request, show: Show, held: Callable[[], AbstractContextManager[None]] = nullcontext) -> Outcome:
    """Answer what of the studies is in the shard, and not in the output yet; `held`, such as `as_job`, is entered when
    it is known that they can be asked for.

    SpineError where there are none, the model may not run, or the output holds other answers: then nothing is written.
    """
    found, pictures = begun(request, show)
    with held():
        return _answer_what_is_left(request, found, pictures, show)


def begun(request: Request, show: Show) -> tuple[list[Study], ChosenPictures]:
    """The studies that are asked for, and what reads them, when the output has been made for answers about them.

    SpineError as of `predict`.
    """
    about = request.about
    require_same(request.output, about)  # before studies are looked for, which may take long
    found = _studies_of(request, show)
    begin(request.output, about)
    return found


def _answer_what_is_left(request: Request, found: list[Study], pictures: ChosenPictures, show: Show) -> Outcome:
    studies = [study for study in found if request.shard.holds(study.source)]
    done = answered_in(request.output)
    left = [study for study in studies if study.source not in done]
    of_shard = f" in shard {request.shard}" if request.shard.count > 1 else ""
    show(f"{counted(len(studies), 'study', 'studies')}{of_shard}, {len(studies) - len(left):,} answered before")
    if not left:
        request.forget_failures()
        return Outcome()
    return _answer(request, left, pictures, show)


def _studies_of(request: Request, show: Show) -> tuple[list[Study], ChosenPictures]:
    """The studies of a folder, a .csv or an archive, in one order on every machine; and what reads them."""
    if request.studies.startswith(("http://", "https://")):
        from pipeline.bulk.archive import ArchivedStudies
        from pipeline.pacs.address import Address, Credentials

        archived = ArchivedStudies(Address(request.studies, Credentials.of(request.credentials)))
        show(f"asking {archived.address.url} for its studies")
        return archived.list(), archived.pictures
    path = Path(request.studies)
    if path.suffix.lower() == ".csv":
        return in_sheet(path), pictures_on_disk
    show(f"looking for studies in {path}")
    return in_folder(path), pictures_on_disk


def _answer(request: Request, studies: list[Study], chosen: ChosenPictures, show: Show) -> Outcome:
    from pipeline.bulk.tables import Tables
    from pipeline.client import LocalModel
    from pipeline.client.model import introduction

    model = LocalModel.open(request.model)
    show(introduction(model))
    pictures: Pictures = partial(chosen, slices=request.slices, neighbours=model.sees_slices)
    parts = Parts(request.output, request.shard, Tables(model.description, model.version))
    with _progress(len(studies), show) as settled:
        return answer_studies(
            model,
            studies,
            pictures,
            parts,
            batch=request.batch,
            masks=request.masks,
            threads=request.threads,
            settled=settled,
        )


@contextmanager
def _progress(total: int, show: Show) -> Iterator[Callable[[Outcome], None]]:
    """A bar with an estimate of what remains; and where nobody sees it, a line from time to time."""
    from rich.console import Console

    begun = told = time.monotonic()
    is_seen = Console(stderr=True).is_terminal

    with bar("answering studies", total) as advance:

        def settled(outcome: Outcome) -> None:
            nonlocal told
            count, now = outcome.studies + outcome.failed, time.monotonic()
            advance(count)
            if not is_seen and now - told > TELL_EVERY:
                told = now
                left = duration((now - begun) / count * (total - count))
                show(f"{count:,} of {counted(total, 'study', 'studies')}; about {left} left")

        yield settled
