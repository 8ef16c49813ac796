"""`spine client`: files to a served model, and its answers as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import exit_on_errors, show, show_paths

if TYPE_CHECKING:
    from pipeline.client import RemoteModel
    from spine.experiment.config import Experiment

__all__ = ["add_client"]

_MANY = 24  # paths that a person reads; beyond, the tables and the directory tell

Url = Annotated[
    str, typer.Argument(metavar="URL", help="http://HOST:8501/v1/models/NAME, grpc://HOST:8500/v1/models/NAME.")
]
Name = Annotated[str, typer.Option("--model", help="The model's name, where the URL does not have it.")]
Version = Annotated[int | None, typer.Option(min=0, help="A version of the model; else the newest.")]
Label = Annotated[str, typer.Option(help="The version of that label, such as stable or canary.")]
TokenFile = Annotated[
    Path | None, typer.Option(help="A file with the server's token; else SPINE_SERVE_TOKEN, else none.")
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds that an answer may take.")]


def client(
    url: Url,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="PNG, JPEG, TIFF, DICOM, NIfTI, MHA or NRRD, folders, .zip archives."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The directory for the results.")] = Path("answers"),
    dicom: Annotated[bool, typer.Option("--dicom", help="Write DICOM results too, for DICOM files.")] = False,
    members: Annotated[
        bool, typer.Option("--members", help="Ask what each member says, and where they differ.")
    ] = False,
    slices: Annotated[int, typer.Option(min=0, help="So many middle slices of each series or volume; 0 is all.")] = 1,
    burned_in: Annotated[
        bool, typer.Option("--burned-in", help="Send pictures with burned-in annotation too.")
    ] = False,
    model: Name = "",
    version: Version = None,
    label: Label = "",
    token_file: TokenFile = None,
    timeout: Timeout = 120.0,
    card: Annotated[
        Path | None, typer.Option(help="The member.json of the model, where it does not describe itself.")
    ] = None,
) -> None:
    """Ask a served model about pictures, without patient data, and write its answers (not for diagnosis)."""
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    from pipeline.client.ask import ask
    from pipeline.client.model import introduction
    from spine.core.disk import at_work
    from spine.core.problems import print_problems, verdict

    with _open(url, model, version, label, token_file, timeout, card) as asked, at_work(f"writing {output}"):
        show(introduction(asked))
        if members and not asked.tells_members:
            show("it does not tell what its members say; ensembles and cases do, once they are exported again")
        done = ask(asked, files, output, members=members, dicom=dicom, slices=slices or None, burned_in=burned_in)
    print_problems(done.problems)
    show(f"{len(done.answered)} answered, {verdict(done.problems)}")
    show_paths(
        done.paths if len(done.paths) <= _MANY else [output, *(one for one in done.paths if one.suffix == ".csv")]
    )
    exit_on_errors(done.problems)


def check(
    url: Url,
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The YAML file of the experiment whose ensemble is served.")
    ],
    split: Annotated[str, typer.Option(help="test or validation.")] = "test",
    most: Annotated[int, typer.Option(min=0, help="Only so many samples of the split; 0 is all.")] = 0,
    model: Name = "",
    version: Version = None,
    label: Label = "",
    token_file: TokenFile = None,
    timeout: Timeout = 120.0,
) -> None:
    """Compare what a server answers with what was predicted and stored; exit status 1 on a difference."""
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    from pipeline.client.check import check_served
    from spine.core.problems import printable

    with _open(url, model, version, label, token_file, timeout) as asked:
        experiment = _served(asked, run)
        show(f"checking {asked.name}, version {asked.version}, on {split} of {experiment.name}")
        done = check_served(asked, experiment, split, most or None)
    for sample, difference in done.differing.items():
        typer.echo(printable(f"{sample}: {difference:.2e} apart"))
    show(
        f"{done.samples - len(done.differing)} of {done.samples} samples within {done.tolerance:.0e}; the farthest is "
        f"{done.farthest:.2e} apart"
    )
    if done.differing:
        raise typer.Exit(1)


def _served(model: RemoteModel, run: Path) -> Experiment:
    """The experiment of a file that a model is served from; SpineError where it is none of a suite's."""
    from pipeline.cases import is_case
    from pipeline.experiments import load_experiments
    from spine.core.problems import SpineError

    if is_case(run):
        raise SpineError(
            f"{run} is a case, of which nothing is predicted and stored; check the runs that it chains, each served by "
            "its own name. That the case equals them was measured when it was exported"
        )
    experiments = load_experiments(run)
    names = {experiment.exported_name: experiment for experiment in experiments}
    if len(experiments) == 1:
        return experiments[0]
    if model.name not in names:
        raise SpineError(f"{run} has no experiment that is served as {model.name!r}, only as {', '.join(names)}")
    return names[model.name]


def _open(
    url: str,
    name: str,
    version: int | None,
    label: str,
    token_file: Path | None,
    timeout: float,
    card: Path | None = None,
) -> RemoteModel:
    from pipeline.client import RemoteModel
    from pipeline.client.address import EXPOSED, Address
    from pipeline.client.local import read_description
    from pipeline.server.token import read_token

    if Address.of(url, name, version, label).is_exposed:
        show(EXPOSED)
    return RemoteModel.open(
        url,
        name,
        version=version,
        label=label,
        token=read_token(token_file).secret,
        timeout=timeout,
        description=read_description(card) if card else None,
    )


def add_client(app: typer.Typer, serve: typer.Typer) -> None:
    """Add `client`, and `check` to the commands of `serve`."""
    app.command()(client)
    serve.command()(check)
