"""Numbers, times, lists and what is missing, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["counted", "duration", "enumerated", "needs_extra", "signed"]


def counted(count: int, one: str, several: str = "") -> str:
    """A number and what is counted: "1 picture", "2,000 pictures"; `several` where not only an s differs."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def duration(seconds: float) -> str:
    """A time as people say it: "45 s", "2.5 min", "40 min", "1.6 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.{minutes < 10:d}f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def enumerated(names: Iterable[str]) -> str:
    """Names as a sentence has them: "a", "a and b", "a, b and c"; empty of none."""
    *others, last = list(names) or [""]
    return f"{', '.join(others)} and {last}" if others else last


def signed(difference: float, digits: int = 3) -> str:
    """A difference with its sign, such as "+0.012"; one that rounds to nothing has none, for -0.000 is no loss."""
    told = f"{difference:+.{digits}f}"
    return told[1:] if float(told) == 0 else told


def needs_extra(what: str, package: str, extra: str) -> str:
    """Of a package that is not installed: what needs it, and how pyproject.toml's extra that brings it is installed."""
    return f"{what} needs {package}; install it from the repository: pip install -e '.[{extra}]'"
