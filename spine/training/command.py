"""The command of a task: `python -m <task>.train EXPERIMENT.yaml --member NAME [key=value ...]`. Cheap to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from spine.core.disk import at_work
from spine.core.ending import run_to_the_end
from spine.core.files import write_json
from spine.core.problems import SpineError
from spine.core.processes import die_with_parent
from spine.experiment.loading import load_experiment
from spine.training.rehearsal import rehearse_member
from spine.training.trainer import FittingOf, train_member

__all__ = ["command"]


def command(fitting_of: FittingOf, task: str, settings: type[BaseModel]) -> Callable[[], None]:
    """The `main` of a task, whose trainings `fitting_of` makes.

    It knows this task's `settings` alone, and ends as `spine.core.ending` has it.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    def settings_of(other: str) -> type[BaseModel]:
        if other != task:
            raise SpineError(f"this command trains a member for {task}, but the experiment's task is {other!r}")
        return settings

    @app.command(help=f"Train one {task} member; a killed run resumes after its last complete epoch.")
    def _command(
        experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="The experiment's YAML file.")],
        member: Annotated[str, typer.Option("--member", "-m", help="The member to train.")],
        overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
        batch: Annotated[
            int | None, typer.Option("--batch", min=1, help="So many pictures a step in place of the settings' batch.")
        ] = None,
        rehearse: Annotated[
            Path | None,
            typer.Option("--rehearse", metavar="FILE", help="Train a few batches, keep none, write what that took."),
        ] = None,
    ) -> None:
        chosen = load_experiment(experiment, overrides or (), settings_of)
        with at_work(f"training of {member}"):
            if rehearse is None:
                typer.echo(str(train_member(fitting_of, chosen, member, batch)))
                return
            write_json(asdict(rehearse_member(fitting_of, chosen, member)), rehearse)

    def run() -> None:
        die_with_parent()
        app()

    return lambda: run_to_the_end(run, "training")
