"""Where the record of a search is kept: SQLite, an Optuna journal file or PostgreSQL, each shared by several processes.

A journal file is written by appending under a lock, which holds on network file systems too, where SQLite's may not.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble.record.journal import WholeRecords
from spine.core.problems import SpineError, fault_of
from spine.core.words import needs_extra

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    Storage = str | BaseStorage | None  # a URL, an object, or None for memory

__all__ = ["JOURNAL", "open_storage"]

JOURNAL = "journal:///"  # as of SQLite's URLs: three slashes and a relative path, or four and an absolute one
GRACE = 30  # seconds after which the lock of a process that is gone is taken away
POSTGRESQL = "postgresql://"


def open_storage(storage: Storage) -> Storage:
    """What Optuna takes for `journal:///study.log`, `postgresql://user@host/database`, or any storage of its own.

    SpineError where a driver of PostgreSQL lacks; Optuna's own errors where it cannot be reached.
    """
    if not isinstance(storage, str):
        return storage
    if storage.startswith(JOURNAL):
        return _open_journal(Path(storage.removeprefix(JOURNAL)).absolute())
    if storage.startswith(POSTGRESQL) and not find_spec("psycopg2"):
        if not find_spec("psycopg"):
            raise SpineError(needs_extra("a search.storage of PostgreSQL", "psycopg", "postgres"))
        return storage.replace("postgresql:", "postgresql+psycopg:", 1)
    return storage


def _open_journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileSymlinkLock

    # The lock is a link to this path: a relative one would lead nowhere, and a lock left behind never grow old.
    records: Any = WholeRecords(path, JournalFileSymlinkLock(str(path), GRACE))
    try:
        return JournalStorage(records)
    except Exception as error:  # what replaying records raises is anything
        raise SpineError(
            f"{path} cannot be read ({fault_of(error)}): records that others build on were lost; move it away, and "
            "search again"
        ) from error
