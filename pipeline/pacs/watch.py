"""Studies as they arrive: the archive is asked for them again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

from pipeline.pacs.archive import Archive
from spine.core.problems import SpineError

__all__ = ["days", "watch"]


def days(since: str, seconds: float) -> Iterator[str]:
    """The day since when studies count (YYYYMMDD), again every so many seconds: `since` (YYYY-MM-DD), or yesterday.

    SpineError where `since` is no day.
    """
    try:
        fixed = date.fromisoformat(since) if since else None
    except ValueError:
        raise SpineError(f"since is {since!r}; give a day as YYYY-MM-DD") from None
    while True:
        yield f"{fixed or date.today() - timedelta(days=1):%Y%m%d}"
        time.sleep(seconds)


def watch(
    archive: Archive,
    days: Iterable[str],
    most: int,
    answer: Callable[[str], object],
    tell: Callable[[str, str], None],
) -> None:
    """Ask the archive once for each of `days` (YYYYMMDD), for its studies since then, and `answer` those at rest.

    A study is at rest when it has as many objects as the time before, and is answered again when it gets more. What
    goes wrong is told with the study's UID, "" of the archive, and tried again the next time; the same is told once.
    `most` are the objects that a study may have.
    """
    counts: dict[str, int] = {}
    answered: dict[str, int] = {}
    told: dict[str, str] = {}

    def tried(study: str, work: Callable[[], None]) -> None:
        try:
            work()
            told.pop(study, None)
        except SpineError as error:
            if told.get(study) != str(error):
                tell(study, str(error))
            told[study] = str(error)

    def look_at(study: str) -> None:
        count = len(archive.instances(study, most))
        if counts.get(study) == count and answered.get(study) != count:
            answer(study)
            count = answered[study] = len(archive.instances(study, most))  # with its results
        counts[study] = count

    def look_at_all(since: str) -> None:
        for study in archive.studies(since):
            tried(study, lambda study=study: look_at(study))  # type: ignore[misc]

    for since in days:
        tried("", lambda since=since: look_at_all(since))  # type: ignore[misc]
