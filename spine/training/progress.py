"""What a person who watches a training sees: a bar for the epoch that runs, a line for each that has ended."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import Progress

from spine.training.history import in_order

__all__ = ["EpochBar", "print_line"]


class EpochBar:
    """Bar and lines of the epochs of one phase, on stderr; the bar only where somebody watches."""

    def __init__(self, title: str, epochs: int, steps: int) -> None:
        self.title, self.epochs, self.steps = title, epochs, steps
        console = Console(stderr=True)
        self.progress = Progress(transient=True, console=console, disable=not console.is_terminal)
        self.task = self.progress.add_task(title, total=steps)

    def start(self) -> None:
        """Show the bar."""
        self.progress.start()

    def begin(self, epoch: int) -> None:
        """Start it anew for an epoch (0-based)."""
        self.progress.reset(self.task, description=f"{self.title} {epoch + 1}/{self.epochs}", total=self.steps)

    def step(self) -> None:
        """One step on."""
        self.progress.advance(self.task)

    def end(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Leave the epoch's line."""
        values = "  ".join(f"{name} {value:.4f}" for name, value in in_order(metrics).items())
        line = f"{self.title} {epoch + 1}/{self.epochs}  {values}"
        self.progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the bar away."""
        self.progress.stop()


def print_line(title: str, line: str) -> None:
    """Leave a line on a phase that has ended, where the lines of its epochs are; none where it is empty."""
    if line:
        Console(stderr=True).print(f"{title} {line}", highlight=False, markup=False, soft_wrap=True)
