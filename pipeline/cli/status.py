"""`spine status`: how the jobs of a run stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spine.core.wide_console import wide_console

if TYPE_CHECKING:
    from pipeline.jobs.status import Standing

__all__ = ["status"]


def status(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|EXPERIMENT", help="The directory of a run or of answers, or the file of an experiment."
        ),
    ],
) -> None:
    """Show each job of a run by its files alone: done, running where, failed why. Exit status 0 where all are done."""
    from rich.markup import escape
    from rich.table import Table

    from pipeline.jobs.status import counted
    from spine.core.problems import printable

    found = _found(run)
    for directory, jobs in found:
        told = ", ".join(f"{count} {state}" for state, count in counted(jobs).items())
        table = Table("job", "state", "where", "since", "note", title=f"{directory}: {told}")
        for job in jobs:
            table.add_row(
                *(escape(printable(cell)) for cell in (job.job, str(job), job.where, _when(job.since), job.note))
            )
        wide_console().print(table)
    if not all(job.is_whole for _, jobs in found for job in jobs):
        raise typer.Exit(1)


def _found(run: Path) -> list[tuple[Path, list[Standing]]]:
    """Of each run, or of a directory of answers, how its jobs stand."""
    from pipeline.bulk.jobs import is_answers, records_in, shards_in
    from pipeline.experiments import load_experiments
    from pipeline.jobs.status import standings
    from spine.core.problems import SpineError

    if is_answers(run):
        if not (jobs := shards_in(run)):
            raise SpineError(
                f"{run} was begun, and nothing is answered: no shard has left a record in {records_in(run)}; run the "
                "same `spine predict --studies` command again"
            )
        return [(run, jobs)]
    file = run / "experiment.yaml" if run.is_dir() else run
    if not file.is_file():
        lacks = "holds neither experiment.yaml nor answers" if run.exists() else "is not there"
        raise SpineError(f"{run} {lacks}; give the directory of a run or of answers, or the file of an experiment")
    return [(experiment.directory, standings(experiment)) for experiment in load_experiments(file, ())]


def _when(seconds: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""
