"""An Optuna study opened, or made where there is none, with one sentence where its storage cannot be reached."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ensemble.record.storage import open_storage
from spine.core.problems import SpineError
from spine.core.strict import without_password
from spine.experiment.stages import STORAGES

if TYPE_CHECKING:
    from optuna import Study

    from ensemble.record.storage import Storage

__all__ = ["open_study", "quiet"]

ATTEMPTS = 5  # at a database in which another process makes the same tables at the same moment


def open_study(storage: Storage, name: str, *, maximise: bool, stage: str, attempts: int = ATTEMPTS) -> Study:
    """The study of that name in a storage as `open_storage` takes it; SpineError where that cannot be opened.

    `stage` is the verb and the settings of the command that keeps it: "search" or "tune".
    """
    import optuna
    from sqlalchemy.exc import DBAPIError

    try:
        return optuna.create_study(
            storage=open_storage(storage),
            study_name=name,
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
        )
    except Exception as error:  # each database, and each driver that lacks, has errors of its own
        if isinstance(error, SpineError) or not isinstance(storage, str):
            raise
        if attempts > 1 and any(isinstance(raised, DBAPIError) for raised in (error, error.__cause__)):
            time.sleep(0.2)
            return open_study(storage, name, maximise=maximise, stage=stage, attempts=attempts - 1)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SpineError(
            without_password(f"the {stage} storage {storage} cannot be opened: {reason}. {_way_out(reason, stage)}")
        ) from None


def _way_out(reason: str, stage: str) -> str:
    """What to do where a study's storage cannot be opened, for that reason."""
    if "malformed" in reason or "not a database" in reason:  # SQLite's words for a damaged file
        return f"Move the file away and run `spine {stage} EXPERIMENT` again: a new one is made"
    return (
        f"Give {stage}.storage a URL that begins with {STORAGES}, of a database that is there, its driver "
        "installed, or leave it out for study.db"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna's log lines off, and on again as they were."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
