"""The documents beside a report: a model card and a dataset card, as JSON and as Markdown, and the CLAIM checklist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ensemble.experiment_run import ExperimentRun
from ensemble.report.documents import words
from ensemble.report.documents.claim import claim_checklist
from ensemble.report.documents.dataset_card import dataset_card
from ensemble.report.documents.facts import Facts
from ensemble.report.documents.markdown import as_markdown, table
from ensemble.report.documents.model_card import model_card
from ensemble.results.evaluation import Evaluation
from spine.core.files import atomic_file
from spine.dataset.manifest import Manifest

__all__ = ["DOCUMENTS", "linked", "write_documents"]

DOCUMENTS = {"model_card.md": "Model card", "dataset_card.md": "Dataset card", "claim_2024.md": "CLAIM 2024 checklist"}


def linked(dataset: Path | None = None) -> dict[str, str]:
    """The files that a page links to, and how it calls them; of another dataset its own card."""
    if dataset is None:
        return DOCUMENTS
    name = dataset.resolve().name
    other = {"dataset_card.md": (f"dataset_card-{name}.md", f"Dataset card of {name}")}
    return dict(other.get(file, (file, title)) for file, title in DOCUMENTS.items())


def write_documents(run: ExperimentRun, evaluation: Evaluation, other: Manifest | None = None) -> list[Path]:
    """Write the documents into `runs/<experiment>/`, those that changed; gives all paths.

    `evaluation` is of the experiment's own test split. Where another dataset was judged, `other` gets a card of its
    own, `dataset_card-<name>`, and the model card and the checklist tell of it.
    """
    facts = Facts(run, evaluation)
    return [_write(run.experiment.directory / name, text) for name, text in _texts(facts, other)]


def _texts(facts: Facts, other: Manifest | None) -> Iterator[tuple[str, str]]:
    yield from _as_both("model_card", "Model card", model_card(facts), _numbers(facts))
    yield from _as_both("dataset_card", "Dataset card", dataset_card(facts, facts.data))
    if other is not None:
        data = facts.of(other)
        yield from _as_both(f"dataset_card-{data.name}", "Dataset card", dataset_card(facts, data, is_own=False))
    yield "claim_2024.md", claim_checklist(facts)


def _as_both(name: str, kind: str, card: dict[str, Any], *more: str) -> Iterator[tuple[str, str]]:
    (_, body) = card.values()
    yield f"{name}.json", json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    yield f"{name}.md", as_markdown(f"{kind}: {body['Name']}", card, more)


def _numbers(facts: Facts) -> str:
    """The leaderboard of each test as a table."""
    return "\n\n".join(_leaderboard(one) for one in (facts.evaluation, *facts.elsewhere))


def _leaderboard(evaluation: Evaluation) -> str:
    columns = words.columns(evaluation)
    head = ["", "Weight", *(evaluation.names[name] for name in columns)]
    rows = [
        [row.name, "" if row.weight is None else f"{row.weight:.3f}"]
        + [row.metrics[name].describe() for name in columns]
        for row in evaluation.rows
    ]
    return f"### Test on {evaluation.dataset or 'the dataset'}\n\n{table(head, rows)}"


def _write(path: Path, text: str) -> Path:
    """Leave a file that has just this text as it is."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path
