"""`spine plan`: what an experiment will take, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import show, show_paths
from pipeline.cli.experiments import Executor, ExperimentFile, Members, Overrides, load
from spine.core.wide_console import wide_console
from spine.core.words import duration

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.planning.plan import Plan

__all__ = ["plan"]

MACHINES = (1, 2, 4, 8, 16)


def plan(
    experiment: ExperimentFile,
    overrides: Overrides = None,
    machines: Annotated[
        list[int] | None, typer.Option("--machines", "-n", min=1, max=100_000, help="So many; repeat it for several.")
    ] = None,
    member: Members = None,
    executor: Executor = None,
) -> None:
    """Tell the trainings, their memory, disk and time on N machines, by a few batches of each member, run first."""
    from pipeline.planning.plan import make_plan

    console = wide_console()
    for settings in load(experiment, overrides, executor):
        found = make_plan(settings, show, member or ())
        counts = sorted(set(machines)) if machines else found.worth_of(MACHINES)
        console.print(_members(found))
        console.print(_times(found, counts))
        for line in _sentences(found):
            typer.echo(line)
        show_paths([found.write(counts)])


def _members(found: Plan) -> Table:
    from rich.table import Table

    title = f"{found.experiment.name}: {len(found.trainings)} trainings"
    table = Table(title=title)
    table.add_column("member", overflow="fold")
    for column in ("times", "pictures", "epochs", "each", "memory", "took"):
        table.add_column(column, justify="right")
    for member, own in found.of_members:
        seconds, took = [one.seconds for one in own], [one.took for one in own if one.took is not None]
        rehearsal = own[0].rehearsed.rehearsal
        table.add_row(
            member,
            str(len(own)),
            _span([one.learned_from for one in own]),
            _span([one.epochs for one in own]),
            duration(sum(seconds) / len(seconds)),
            _bytes(rehearsal.memory),
            duration(sum(took) / len(took)) if took else "",
        )
    return table


def _times(found: Plan, machines: list[int]) -> Table:
    from rich.table import Table

    table = Table(title="until all are trained, from nothing")
    for column in ("machines", "trainings at once", "time", "speed-up"):
        table.add_column(column, justify="right")
    alone = found.seconds_on(1)
    for count in machines:
        seconds = found.seconds_on(count)
        at_once = min(count * found.each_machine_runs, len(found.trainings))
        table.add_row(str(count), str(at_once), duration(seconds), f"{alone / seconds:.1f}" if seconds else "")
    return table


def _sentences(found: Plan) -> list[str]:
    lines = [
        f"memory of a machine: {_bytes(found.memory)}; disk: {_bytes(found.kept)} in the end, "
        f"and up to {_bytes(found.passing)} for each training that runs",
        "times are of all epochs on machines like the one that rehearsed; early stopping makes them shorter, and "
        "joining folds, predictions, search and report come after them",
    ]
    if found.left_out:
        lines.append(f"not counted, as no network of ours learns for them: {', '.join(found.left_out)}")
    planned, took, count = found.measured
    if count:
        share = took / planned
        lines.append(
            f"{count} trainings have been run: planned {duration(planned)}, took {duration(took)} ({share:.2f} of it)"
        )
    return lines


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _bytes(count: float) -> str:
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
