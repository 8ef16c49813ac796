"""The rows of a CSV file, read back with the file closed."""

import csv
from pathlib import Path


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
