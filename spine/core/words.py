"""Numbers in sentences."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, one: str, several: str = "") -> str:
    """A number and what is counted: "1 picture", "2,000 pictures"; `several` where not only an s differs."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
