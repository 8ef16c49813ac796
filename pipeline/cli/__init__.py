"""The front door `spine`: parse, one call, one line. Heavy imports stay inside functions."""

from __future__ import annotations

import re
import sys
from itertools import takewhile

from pipeline.cli import client, data, experiments, serve
from pipeline.cli.demo import demo
from pipeline.cli.pacs import pacs
from spine.core.ending import run_to_the_end

__all__ = ["app", "main"]

app = experiments.app
app.add_typer(data.app, name="data")
app.add_typer(serve.app, name="serve")
client.add_client(app, serve.app)
app.command()(demo)
app.command()(pacs)


def main() -> None:
    """The console script, which ends as `spine.core.ending` has it."""
    verbs = takewhile(lambda word: re.fullmatch("[a-z-]+", word), sys.argv[1:3])
    run_to_the_end(app, " ".join(["spine", *verbs]))
