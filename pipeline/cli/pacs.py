"""`spine pacs`: studies of an archive are pulled, answered, and their results stored beside them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import exit_on_errors, show, trust_models

if TYPE_CHECKING:
    from pipeline.client import Model
    from pipeline.pacs.archive import Archive
    from pipeline.pacs.study import Outcome, Request

__all__ = ["pacs"]


def pacs(
    url: Annotated[str, typer.Argument(metavar="URL", help="The root of the archive's DICOMweb.")],
    study: Annotated[str, typer.Option(help="The StudyInstanceUID.")] = "",
    series: Annotated[str, typer.Option(help="Only this series: its SeriesInstanceUID.")] = "",
    model: Annotated[Path | None, typer.Option("--model", "-m", help="Directory of the model that answers.")] = None,
    server: Annotated[
        str, typer.Option("--server", "-s", help="Or the URL of one that is served, http://HOST:8501/v1/models/NAME.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with that server's token; else SPINE_SERVE_TOKEN, else none.")
    ] = None,
    slices: Annotated[int, typer.Option(min=1, help="So many slices, nearest the mid-sagittal one.")] = 1,
    again: Annotated[bool, typer.Option("--again", help="Make results that are there already once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be answered.")] = False,
    burned_in: Annotated[
        bool, typer.Option("--burned-in", help="Send pictures with burned-in annotation to the server too.")
    ] = False,
    watch: Annotated[
        float | None, typer.Option(min=1, help="Look for new studies every so many seconds, until stopped.")
    ] = None,
    since: Annotated[
        str, typer.Option(help="With --watch: studies since this day, YYYY-MM-DD; else since yesterday.")
    ] = "",
    credentials: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with `user` and `password`, or `token`. Else the variables SPINE_PACS_USER and "
            "SPINE_PACS_PASSWORD, or SPINE_PACS_TOKEN, hold them."
        ),
    ] = None,
    most_instances: Annotated[int, typer.Option(min=1, help="Refuse a study of more objects.")] = 5000,
    most_mib: Annotated[int, typer.Option(min=1, help="Break off where a study has more MiB.")] = 2048,
    trust: Annotated[bool, typer.Option("--trust", help="Run the model even if this project did not make it.")] = False,
) -> None:
    """Answer a study of a PACS by DICOMweb and store the results in it; nothing is done twice. Not for diagnosis."""
    from pipeline.client.model import introduction
    from pipeline.pacs.address import Address, Credentials
    from pipeline.pacs.archive import Archive, checked_uid
    from pipeline.pacs.study import Request
    from spine.core.problems import SpineError
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    if bool(study) == (watch is not None):
        raise SpineError("say what to answer: --study UID, or --watch SECONDS for all studies that arrive")
    if (model is None) == (not server):
        raise SpineError("say what answers: --model DIRECTORY of a member, an ensemble or a case, or --server URL")
    request = Request(
        checked_uid(series) if series else "", slices, again, dry_run, burned_in or not server, most_instances
    )
    address = Address(url, Credentials.of(credentials))
    if address.is_open:
        show(f"{address.url} is no https: whoever can listen on the way reads the credentials")
    if model:
        _require_model(model, trust)
    with Archive(address, most_mib * 2**20) as archive:
        if study:
            archive.instances(study, most_instances)  # what is wrong there is told before a model is loaded
        with _opened(model, server, token_file) as answering:
            show(introduction(answering))
            if watch is not None:
                _watch(archive, answering, request, watch, since)
            else:
                exit_on_errors(_answer(archive, answering, request, study).problems)


def _require_model(directory: Path, trust: bool) -> None:
    """SpineError where the directory has no model that may run; loading it takes longer than to ask the archive."""
    from spine.member.member import Member

    if trust:
        trust_models([directory])
    _ = Member.open(directory).trusted_model


def _opened(directory: Path | None, server: str, token_file: Path | None) -> AbstractContextManager[Model]:
    """The model that answers, in this process or served."""
    from pipeline.client import LocalModel, RemoteModel
    from pipeline.client.address import EXPOSED, Address
    from pipeline.server.token import read_token

    if directory is None:
        if Address.of(server).is_exposed:
            show(EXPOSED)
        return RemoteModel.open(server, token=read_token(token_file).secret)
    return nullcontext(LocalModel.open(directory))


def _answer(archive: Archive, model: Model, request: Request, study: str) -> Outcome:
    """Answer a study, and print what came of it."""
    from pipeline.pacs.study import answer_study, shown_study
    from spine.core.problems import print_problems, printable, verdict

    show(shown_study(study))
    done = answer_study(archive, study, model, request, lambda line: typer.echo(printable(line)))
    print_problems(done.problems)
    answered = "to be answered" if request.dry_run else "answered"
    show(
        f"{done.answered} {answered}, {done.skipped} with results already, {done.stored} results stored, "
        f"{verdict(done.problems)}"
    )
    return done


def _watch(archive: Archive, model: Model, request: Request, seconds: float, since: str) -> None:
    from pipeline.pacs.study import shown_study
    from pipeline.pacs.watch import days, watch

    def tell(study: str, sentence: str) -> None:
        show(f"{shown_study(study)}: {sentence}" if study else sentence)

    watch(
        archive,
        days(since, seconds),
        request.most_instances,
        lambda study: _answer(archive, model, request, study),
        tell,
    )
