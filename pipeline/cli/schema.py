"""`spine schema`: what editors complete and check YAML by."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["schema"]


def schema(
    kind: Annotated[
        str, typer.Argument(metavar="[KIND]", help="experiment, data or case; of a run: weights, metrics or member.")
    ] = "experiment",
) -> None:
    """Print the JSON Schema of a kind of file, by which editors complete and check it."""
    import json

    from pipeline.schema import schema_of

    typer.echo(json.dumps(schema_of(kind), indent=2, ensure_ascii=False, allow_nan=False))
