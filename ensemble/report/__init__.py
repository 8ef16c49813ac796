"""The report stage: one self-contained HTML file, and its figures as PNG."""

from __future__ import annotations

from pathlib import Path

from ensemble.contenders import read_contenders, read_weights
from ensemble.evaluate import read_metrics
from ensemble.report.page import Page, render
from ensemble.report.plots import Figures
from spine.config import Experiment
from spine.files import atomic_file
from spine.manifest import Manifest
from spine.member import Member

__all__ = ["run"]


def run(experiment: Experiment) -> list[Path]:
    """Write `runs/<experiment>/report.html` and the figures beside metrics.json; the paths are returned."""
    found = read_metrics(experiment)
    contenders = read_contenders(experiment, "test")
    members = {name: Member.open(experiment.member_directory(name)) for name in experiment.members}
    figures = Figures.draw(found, contenders, members)
    page = Page(experiment, found, read_weights(experiment), contenders, members, Manifest.read(experiment.data))
    path = experiment.directory / "report.html"
    with atomic_file(path) as temporary:
        temporary.write_text(render(page, figures), encoding="utf-8")
    return [path, *figures.write(experiment.evaluation_directory)]
