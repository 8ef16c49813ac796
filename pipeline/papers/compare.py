"""A pack's report: the paper's tables beside what our experiments measured, with footnotes where they matter."""

from __future__ import annotations

import base64
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ensemble.report import drawn
from ensemble.report.paper import PaperFigure, PaperPage, PaperTable, render_paper
from ensemble.report.paper_bars import draw_bars
from ensemble.report.plots import WIDE
from ensemble.report.style import DPI, as_png
from pipeline.papers.check import check_paper
from pipeline.papers.comparison import Comparison, Measured
from pipeline.papers.facts import read_facts
from pipeline.papers.pack import Pack
from spine.core.files import atomic_file
from spine.core.problems import SpineError
from spine.experiment.config import Experiment
from spine.images.tint import class_colour

__all__ = ["paper_page", "write_paper_report"]

Elsewhere = Sequence[tuple[Experiment, Path]]  # experiments that were judged on another dataset too, and on which

GENERATED = (
    "Generated data and reduced networks: these figures show that the pack runs from end to end. They say nothing of "
    "patients, and nothing of the paper's."
)


def write_paper_report(
    pack: Pack, experiments: Sequence[Experiment], also: Elsewhere = (), tuned: Sequence[PaperTable] = ()
) -> Path:
    """Write `runs/<pack>/report.html` from the experiments' evaluations, and the tables of what was `tuned`.

    SpineError where an experiment was not evaluated.
    """
    path = experiments[0].runs / pack.name / "report.html"
    page = paper_page(pack, {one.name: one for one in experiments}, path.parent, also, tuned)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_text(render_paper(page), encoding="utf-8")
    return path


def paper_page(
    pack: Pack,
    experiments: Mapping[str, Experiment],
    directory: Path,
    also: Elsewhere = (),
    tuned: Sequence[PaperTable] = (),
) -> PaperPage:
    """What the page tells; links to the experiments' reports are relative to the `directory` it lies in."""
    comparison = Comparison(read_facts(pack.paper), pack, Measured(experiments))
    shown, not_drawn = _shown(pack.figures, experiments)
    return PaperPage(
        name=pack.name,
        paper=pack.paper,
        title=comparison.facts.title,
        citation=comparison.facts.citation,
        warnings=() if pack.data else (GENERATED,),
        tables=(*(comparison.table(table) for table in pack.tables), *tuned),
        notes=comparison.texts,
        findings=[one for one in check_paper(pack.paper) if one.verdict != "agrees"],
        figures=(*_bars(comparison), *shown),
        not_drawn=not_drawn,
        reports={name: os.path.relpath(path, directory) for name, path in _reports(experiments, also)},
        demo=_demo(pack, directory.parent),
    )


def _demo(pack: Pack, runs: Path) -> str:
    """The command of the page that stands for the paper's own program; empty where it has none."""
    own_runs = [] if runs == Experiment.model_fields["runs"].default else [f"runs={runs}"]
    return shlex.join(["spine", "demo", str(pack.demo), *own_runs]) if pack.demo else ""


def _reports(experiments: Mapping[str, Experiment], also: Elsewhere) -> Iterator[tuple[str, Path]]:
    for name, one in experiments.items():
        yield name, one.directory / "report.html"
        for settings, dataset in also:
            if settings.name == name:
                yield f"{name} on {dataset.name}", one.directory / f"report-{dataset.name}.html"


def _bars(comparison: Comparison) -> Iterator[PaperFigure]:
    for bars in comparison.pack.bars:
        rows, several = comparison.bars(bars)
        yield _as_figure(bars.title, as_png(draw_bars(bars.title, rows, several)))


def _shown(
    figures: Sequence[str], experiments: Mapping[str, Experiment]
) -> tuple[tuple[PaperFigure, ...], tuple[str, ...]]:
    """The pack's figures, told as `experiment/picture`, and a sentence on each that its report did not draw."""
    shown, not_drawn = [], []
    for name, _, picture in (text.partition("/") for text in figures):
        if picture in _drawn(name, picture, experiments):
            shown.append(_figure(picture, experiments[name]))
        else:
            what = picture.replace("_", " ")
            not_drawn.append(
                f"No figure {what} of {name}: its report had nothing to draw there, as of the worst cases where no "
                "test answer is wrong."
            )
    return tuple(shown), tuple(not_drawn)


def _drawn(name: str, picture: str, experiments: Mapping[str, Experiment]) -> tuple[str, ...]:
    """The figures of an experiment's report; SpineError where it was not made, or has lost the picture."""
    if name not in experiments:
        raise SpineError(f"the pack shows '{name}/{picture}', and its experiments are {', '.join(experiments)}")
    directory = experiments[name].evaluation_directory
    found = drawn(directory)
    if found is None:
        raise SpineError(f"{name} has no report; run `spine report` of {name}, or leave {name}/{picture} out")
    if picture in found and not (directory / f"{picture}.png").exists():
        raise SpineError(f"{directory / picture}.png does not exist; run `spine report` of {name} again")
    return found


def _figure(picture: str, experiment: Experiment) -> PaperFigure:
    """A picture of an experiment's evaluation."""
    path = experiment.evaluation_directory / f"{picture}.png"
    figure = _as_figure(f"{experiment.name}: {picture.replace('_', ' ')}", path.read_bytes())
    return replace(figure, legend=_legend(experiment)) if picture == "overlays" else figure


def _legend(experiment: Experiment) -> dict[str, str]:
    """Label -> the colour of its boxes or masks; the first label of masks is the background, which has none."""
    numbered = enumerate(experiment.labels, start=1 if experiment.task == "detection" else 0)
    return {label: class_colour(number) for number, label in numbered if number}


def _as_figure(caption: str, png: bytes) -> PaperFigure:
    """Across the page where it was drawn wider than a column of it, such as pictures side by side."""
    is_wide = _width(png) > DPI * WIDE
    return PaperFigure(caption, f"data:image/png;base64,{base64.b64encode(png).decode()}", is_wide)


def _width(png: bytes) -> int:
    """In pixels, as the header says right after its name (PNG 1.2, 11.2.2)."""
    return int.from_bytes(png[16:20], "big")
