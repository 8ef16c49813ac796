"""`spine predict`: members over the splits of their dataset, or one model over many studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import show, show_paths, trust_models
from pipeline.cli.experiments import Overrides, Trust, predict_splits

if TYPE_CHECKING:
    from pipeline.bulk.loop import Outcome
    from pipeline.bulk.predict import Request
    from spine.experiment.executor import ExecutorSettings

__all__ = ["predict"]

SHARDS = 8  # of studies that are answered by jobs


def predict(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT|MODEL",
            help="The YAML file of an experiment or a suite; with --studies also of a case, or a model's directory.",
        ),
    ],
    overrides: Overrides = None,
    trust: Trust = False,
    studies: Annotated[
        str,
        typer.Option("--studies", help="Answer these: a folder, a .csv with a column path, or the URL of a DICOMweb."),
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="With --studies: the directory of the answers.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="With --studies: pictures a request.")] = 8,
    masks: Annotated[bool, typer.Option("--masks", help="With --studies: write masks as PNG, too.")] = False,
    slices: Annotated[
        int, typer.Option(min=0, help="With --studies: so many slices, nearest the mid-sagittal one; 0 is all.")
    ] = 1,
    shard: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N shares of the members, or of --studies.")
    ] = "1/1",
    executor: Annotated[
        str | None, typer.Option("--executor", help="With --studies: run shards as jobs, local, slurm or ray.")
    ] = None,
    shards: Annotated[int | None, typer.Option(min=1, help="With --executor: so many jobs, 8 unless told.")] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(help="With a URL: the YAML file with user and password, or token, as of `spine pacs`."),
    ] = None,
) -> None:
    """Run the members' SavedModels over validation and test; with --studies, the model over a whole tree of them."""
    from pipeline.bulk.shard import Shard
    from spine.core.problems import SpineError

    if not studies:
        if output or executor or shards or masks or credentials:
            raise SpineError("say which studies are answered: --studies FOLDER, a .csv or a URL")
        predict_splits(experiment, overrides, trust, Shard.of(shard).every)
        return
    from pipeline.bulk.predict import Request
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    if output is None:
        raise SpineError("say where the answers go: --output DIRECTORY")
    of_executor = [word for word in overrides or () if word.startswith("executor.")]
    model = _model_of(experiment, [word for word in overrides or () if word not in of_executor])
    request = Request(model, studies, output, Shard.of(shard), batch, masks, slices or None, credentials=credentials)
    if executor:
        _predict_in_shards(request, shards or SHARDS, _executor_of(executor, of_executor), trust)
    elif shards:
        raise SpineError(f"--shards {shards} is of jobs; name what runs them by --executor, or give --shard I/{shards}")
    else:
        _predict_here(request, trust)


def _predict_here(request: Request, trust: bool) -> None:
    """Answer studies here and print what came of it; SpineError in the end where some could not be answered.

    As a job it is done then all the same: whoever runs the jobs tells of these.
    """
    from pipeline.bulk.jobs import as_job, is_run_by_engine
    from pipeline.bulk.predict import predict

    if trust:
        trust_models([request.model])
    outcome = predict(request, show, lambda: as_job(request))
    _tell(outcome, request)
    if not is_run_by_engine():
        _require_all(outcome, request)


def _predict_in_shards(request: Request, shards: int, settings: ExecutorSettings, trust: bool) -> None:
    """The same by jobs of an executor."""
    from pipeline.bulk.jobs import predict_in_jobs
    from spine.core.problems import SpineError

    if request.shard.count > 1:
        raise SpineError("give --shard for what is run here, or --executor with --shards for all of them")
    if trust:
        trust_models([request.model])
    outcome = predict_in_jobs(request, shards, settings, show)
    _tell(outcome, request)
    _require_all(outcome, request)


def _executor_of(kind: str, overrides: Sequence[str]) -> ExecutorSettings:
    """An executor by its kind and what overrides say of it, such as executor.gpus=1."""
    from spine.core.strict import validate
    from spine.experiment.executor import ExecutorSettings
    from spine.experiment.loading import apply_override

    raw: dict[str, Any] = {"executor": {"kind": kind}}
    for override in overrides:
        apply_override(raw, override)
    return validate(ExecutorSettings, raw["executor"], "executor")


def _tell(outcome: Outcome, request: Request) -> None:
    from spine.core.words import counted

    asked = counted(outcome.asked, "study", "studies")
    pictures = f", {counted(outcome.pictures, 'picture')}" if outcome.pictures else ""
    show(f"{outcome.studies:,} of {asked} answered{pictures}" if outcome.asked else "nothing was left to answer")
    if outcome.warned:
        warned = counted(outcome.warned, "answered study has warnings", "answered studies have warnings")
        show(f"{warned}; {request.output}/parts/*/warnings.csv list them")
    show_paths([request.output])


def _require_all(outcome: Outcome, request: Request) -> None:
    from spine.core.problems import SpineError
    from spine.core.words import counted

    if outcome.failed:
        asked = counted(outcome.asked, "study", "studies")
        raise SpineError(
            f"{outcome.failed:,} of {asked} could not be answered; {request.output}/failed*.csv tell why, and "
            "the same command tries them again"
        )


def _model_of(path: Path, overrides: Sequence[str]) -> Path:
    """The directory of the model that a case's or an experiment's file leads to, or that is given itself."""
    from pipeline.cases import is_case, load_case
    from pipeline.experiments import load_experiments
    from spine.core.problems import SpineError

    if path.is_dir():
        return path
    if is_case(path):
        return _exported(load_case(path, overrides).directory, path, f"`spine export {path}`")
    experiments = load_experiments(path, overrides)
    if len(experiments) > 1:
        names = ", ".join(str(one.ensemble_directory) for one in experiments)
        raise SpineError(f"{path} has several ensembles; give the directory of one, or a case's file: {names}")
    advice = f"`spine run {path}`, or, where its members are trained and searched, `spine export {path}`"
    return _exported(experiments[0].ensemble_directory, path, advice)


def _exported(directory: Path, path: Path, advice: str) -> Path:
    from spine.core.problems import SpineError

    if not (directory / "member.json").exists():
        raise SpineError(f"{path} has no model in {directory} yet; run {advice}")
    return directory
