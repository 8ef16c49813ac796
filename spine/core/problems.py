"""A bad file never stops a batch and never passes in silence: it becomes a `Problem` in a list."""

from __future__ import annotations

import csv
import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from spine.core.files import Tree, atomic_file
from spine.core.wide_console import wide_console

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    *(
        "DISK_FULL",
        "Problem",
        "SpineError",
        "brief",
        "by_severity",
        "cell",
        "examples",
        "fault_of",
        "is_of_the_file",
        "lost_in",
    ),
    *("one_file", "print_problems", "printable", "printable_lines", "verdict", "within", "write_problems"),
    *("read_problems", "write_sheet"),
]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # where something is written, not the file that is read
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins so (OWASP, CSV injection)


class SpineError(Exception):
    """An error the user can fix: its message says what was received, what holds and what to do.

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


@contextmanager
def one_file(path: Path | str, advice: str = "copy it again, or leave it out") -> Iterator[None]:
    """Turn whatever looking at one file raises into a SpineError that names the file; a SpineError passes.

    `advice` is what to do about it: of files of our own, which command makes them again.
    Libraries raise anything on a damaged file, and one bad file must not end a batch. A disk that is full is no fault
    of the file, so it passes too.
    """
    try:
        yield
    except Exception as error:
        if not is_of_the_file(error):
            raise
        raise SpineError(f"{path} cannot be read ({fault_of(error)}); {advice}") from error


@contextmanager
def within(place: Path | str) -> Iterator[None]:
    """Put the place where it was met, such as a file's path, before a SpineError that does not name it."""
    try:
        yield
    except SpineError as error:
        if str(place) in str(error):
            raise
        raise type(error)(f"{place}: {error}") from error


def is_of_the_file(error: Exception) -> bool:
    """Whether an exception met while a file was read tells of that file: no SpineError, which tells for itself, nor a
    full disk.
    """
    return not (
        isinstance(error, SpineError) or (isinstance(error, OSError) and error.errno in (*DISK_FULL, errno.EROFS))
    )


def fault_of(error: Exception) -> str:
    """An exception in a few words, its class first: "ValueError: could not convert string to float: '40,51'"."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    return ": ".join(filter(None, [type(error).__name__, brief(str(error))]))


def brief(text: str, most: int = 200) -> str:
    """A text in one line of at most `most` letters, with no semicolon: it parts a problem's reason from its advice."""
    line = " ".join(text.replace(";", ",").split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def printable(text: str) -> str:
    r"""A text in which no letter acts on a terminal or fails to be written: the escape code is `\x1b`, and so on.

    File names may hold control letters, and bytes that are no UTF-8, which Python has as lone surrogates.
    """
    return "".join(_shown(letter) for letter in text)


def printable_lines(text: str) -> str:
    """The same of a text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def examples(paths: Sequence[Path | str], root: Path | None = None, most: int = 3) -> str:
    """The first few of many, for a problem that they share: "a.png, b.png, c.png and 9 more", below `root` if given."""
    told = [str(Path(path).relative_to(root) if root else path) for path in paths[:most]]
    return ", ".join(told) + (f" and {len(paths) - most} more" if len(paths) > most else "")


def write_problems(problems: Iterable[Problem], path: Path) -> None:
    """Write the problems as CSV (path, reason, advice, severity), atomically; without any, an empty table."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Problem)])
        writer.writeheader()
        writer.writerows({key: cell(text) for key, text in asdict(problem).items()} for problem in problems)


def read_problems(path: Path) -> list[Problem]:
    """The problems of a table that was so written; SpineError where it is lost or damaged."""
    with one_file(path, "build the dataset again"), path.open(newline="", encoding="utf-8") as stream:
        return [Problem(**row) for row in csv.DictReader(stream)]


def write_sheet(table: pd.DataFrame, path: Path, index_label: str | None = None) -> None:
    """Write a table that people open, as CSV, atomically: no text in it is run by a spreadsheet.

    With `index_label` its index is the first column, called so. What we read back ourselves is no sheet: manifests.
    """
    shown = table.map(_shown_cell).rename(columns=_shown_cell, index=_shown_cell)
    with atomic_file(path) as temporary:
        shown.to_csv(temporary, index=index_label is not None, index_label=index_label)


def _shown_cell(value: object) -> object:
    return cell(value) if isinstance(value, str) else value


def cell(text: str) -> str:
    """A text as a cell of a CSV file that a spreadsheet shows and does not run."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULAS) else shown


def lost_in(tree: Tree) -> Iterator[Problem]:
    """What of a tree of files cannot be read, such as links that lead nowhere, and folders that are in it twice."""
    for path, reason in sorted(tree.lost.items()):
        yield Problem(str(path), reason, "fix or remove it")
    for link, place in sorted(tree.again.items()):
        if place not in link.parents:  # a link to a folder above it gives nothing more
            reason = f"is {place} once more, whose files are read there"
            yield Problem(str(link), reason, "remove the link, or point it to another folder", "warning")


def by_severity(problems: Iterable[Problem]) -> list[Problem]:
    """Errors first, each kind in its order."""
    return sorted(problems, key=lambda problem: problem.severity)


def verdict(problems: Iterable[Problem]) -> str:
    """How many there are, in words, such as "2 errors, 1 warning"."""
    counts = Counter(problem.severity for problem in problems)
    told = [f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}" for kind in ("error", "warning") if counts[kind]]
    return ", ".join(told) or "no problems"


def print_problems(problems: Iterable[Problem]) -> None:
    """Print the problems as a table, errors first; nothing where there are none. Paths are wrapped, never cut."""
    from rich.table import Table
    from rich.text import Text

    ordered = by_severity(problems)
    if not ordered:
        return
    table = Table(title=f"{len(ordered)} problem{'s' if len(ordered) > 1 else ''}")
    table.add_column("severity")
    for heading in ("path", "reason", "what to do"):
        table.add_column(heading, overflow="fold")
    for problem in ordered:  # Text: a file called [red] is no style
        cells = (problem.severity, problem.path, problem.reason, problem.advice)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    wide_console().print(table)
