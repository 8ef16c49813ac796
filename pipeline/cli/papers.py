"""The verbs of published papers: list them, show what one printed, recompute what that implies."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.console import show
from spine.core.wide_console import wide_console

__all__ = ["app"]

app = typer.Typer(help="Published systems: their printed numbers, and what these imply.", invoke_without_command=True)

Paper = Annotated[str, typer.Argument(metavar="PAPER", help="A name that `spine papers` lists.")]


@app.callback()
def papers(context: typer.Context) -> None:
    """List the papers; `show` and `check` one of them."""
    if context.invoked_subcommand:
        return
    from pipeline.papers.facts import PAPERS, read_facts

    for name in PAPERS:
        typer.echo(f"{name}: {read_facts(name).citation}")


@app.command("show")
def show_paper(paper: Paper) -> None:
    """Show what a paper printed: facts with their source, weights, and tables."""
    from pipeline.papers.facts import read_facts
    from pipeline.papers.shown import fact_tables

    for table in fact_tables(read_facts(paper)):
        wide_console().print(table)


@app.command()
def check(paper: Paper) -> None:
    """Recompute what a paper's own numbers imply, a line each: printed, implied, verdict."""
    from pipeline.papers.check import check_paper, findings_table, summary

    findings = check_paper(paper)
    wide_console().print(findings_table(paper, findings))
    show(summary(findings))
