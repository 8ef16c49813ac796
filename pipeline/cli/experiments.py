"""The verbs of experiments: run all stages, or one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import show, show_leaderboard, show_paths, trust_models

if TYPE_CHECKING:
    from spine.experiment.config import Experiment

__all__ = ["Executor", "ExperimentFile", "Members", "Overrides", "Trust", "app", "load", "predict_splits"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="The YAML file of an experiment or a suite.")
]
ExperimentOrCase = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT|CASE", help="The YAML file of an experiment, a suite or a case.")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to override, such as search.step=0.05.")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run SavedModels that this project did not make; remembered until they change.")
]
Executor = Annotated[
    str | None, typer.Option("--executor", help="Where trainings run: local, slurm or ray (the experiment's executor).")
]
Members = Annotated[list[str] | None, typer.Option("--member", "-m", help="Only this member; repeat it for several.")]


@app.command()
def run(
    experiment: ExperimentFile, overrides: Overrides = None, trust: Trust = False, executor: Executor = None
) -> None:
    """Run all stages in order; skip what is done and unchanged."""
    from pipeline.cases import export_cases_of
    from pipeline.data import build_ahead, is_there
    from pipeline.experiments import load_other_datasets
    from pipeline.fetch_ahead import fetch_ahead
    from pipeline.papers.pack import resolve_pack
    from pipeline.stages import awaited_of, evaluate_other_dataset, publish_two_stages, run_all
    from pipeline.training import require_trainings
    from spine.experiment.loading import load_two_stages

    experiment, overrides = resolve_pack(experiment, _with_executor(executor, overrides))
    experiments = load(experiment, overrides)
    _trust(experiments, trust)
    other_datasets = load_other_datasets(experiment, overrides or ())
    stages, written = load_two_stages(experiment), []
    built = build_ahead(experiments, [config for _, config in other_datasets], show)
    if len(experiments) > 1:
        there = [one for one in experiments if is_there(one, built)]
        require_trainings(there, awaited=awaited_of(experiments, stages))
    fetched = fetch_ahead(experiments, built, show)
    for settings in experiments:
        publish_two_stages(settings, stages, show)
        written.append(run_all(settings, show, built, fetched))
    also = [(settings, *evaluate_other_dataset(settings, config, show)) for settings, config in other_datasets]
    cases = export_cases_of(experiment, overrides or (), show)
    for settings, paths in zip(experiments, written, strict=True):
        show_leaderboard(settings)
        show_paths(paths)
    for settings, dataset, paths in also:
        show_leaderboard(settings, dataset)
        show_paths(paths)
    paper = _paper_report(experiment, experiments, [(settings, dataset) for settings, dataset, _ in also], overrides)
    show_paths([*cases, *paper])
    show(f"next: open {paper[0]} in a browser" if paper else _next_step(experiment, experiments, overrides or []))


@app.command()
def train(
    experiment: ExperimentFile,
    overrides: Overrides = None,
    member: Members = None,
    fold: Annotated[int | None, typer.Option("--fold", "-f", help="Only this fold, 0 is the first.")] = None,
    executor: Executor = None,
) -> None:
    """Train the members, each in its own process; resume a killed training."""
    from pipeline.data import warn_if_config_changed
    from pipeline.fetch_ahead import fetch_ahead
    from pipeline.papers.pack import resolve_pack
    from pipeline.stages import awaited_of
    from pipeline.training import require_trainings, train_members
    from spine.experiment.loading import load_two_stages

    experiment, overrides = resolve_pack(experiment, _with_executor(executor, overrides), reads_data=False)
    experiments = load(experiment, overrides)
    if len(experiments) > 1:
        awaited = awaited_of(experiments, load_two_stages(experiment))
        require_trainings(experiments, member or (), fold, awaited)
    there = [settings.build for settings in experiments if settings.build]  # as they are: this command builds nothing
    fetched = fetch_ahead(experiments, there, show, member or (), fold)
    for settings in experiments:
        warn_if_config_changed(settings, show)
        show_paths(train_members(settings, show, member or (), fold, fetched))


@app.command()
def tune(experiment: ExperimentFile, overrides: Overrides = None) -> None:
    """Search for a member's settings on validation, by the experiment's `tune`; go on with a killed search."""
    from pipeline.tuning.tune import tune as tune_member
    from spine.core.disk import at_work
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    with at_work("tune"):
        show_paths(tune_member(experiment, overrides or (), show))


def predict_splits(experiment: Path, overrides: list[str] | None, trust: bool, members: slice) -> None:
    """Run the SavedModels of some members, in their order, over the validation and test splits."""
    _trust(load(experiment, overrides), trust)
    _stage("predict", experiment, overrides, some=members)


@app.command()
def search(experiment: ExperimentFile, overrides: Overrides = None) -> None:
    """Choose the ensemble's weights on validation predictions."""
    from pipeline import registry
    from pipeline.stages import run_stage

    for settings in load(experiment, overrides):
        paths = run_stage(settings, "search", show)
        show(registry.search_summary(settings))
        show_paths(paths)


