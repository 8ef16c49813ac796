"""Where the record of a search is kept: SQLite, an Optuna journal file or PostgreSQL, each shared by several processes.

A journal file is written by appending under a lock, which holds on network file systems too, where SQLite's may not.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from spine.problems import SpineError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    Storage = str | BaseStorage | None  # a URL, an object, or None for memory

__all__ = ["JOURNAL", "open_storage"]

JOURNAL = "journal:///"  # as of SQLite's URLs: three slashes and a relative path, or four and an absolute one
POSTGRESQL = "postgresql://"


def open_storage(storage: Storage) -> Storage:
    """What Optuna takes for `journal:///study.log`, `postgresql://user@host/database`, or any storage of its own.

    SpineError where a driver of PostgreSQL lacks; Optuna's own errors where it cannot be reached.
    """
    if not isinstance(storage, str):
        return storage
    if storage.startswith(JOURNAL):
        from ensemble.journal import open_journal

        return open_journal(storage.removeprefix(JOURNAL))
    if storage.startswith(POSTGRESQL) and not find_spec("psycopg2"):
        if not find_spec("psycopg"):
            raise SpineError(
                "search.storage names PostgreSQL; install its driver: pip install 'spine-ensemble[postgres]'"
            )
        return storage.replace("postgresql:", "postgresql+psycopg:", 1)
    return storage
