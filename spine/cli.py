"""The front door `spine`: parse, one call, one line. Heavy imports stay inside functions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from spine.config import Experiment
    from spine.intake import DataConfig

__all__ = ["app", "main"]

app = typer.Typer(
    help="Train, ensemble, test and ship spine-imaging models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data = typer.Typer(help="Build and check datasets.", no_args_is_help=True)
app.add_typer(data, name="data")

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT", help="The YAML file of an experiment or a study.")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as search.step=0.05.")
]
Members = Annotated[list[str] | None, typer.Option("--member", "-m", help="Only this member; may be repeated.")]


@app.command()
def run(experiment: ExperimentFile, overrides: Overrides = None) -> None:
    """Run all stages in order; what is done and unchanged is skipped."""
    from spine.config import load_elsewhere
    from spine.run import evaluate_elsewhere, run_all

    experiments = _load(experiment, overrides)
    elsewhere = load_elsewhere(experiment, overrides or ())
    written = [run_all(settings, _show) for settings in experiments]
    also = [(settings, *evaluate_elsewhere(settings, config, _show)) for settings, config in elsewhere]
    for settings, paths in zip(experiments, written, strict=True):
        _show_leaderboard(settings)
        _show_paths(paths)
    for settings, dataset, paths in also:
        _show_leaderboard(settings, dataset)
        _show_paths(paths)


@app.command()
def train(experiment: ExperimentFile, overrides: Overrides = None, member: Members = None) -> None:
    """Train the members, each in a process of its own; a killed one resumes."""
    from spine.run import train_members

    for settings in _load(experiment, overrides):
        _show_paths(train_members(settings, _show, member or ()))


@app.command()
def predict(experiment: ExperimentFile, overrides: Overrides = None) -> None:
    """Run the members' SavedModels over the validation and test splits."""
    _stage("predict", experiment, overrides)


@app.command()
def search(experiment: ExperimentFile, overrides: Overrides = None) -> None:
    """Choose the ensemble's weights on validation predictions."""
    from spine import registry
    from spine.run import run_stage

    for settings in _load(experiment, overrides):
        paths = run_stage(settings, "search", _show)
        _show(registry.search_told(settings))
        _show_paths(paths)


@app.command()
def export(experiment: ExperimentFile, overrides: Overrides = None) -> None:
    """Fuse the weighted members into one SavedModel for TF Serving."""
    _stage("export", experiment, overrides)


@app.command()
def evaluate(
    experiment: ExperimentFile,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Another dataset, whose test split is judged instead.")
    ] = None,
) -> None:
    """Judge members, equal weights and the ensemble on the test split."""
    from spine import registry

    for settings in _load(experiment, overrides):
        _show(f"evaluate on {data}" if data else "evaluate")
        _show_paths(registry.evaluate(settings, data))
        _show_leaderboard(settings, data)


@app.command()
def report(
    experiment: ExperimentFile,
    overrides: Overrides = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", help="Another dataset, on which `spine evaluate --data` judged.")
    ] = None,
) -> None:
    """Write one self-contained HTML report."""
    from spine import registry

    for settings in _load(experiment, overrides):
        _show(f"report on {data}" if data else "report")
        _show_paths(registry.report(settings, data))


@app.command("two-stage")
def two_stage(
    regions: Annotated[Path, typer.Option(help="The detector of the region: a member or an ensemble.")],
    discs: Annotated[Path, typer.Option(help="The detector of what is looked for within it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new member's directory.")],
    label: Annotated[str, typer.Option("--label", "-l", help="The region's, where its detector has several.")] = "",
    grow: Annotated[float, typer.Option(min=0, help="Share of width and height that the region grows by.")] = 0.1,
    confidence: Annotated[float, typer.Option(min=0, max=1, help="Below it, the region is the whole image.")] = 0.25,
) -> None:
    """Make two detectors one: a region is found, and within it the discs."""
    from spine import registry
    from spine.quiet import silence_tensorflow

    silence_tensorflow()
    member = registry.two_stage(regions, discs, output, label=label, grow=grow, confidence=confidence)
    _show_paths([member.path])


@data.command("build")
def data_build(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The data config's YAML file.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Build again, even where nothing changed.")] = False,
) -> None:
    """Read images and annotations into a dataset with patient-disjoint splits; what is unchanged is skipped."""
    from spine.intake import load_data_config

    _build(load_data_config(config), force)