@app.command()
def export(experiment: ExperimentOrCase, overrides: Overrides = None) -> None:
    """Fuse the members of weight above 0 into one SavedModel for TF Serving; chain the runs of a case into one."""
    from pipeline.cases import export_case, is_case
    from spine.core.quiet import silence_tensorflow

    if is_case(experiment):
        silence_tensorflow()
        show_paths(export_case(experiment, overrides or (), show))
    else:
        _stage("export", experiment, overrides)


@app.command()
def evaluate(
    experiment: ExperimentOrCase,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Evaluate on the test split of this dataset instead.")
    ] = None,
) -> None:
    """Evaluate members, equal weights and the ensemble on the test split; a case by detected and by true regions."""
    from pipeline import registry
    from pipeline.cases import evaluate_case, is_case
    from spine.core.quiet import silence_tensorflow
    from spine.experiment.trained import warn_if_settings_changed

    if is_case(experiment):
        silence_tensorflow()
        show_paths(evaluate_case(experiment, overrides or (), data, show))
        return
    for settings in load(experiment, overrides):
        show(f"evaluate on {data}" if data else "evaluate")
        warn_if_settings_changed(settings, show)
        show_paths(registry.evaluate(settings, data))
        show_leaderboard(settings, data)


@app.command()
def report(
    experiment: ExperimentFile,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="The dataset given to `spine evaluate --data`.")
    ] = None,
) -> None:
    """Write one self-contained HTML report."""
    from pipeline import registry
    from spine.experiment.trained import warn_if_settings_changed

    for settings in load(experiment, overrides):
        show(f"report on {data}" if data else "report")
        warn_if_settings_changed(settings, show)
        show_paths(registry.report(settings, data))


@app.command("two-stage")
def two_stage(
    regions: Annotated[Path, typer.Option(help="The detector of the region: directory of a member or an ensemble.")],
    discs: Annotated[Path, typer.Option(help="The detector of the discs within the region, likewise.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new member's directory.")],
    label: Annotated[str, typer.Option("--label", "-l", help="The region's label, if its detector has several.")] = "",
    grow: Annotated[float, typer.Option(min=0, help="Share of width and height that the region grows by.")] = 0.1,
    confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Least score of a region; without one, the whole image is used.")
    ] = 0.25,
    trust: Trust = False,
) -> None:
    """Combine two detectors: the first finds the region, the second the discs within it."""
    from pipeline import registry
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    if trust:
        trust_models([regions, discs])
    member = registry.two_stage(regions, discs, output, label=label, grow=grow, confidence=confidence)
    show_paths([member.path])


def _next_step(path: Path, experiments: tuple[Experiment, ...], overrides: list[str]) -> str:
    """What to look at when all has run, and the command that shows the model: a suite's case, else the one ensemble."""
    from pipeline.cases import cases_of
    from spine.member.member import Member

    reports = ", ".join(str(settings.directory / "report.html") for settings in experiments)
    look = f"next: open {reports} in a browser"
    if cases := cases_of(path):
        shown = [str(cases[0]), *(word for word in overrides if word.startswith("runs="))]
    elif len(experiments) == 1 and Member.versions_of(experiments[0].ensemble_directory):
        shown = [str(path), *(word for word in overrides if not word.startswith("executor."))]
    else:
        return look
    return f"{look}; give the model a picture of yours: {shlex.join(['spine', 'demo', *shown])}"


def load(path: Path, overrides: list[str] | None, executor: str | None = None) -> tuple[Experiment, ...]:
    """The experiments of a file, or of the pack of a paper that it is; `executor` is where trainings run."""
    from pipeline.experiments import load_experiments
    from pipeline.papers.pack import resolve_pack
    from spine.core.quiet import silence_tensorflow

    silence_tensorflow()
    return load_experiments(*resolve_pack(path, _with_executor(executor, overrides), reads_data=False))


def _with_executor(executor: str | None, overrides: list[str] | None) -> list[str]:
    """The overrides, and where the trainings run."""
    return [*(overrides or []), *([f"executor.kind={executor}"] if executor else [])]


def _paper_report(
    path: Path, experiments: tuple[Experiment, ...], also: list[tuple[Experiment, Path]], overrides: list[str]
) -> list[Path]:
    """The report of a pack, the paper's tables beside ours, after what it tunes; nothing of other files."""
    from pipeline.papers.compare import write_paper_report
    from pipeline.papers.pack import pack_of
    from pipeline.papers.tuned import tune_part

    if (pack := pack_of(path)) is None:
        return []
    tuned = [tune_part(part, overrides, show) for part in pack.tuned]
    return [write_paper_report(pack, experiments, also, tuned)]


def _trust(experiments: tuple[Experiment, ...], asked: bool) -> None:
    if asked:
        from spine.experiment.trust import trust_members

        for settings in experiments:
            trust_members(settings, show)


def _stage(name: str, path: Path, overrides: list[str] | None, **own: Any) -> None:
    from pipeline.stages import run_stage

    for settings in load(path, overrides):
        show_paths(run_stage(settings, name, show, **own))
