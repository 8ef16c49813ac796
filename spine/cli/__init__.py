"""The front door `spine`: parse, one call, one line. Heavy imports stay inside functions."""

from __future__ import annotations

import sys

import typer

from spine.cli import data, experiments

__all__ = ["app", "main"]

app = experiments.app
app.add_typer(data.app, name="data")


def main() -> None:
    """The console script: a SpineError becomes one message and exit status 1."""
    from spine.problems import SpineError

    try:
        app()
    except SpineError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
