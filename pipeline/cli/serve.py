"""`spine serve`: models over TF Serving's protocols, from this process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli.console import show, trust_models

if TYPE_CHECKING:
    from pipeline.server import Server

__all__ = ["app"]


class _StartsByDefault(TyperGroup):
    """`spine serve RUN` is `spine serve start RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the word that may be left out."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["start", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_StartsByDefault,
    help="Serve models by TF Serving's protocols: `spine serve RUN|CASE` (not for diagnosis).",
    no_args_is_help=True,
)


@app.command("start")
def start(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|CASE...", help="Experiment, suite or case files, members' or runs' directories."),
    ],
    host: Annotated[str, typer.Option(help="The address to listen on; another than loopback needs a token.")] = (
        "127.0.0.1"
    ),
    rest_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the REST API; 0 is any that is free.")] = 8501,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the gRPC API; 0 is any that is free.")] = 8500,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token of requests; else SPINE_SERVE_TOKEN, else none.")
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="How many of a model's newest versions stay loaded.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows that are answered together at most.")] = 8,
    batch_delay: Annotated[float, typer.Option(min=0, max=1000, help="Milliseconds that a first row waits.")] = 2.0,
    queue: Annotated[int, typer.Option(min=1, max=4096, help="Requests at a time; more are refused (429).")] = 128,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for a request; then it is refused (504).")] = 60.0,
    max_body: Annotated[int, typer.Option(min=1, max=1024, help="MiB of a request; more are refused (413).")] = 64,
    max_pixels: Annotated[int, typer.Option(min=1024, help="Pixels of all pictures of a request.")] = 2**25,
    trust: Annotated[bool, typer.Option("--trust", help="Run models that this project did not make.")] = False,
) -> None:
    """Answer requests until Ctrl-C or SIGTERM, then finish those that are open."""
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    from pipeline.server import Limits, Server, sources_of
    from pipeline.server.token import read_token

    limits = Limits(
        body=max_body * 2**20,
        pixels=max_pixels,
        queue=queue,
        batch=batch_size,
        delay=batch_delay / 1000,
        timeout=timeout,
    )
    found = sources_of(sources)
    if trust:
        trust_models([source.directory for source in found])
    ports = {"rest_port": rest_port, "grpc_port": grpc_port}
    _serve(Server(found, host=host, **ports, limits=limits, token=read_token(token_file), keep=keep, show=show))


def _serve(server: Server) -> None:
    from spine.core.ending import Stopped

    show(f"loading {', '.join(server.servables.models)}")
    server.start()
    for name in server.servables.models:
        show(f"POST {server.rest_url}/v1/models/{name}:predict")
    show(f"gRPC at {server.grpc_address}; ready at {server.rest_url}/healthz; Ctrl-C stops. Not for diagnosis")
    try:
        threading.Event().wait()
    except Stopped:
        show("stopping: open requests are answered")
        server.stop()
        show("stopped")
