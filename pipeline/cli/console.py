"""What commands print: headings on stderr, paths and tables on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spine.core.problems import printable, printable_lines
from spine.core.wide_console import wide_console

if TYPE_CHECKING:
    from spine.experiment.config import Experiment

__all__ = ["exit_on_errors", "show", "show_leaderboard", "show_paths", "trust_models"]


def show(line: str) -> None:
    """A heading: the stage that begins, or a sentence."""
    typer.secho(f"== {printable_lines(line)}", bold=True, err=True)


def show_paths(paths: list[Path]) -> None:
    """What was written, each path once."""
    for path in dict.fromkeys(paths):
        typer.echo(printable(str(path)))


def show_leaderboard(settings: Experiment, dataset: Path | None = None) -> None:
    """The table of an evaluation, of the experiment's own dataset or of another."""
    from pipeline import registry

    wide_console().print(registry.leaderboard(settings, dataset))


def trust_models(directories: list[Path]) -> None:
    """Trust the SavedModels of these members' directories, and show which."""
    from spine.experiment.trust import trust

    trust(directories, show)


def exit_on_errors(problems: list) -> None:
    """Exit status 1 where a problem is an error."""
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(1)
