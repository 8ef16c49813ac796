"""Numbers and times in sentences."""

from __future__ import annotations

__all__ = ["counted", "duration"]


def counted(count: int, one: str, several: str = "") -> str:
    """A number and what is counted: "1 picture", "2,000 pictures"; `several` where not only an s differs."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def duration(seconds: float) -> str:
    """A time as people say it: "45 s", "2.5 min", "40 min", "1.6 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.{minutes < 10:d}f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
