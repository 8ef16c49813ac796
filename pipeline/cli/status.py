"""`spine status`: how the jobs of a run stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["status"]


def status(
    run: Annotated[
        Path, typer.Argument(metavar="RUN|EXPERIMENT", help="The directory of a run, or the file of its experiment.")
    ],
) -> None:
    """Show each job of a run by its files alone: done, running where, failed why. Exit status 0 where all are done."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from pipeline.experiments import load_experiments
    from pipeline.jobs.status import DONE, counted, standings
    from spine.core.problems import SpineError, printable

    file = run / "experiment.yaml" if run.is_dir() else run
    if not file.is_file():
        raise SpineError(f"{run} holds no experiment.yaml; give the directory of a run, or the file of an experiment")
    found = [(experiment, standings(experiment)) for experiment in load_experiments(file, ())]
    for experiment, jobs in found:
        told = ", ".join(f"{count} {state}" for state, count in counted(jobs).items())
        table = Table("job", "state", "where", "since", "note", title=f"{experiment.directory}: {told}")
        for job in jobs:
            table.add_row(
                *(escape(printable(cell)) for cell in (job.job, job.state, job.where, _when(job.since), job.note))
            )
        Console().print(table)
    if any(job.state != DONE for _, jobs in found for job in jobs):
        raise typer.Exit(1)


def _when(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""