@data.command("crop")
def data_crop(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's directory.")],
    label: Annotated[str, typer.Option("--label", "-l", help="The boxes' label.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new dataset's directory.")],
    detector: Annotated[
        Path | None, typer.Option(help="A detection member or ensemble, for its boxes instead of the true ones.")
    ] = None,
    grow: Annotated[float, typer.Option(help="Share of width and height that a box grows by.")] = 0.1,
    confidence: Annotated[float, typer.Option(help="Least score of a detected box.")] = 0.25,
    count: Annotated[int | None, typer.Option(help="Only the best detected boxes of a picture.")] = None,
    iou: Annotated[float, typer.Option(help="Least overlap by which a detected box is a true one.")] = 0.5,
    require: Annotated[str, typer.Option(help="Leave out boxes without a value of this target.")] = "",
    force: Annotated[bool, typer.Option("--force", "-f", help="Crop again, even where nothing changed.")] = False,
) -> None:
    """Make a dataset of the boxes of another, true or detected; patients stay in their splits."""
    from spine.config import validate
    from spine.intake import DataConfig

    chosen = {"label": label, "grow": grow, "require": require, "detector": detector}
    crop = {**chosen, "confidence": confidence, "count": count, "iou": iou}
    _build(
        validate(DataConfig, {"name": output.name, "output": output, "dataset": dataset, "crop": crop}, "crop"), force
    )


@data.command("export")
def data_export(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's directory.")],
    format: Annotated[str, typer.Option("--format", "-f", help="Such as tfrecord, coco, voc or yolo.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", help="Only boxes of this label; class numbers follow the order."),
    ] = None,
    shards: Annotated[int | None, typer.Option(help="TFRecord files a split.")] = None,
    depth: Annotated[int | None, typer.Option(help="Bits of a picture in a TFRecord: 8, stretched, or 16.")] = None,
    target: Annotated[str | None, typer.Option(help="The target that names the folders of format folders.")] = None,
) -> None:
    """Write a dataset in a format of other tools, with its pictures."""
    from spine.interchange import export_dataset
    from spine.manifest import Manifest
    from spine.quiet import silence_tensorflow

    silence_tensorflow()
    given = {"shards": shards, "depth": depth, "target": target}
    options = {name: value for name, value in given.items() if value is not None}
    _show_paths([export_dataset(Manifest.read(dataset), format, output, label or (), **options)])


@data.command("check")
def data_check(dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's directory.")]) -> None:
    """Audit a dataset for leakage and quality; the exit status is 1 on an error."""
    from rich.console import Console

    from spine.audit import check
    from spine.problems import print_problems, verdict

    table, problems = check(dataset)
    Console().print(table)
    print_problems(problems)
    typer.echo(f"{dataset}: {verdict(problems)}")
    _exit_on_errors(problems)


@data.command("deidentify")
def data_deidentify(
    source: Annotated[Path, typer.Argument(help="A DICOM file or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="The folder for the de-identified copies.")],
) -> None:
    """Copy DICOM files de-identified (PS3.15 basic profile); series and patients stay together."""
    from spine.dicom.deidentify import deidentify
    from spine.problems import print_problems

    problems = deidentify(source, target)
    print_problems(problems)
    _show_paths([target])
    _exit_on_errors(problems)


def _build(config: DataConfig, force: bool) -> None:
    from rich.console import Console

    from spine.audit import count_table
    from spine.intake import build
    from spine.problems import print_problems, verdict
    from spine.quiet import silence_tensorflow

    silence_tensorflow()
    result = build(config, force)
    if result.skipped:
        _show("unchanged since it was built (--force builds it again)")
    print_problems(result.problems)
    Console(stderr=True).print(count_table(result.counts, str(result.root)))
    _print_detection(result.root)
    _show(f"{result.counts.loc['samples'].sum()} samples, {verdict(result.problems)}")
    _show_paths([result.root])
    _exit_on_errors(result.problems)


def _print_detection(root: Path) -> None:
    from rich.console import Console

    from spine.intake import detection_table

    if table := detection_table(root):
        Console().print(table)


def _load(path: Path, overrides: list[str] | None) -> tuple[Experiment, ...]:
    from spine.config import load_experiments
    from spine.quiet import silence_tensorflow

    silence_tensorflow()
    return load_experiments(path, overrides or ())


def _stage(name: str, path: Path, overrides: list[str] | None) -> None:
    from spine.run import run_stage

    for settings in _load(path, overrides):
        _show_paths(run_stage(settings, name, _show))


def _show(line: str) -> None:
    typer.secho(f"== {line}", bold=True, err=True)


def _show_paths(paths: list[Path]) -> None:
    for path in dict.fromkeys(paths):
        typer.echo(str(path))


def _show_leaderboard(settings: Experiment, dataset: Path | None = None) -> None:
    from rich.console import Console

    from spine import registry

    Console().print(registry.leaderboard(settings, dataset))


def _exit_on_errors(problems: list) -> None:
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(1)


def main() -> None:
    """The console script: a SpineError becomes one message and exit status 1."""
    from spine.problems import SpineError

    try:
        app()
    except SpineError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
