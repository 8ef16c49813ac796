"""What a person who watches a tuning sees: what is tried, a line for each trial that has ended, and how one goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pipeline.tuning.judged import Judged
from spine.core.words import duration
from spine.experiment.tuning import label_of

if TYPE_CHECKING:
    from ensemble.record.tuning_study import TunedTrial
    from spine.experiment.tuning import TuneSettings

__all__ = ["Progress", "line_of", "opening", "settings_text"]


def opening(settings: TuneSettings, judged: Judged, done: int) -> str:
    """What is searched, where, by what and for how long."""
    budget = f"{settings.trials} trials"
    if settings.minutes is not None:
        budget += f" or {settings.minutes:g} minutes"
    before = f"; {done} done before" if done else ""
    return f"tune {settings.member}: {', '.join(settings.space)} in {budget}, by {judged}{before}"


def line_of(trial: TunedTrial, best: TunedTrial | None, done: int, settings: TuneSettings, judged: Judged) -> str:
    """One line on a trial that has ended, and the best so far."""
    counted = f"{done}/{settings.trials}"
    ended = trial.note if trial.state == "complete" else f"{trial.state} {trial.note}"
    if trial.score is not None:
        ended = f"{judged.title} {trial.score:.4f}"
    so_far = ""
    if best is not None and best.number == trial.number:
        ended += ", best so far"
    elif best is not None:
        so_far = f"; best {best.score:.4f} (trial {best.number})"
    return (
        f"{counted}  trial {trial.number}: {ended}; {settings_text(trial.settings)}; {duration(trial.seconds)}{so_far}"
    )


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as text: `learning_rate 0.0012, optimizer sgd`."""
    return ", ".join(f"{name} {label_of(value)}" for name, value in settings.items())


class Progress:
    """A line on stderr about the trial that runs, where somebody watches: its epoch, and the best score so far."""

    def __init__(self, number: int, best: TunedTrial | None) -> None:
        from rich.console import Console

        self.title, console = f"trial {number}", Console(stderr=True)
        self.best = "" if best is None else f"  best {best.score:.4f} (trial {best.number})"
        self.status = console.status(f"{self.title}{self.best}") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.status:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def tell(self, epoch: int, watched: tuple[str, float] | None) -> None:
        """An epoch has ended, with that value of validation."""
        if self.status:
            value = f"  {watched[0]} {watched[1]:.4f}" if watched else ""
            self.status.update(f"{self.title}  epoch {epoch}{value}{self.best}")
