"""`spine demo`: a page on this machine for people who would rather look."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import show

__all__ = ["demo"]


def demo(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN|CASE", help="The YAML file of an experiment or a case, or a model's directory."),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to override, such as runs=elsewhere.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Without one, the first free from 7860 on.")
    ] = None,
) -> None:
    """Show a page where a picture is dropped and its answer is seen; needs the extra `demo`."""
    from spine.core.ending import Stopped
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    from pipeline.demo.launch import served
    from pipeline.demo.shown_run import ShownRun

    show("load the model")
    with served(ShownRun.open(run, overrides or ()), port=port) as url:
        typer.echo(url)
        show("open it in a browser; Ctrl-C stops. Not for diagnosis")
        try:
            threading.Event().wait()
        except Stopped:
            show("stopped")
