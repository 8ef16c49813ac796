"""The report stage: one self-contained HTML file, its figures as PNG, and cards and a checklist beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.other_dataset import predict_other_dataset
from ensemble.report.classification import ClassificationEvidence
from ensemble.report.detection import DetectionEvidence
from ensemble.report.documents import linked, write_documents
from ensemble.report.importance import importance_drawings
from ensemble.report.members import member_drawings
from ensemble.report.page import Page, render
from ensemble.report.plots import Figures, shared_drawings
from ensemble.report.rules import rule_drawings
from ensemble.report.segmentation import SegmentationEvidence
from ensemble.report.templates import templates
from ensemble.results.evaluation import Evaluation, settings_of_judging
from spine.core.files import atomic_file, fingerprint, hash_file, read_if_whole, write_json
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.trained import as_trained

__all__ = ["EVIDENCE", "drawn", "run"]

DONE = "report.json"  # of what, and with which figures, the report was made: beside metrics.json

# Task -> what its report shows: `of(page)`, `drawings(styles)`, `pictures()`, `context()` and the name of its TEMPLATE.
EVIDENCE: dict[str, Any] = {
    "classification": ClassificationEvidence,
    "segmentation": SegmentationEvidence,
    "detection": DetectionEvidence,
}


def run(experiment: Experiment, dataset: Path | None = None) -> list[Path]:
    """Write `runs/<experiment>/report.html` and the figures beside metrics.json; skipped where nothing changed.

    And the documents that the page links to. With `dataset`, on whose test split the members were judged too, the page
    is `report-<dataset>.html`; the documents are then of both, where the experiment's own test split was judged.
    """
    run = ExperimentRun(experiment)
    directory = run.evaluation_directory(dataset)
    path = experiment.directory / (f"report-{dataset.resolve().name}.html" if dataset else "report.html")
    done = directory / DONE
    manifest = Manifest.read(dataset) if dataset else run.manifest
    evaluation = run.evaluation(dataset)
    _require_of_these_weights(evaluation, run.weights.weights)
    _require_of_these_settings(evaluation, experiment)
    documents = _documents(run, evaluation, manifest if dataset else None)
    inputs_hash = _inputs_hash(experiment, evaluation, manifest)
    if path.exists() and _is_current(done, inputs_hash):
        return [path, *documents]
    split = predict_other_dataset(run, dataset) if dataset else run.predictions("test")
    _require_of_these_predictions(evaluation, split.hash, dataset)
    page = Page(run, evaluation, manifest, split, directory)
    evidence = EVIDENCE[experiment.task].of(page)
    shared = {
        **shared_drawings(page.evaluation, page.members, page.styles),
        **member_drawings(page.evaluation, page.styles),
        **importance_drawings(page.members, page.styles),
        **rule_drawings(page.rules, page.styles),
    }
    figures = Figures.draw({**evidence.drawings(page.styles), **shared}, evidence.pictures())
    context = {**evidence.context(), "documents": linked(dataset) if documents else {}}
    with atomic_file(path) as temporary:
        temporary.write_text(render(page, figures, evidence.TEMPLATE, context), encoding="utf-8")
    pictures = figures.write(done.parent)
    write_json({"inputs_hash": inputs_hash, "figures": [picture.name for picture in pictures]}, done)
    return [path, *documents]


def drawn(directory: Path) -> tuple[str, ...] | None:
    """The names of the figures that the report of an evaluation's `directory` drew; None where no report was made."""
    done = read_if_whole(directory / DONE)
    return tuple(Path(str(name)).stem for name in done["figures"]) if "figures" in done else None


def _documents(run: ExperimentRun, evaluation: Evaluation, other: Manifest | None) -> list[Path]:
    """Cards and checklist; none where only another dataset was judged, for they are of the experiment's own."""
    if other is None:
        return write_documents(run, evaluation)
    if not (run.evaluation_directory() / "metrics.json").exists():
        return []
    return write_documents(run, run.evaluation(), other)


def _require_of_these_weights(evaluation: Evaluation, weights: Mapping[str, float]) -> None:
    """A page that shows one search's weights beside another's verdict would mislead."""
    judged = {row.name: row.weight for row in evaluation.rows if row.kind == "member"}
    if judged != dict(weights):
        raise SpineError(
            "metrics.json was measured with other weights than weights.json now holds; run `spine evaluate EXPERIMENT` "
            "again, after `spine export EXPERIMENT` where the ensemble is served"
        )


def _require_of_these_settings(evaluation: Evaluation, experiment: Experiment) -> None:
    """The page shows the experiment's settings beside the figures."""
    if evaluation.settings_hash not in ("", settings_of_judging(experiment)):
        raise SpineError(
            "metrics.json was measured with other settings of evaluate, postprocess or seed than the experiment "
            "has now; run `spine evaluate EXPERIMENT` again, with the same overrides"
        )


def _require_of_these_predictions(evaluation: Evaluation, judged_hash: str, dataset: Path | None) -> None:
    """The same of figures measured on other labels, or on another dataset whose folder has the same name."""
    if evaluation.judged_hash not in ("", judged_hash):
        whose = dataset or "the test split"
        option = f" --data {dataset}" if dataset else ""
        raise SpineError(
            f"metrics.json was measured on other labels or predictions than {whose} has now; run `spine evaluate "
            f"EXPERIMENT{option}` again"
        )


def _is_current(done: Path, inputs_hash: str) -> bool:
    before = read_if_whole(done)
    figures = before.get("figures", ())
    return before.get("inputs_hash") == inputs_hash and all((done.parent / str(name)).exists() for name in figures)


def _inputs_hash(experiment: Experiment, evaluation: Evaluation, manifest: Manifest) -> str:
    histories = [experiment.member_directory(name) / "history.csv" for name in experiment.members]
    trained = [hash_file(path) if path.exists() else "" for path in histories]
    settings = [experiment.model_dump(mode="json"), as_trained(experiment)]
    written = evaluation.as_written()
    return fingerprint([written, trained, settings, manifest.data_hash, manifest.splits_hash, templates()])
