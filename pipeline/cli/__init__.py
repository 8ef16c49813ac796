"""The front door `spine`: parse, one call, one line. Heavy imports stay inside functions."""

from __future__ import annotations

import re
import sys
from itertools import takewhile
from typing import Annotated

import typer

from pipeline.cli import client, data, experiments, papers, serve
from pipeline.cli.demo import demo
from pipeline.cli.pacs import pacs
from pipeline.cli.plan import plan
from pipeline.cli.predict import predict
from pipeline.cli.schema import schema
from pipeline.cli.status import status
from spine import __version__
from spine.core.ending import run_to_the_end

__all__ = ["app", "main"]

app = experiments.app
app.add_typer(data.app, name="data")
app.add_typer(serve.app, name="serve")
app.add_typer(papers.app, name="papers")
client.add_client(app, serve.app)
app.command()(demo)
app.command()(pacs)
app.command()(plan)
app.command()(predict)
app.command()(schema)
app.command()(status)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"spine-ensemble {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Train, ensemble, test and ship spine-imaging models."""


def main() -> None:
    """The console script, which ends as `spine.core.ending` has it."""
    verbs = takewhile(lambda word: re.fullmatch("[a-z-]+", word), sys.argv[1:3])
    run_to_the_end(app, " ".join(["spine", *verbs]))
