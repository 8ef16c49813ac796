"""Tables that we read back ourselves, as CSV; those that people open are sheets, see `spine.core.problems`."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

__all__ = ["write_table"]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table whose every text comes back as it is."""
    # Readers take a bare carriage return for the end of a row, and the writer alone does not quote it.
    returns = table.map(lambda value: isinstance(value, str) and "\r" in value).any(axis=None)
    table.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL)
