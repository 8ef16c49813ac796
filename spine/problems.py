"""A bad file never stops a batch and never passes in silence: it becomes a `Problem` in a list."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from spine.files import atomic_file

__all__ = ["Problem", "SpineError", "examples", "print_problems", "verdict", "write_problems"]


class SpineError(Exception):
    """An error the user can mend: its message says what was received, what holds and what to do.

    The command line prints the message alone; every other exception is a defect of ours and keeps its traceback.
    """


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one input: where, why, and what to do about it.

    `severity` is "error" (the item was left out, the exit status says so) or "warning" (kept, worth a look).
    """

    path: str
    reason: str
    advice: str
    severity: str = "error"

    def __post_init__(self) -> None:
        if self.severity not in ("error", "warning"):
            raise ValueError(f"severity is {self.severity!r}; it is 'error' or 'warning'")

    @classmethod
    def from_error(cls, error: SpineError, path: Path, severity: str = "error") -> Problem:
        """What an error says of a file, its message being `<path> <reason>; <advice>`, each in its place."""
        reason, _, advice = str(error).removeprefix(str(path)).lstrip(": ").partition("; ")
        return cls(str(path), reason, advice or "copy the file again, or leave it out", severity)


def examples(paths: Sequence[Path | str], root: Path | None = None, most: int = 3) -> str:
    """The first few of many, for a problem that they share: "a.png, b.png, c.png and 9 more", below `root` if given."""
    told = [str(Path(path).relative_to(root) if root else path) for path in paths[:most]]
    return ", ".join(told) + (f" and {len(paths) - most} more" if len(paths) > most else "")


def write_problems(problems: Iterable[Problem], path: Path) -> None:
    """Write the problems as CSV (path, reason, advice, severity), atomically; without any, an empty table."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Problem)])
        writer.writeheader()
        writer.writerows(asdict(problem) for problem in problems)


def verdict(problems: Iterable[Problem]) -> str:
    """How many there are, in words, such as "2 errors, 1 warning"."""
    counts = Counter(problem.severity for problem in problems)
    told = [f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}" for kind in ("error", "warning") if counts[kind]]
    return ", ".join(told) or "no problems"


def print_problems(problems: Iterable[Problem]) -> None:
    """Print the problems as a table, errors first; nothing where there are none. Paths are wrapped, never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    ordered = sorted(problems, key=lambda problem: problem.severity)
    if not ordered:
        return
    table = Table(title=f"{len(ordered)} problem{'s' if len(ordered) > 1 else ''}")
    table.add_column("severity")
    for heading in ("path", "reason", "what to do"):
        table.add_column(heading, overflow="fold")
    for problem in ordered:  # Text: a file called [red] is no style
        table.add_row(*map(Text, (problem.severity, problem.path, problem.reason, problem.advice)))
    Console().print(table)
