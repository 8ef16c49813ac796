"""`spine data`: build, crop, export, check and de-identify datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import exit_on_errors, show, show_paths, trust_models
from spine.core.wide_console import wide_console

if TYPE_CHECKING:
    from spine.intake import DataConfig

__all__ = ["app"]

Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the detector of the crops even if this project did not make it."),
]

app = typer.Typer(help="Build, check, crop, export and de-identify datasets.", no_args_is_help=True)


@app.command("build")
def build(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The data config's YAML file.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Build again, even if nothing changed.")] = False,
    trust: Trust = False,
) -> None:
    """Read images and annotations into a dataset with patient-disjoint splits; skip what is unchanged."""
    from spine.intake import load_data_config

    _build(load_data_config(config), force, trust)


@app.command("crop")
def crop(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's directory.")],
    label: Annotated[str, typer.Option("--label", "-l", help="The label of the boxes to crop.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new dataset's directory.")],
    detector: Annotated[
        Path | None, typer.Option(help="Crop the boxes of this detection member or ensemble, not the true ones.")
    ] = None,
    grow: Annotated[float, typer.Option(help="Share of width and height that a box grows by.")] = 0.1,
    confidence: Annotated[float, typer.Option(help="With a detector: least score of a box.")] = 0.25,
    count: Annotated[int | None, typer.Option(help="With a detector: only so many best boxes of a picture.")] = None,
    iou: Annotated[float, typer.Option(help="With a detector: least IoU by which a box matches a true one.")] = 0.5,
    require: Annotated[str, typer.Option(help="Leave out boxes without a value of this target.")] = "",
    force: Annotated[bool, typer.Option("--force", "-f", help="Crop again, even if nothing changed.")] = False,
    trust: Trust = False,
) -> None:
    """Make every box of a dataset a sample, true or detected boxes; patients keep their splits."""
    from spine.core.strict import validate
    from spine.intake import DataConfig

    chosen = {"label": label, "grow": grow, "require": require, "detector": detector}
    crop = {**chosen, "confidence": confidence, "count": count, "iou": iou}
    _build(
        validate(DataConfig, {"name": output.name, "output": output, "dataset": dataset, "crop": crop}, "crop"),
        force,
        trust,
    )


@app.command("export")
def export(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's directory.")],
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="coco, folders, labelme, labelme-xml, mask, table, tfrecord, voc or yolo."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", help="Only boxes of this label; class numbers follow the order."),
    ] = None,
    shards: Annotated[int | None, typer.Option(help="Number of TFRecord files of each split.")] = None,
    depth: Annotated[
        int | None, typer.Option(help="Bits of a picture in a TFRecord: 8 (grey levels stretched) or 16.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="With format folders: the target whose values name the folders.")
    ] = None,
) -> None:
    """Write a dataset and its pictures in a format of other tools."""
    from spine.core.quiet import silence_tensorflow
    from spine.dataset.interchange import export_dataset
    from spine.dataset.manifest import Manifest

    silence_tensorflow()
    given = {"shards": shards, "depth": depth, "target": target}
    options = {name: value for name, value in given.items() if value is not None}
    show_paths([export_dataset(Manifest.read(dataset), format, output, label or (), **options)])


@app.command("check")
def check(dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="The dataset's directory.")]) -> None:
    """Audit a dataset for leakage and quality; exit status 1 on an error."""
    from spine.core.problems import print_problems, printable, verdict
    from spine.dataset.audit import check

    table, problems = check(dataset)
    wide_console().print(table)
    print_problems(problems)
    typer.echo(printable(f"{dataset}: {verdict(problems)}"))
    exit_on_errors(problems)


@app.command("deidentify")
def deidentify(
    source: Annotated[Path, typer.Argument(help="A DICOM file or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="The folder for the de-identified copies.")],
) -> None:
    """Copy DICOM files de-identified (PS3.15 basic profile); keep series and patients together."""
    from spine.core.problems import print_problems
    from spine.images.dicom.deidentify import deidentify

    problems = deidentify(source, target)
    print_problems(problems)
    show_paths([target])
    exit_on_errors(problems)


def _build(config: DataConfig, force: bool, trust: bool) -> None:
    from spine.core.problems import print_problems, verdict
    from spine.core.quiet import silence_tensorflow
    from spine.dataset.audit import count_table
    from spine.intake import build

    silence_tensorflow()
    if trust and config.crop and config.crop.detector:
        trust_models([config.crop.detector])
    result = build(config, force)
    if result.skipped:
        show("unchanged since it was built (--force builds it again)")
    print_problems(result.problems)
    wide_console(stderr=True).print(count_table(result.counts, str(result.root)))
    _print_detection(result.root)
    show(f"{result.counts.loc['samples'].sum()} samples, {verdict(result.problems)}")
    show_paths([result.root])
    exit_on_errors(result.problems)


def _print_detection(root: Path) -> None:
    from spine.intake import detection_table

    if table := detection_table(root):
        wide_console().print(table)
