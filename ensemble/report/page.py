"""The report as one HTML page: what the template shows, gathered and escaped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import yaml

from ensemble.contenders import Contenders
from ensemble.report.plots import Figures
from ensemble.report.style import INK, styles_of
from ensemble.report.worst import worst_cases
from ensemble.verdict import LABELS, p_value
from spine.config import Experiment
from spine.manifest import SPLIT_NAMES, Manifest
from spine.member import Member
from spine.serving import package_versions

__all__ = ["Page", "render", "template"]

COLUMNS = ("roc_auc", "accuracy", "sensitivity", "specificity", "precision", "f1", "log_loss")


@dataclass(frozen=True)
class Page:
    """All that the page tells: metrics.json, weights.json, the test split, the members and the dataset."""

    experiment: Experiment
    found: dict[str, Any]
    weights: dict[str, Any]
    contenders: Contenders
    members: Mapping[str, Member]
    manifest: Manifest

    @property
    def splits(self) -> list[dict[str, Any]]:
        """A row a split: patients, samples, and samples of each class, of those that have the target."""
        values, patient_of = self.manifest.values(self.experiment.target), self.manifest.patient_of()
        rows = []
        for split in SPLIT_NAMES:
            chosen = self.manifest.splits.loc[self.manifest.splits["split"] == split, "sample"]
            samples = [sample for sample in chosen if sample in values]
            classes = [sum(values[sample] == label for sample in samples) for label in self.experiment.labels]
            patients = len({patient_of[sample] for sample in samples})
            rows.append({"name": split, "patients": patients, "samples": len(samples), "classes": classes})
        return rows

    @property
    def colours(self) -> dict[str, str]:
        """Row -> CSS colour, as in the figures."""
        styles = styles_of([(row.name, row.kind) for row in self.contenders.rows])
        return {name: "currentColor" if style["color"] == INK else style["color"] for name, style in styles.items()}

    @property
    def hashes(self) -> dict[str, str]:
        """Fingerprints that tell this run's data, splits and models from any other's."""
        models = {f"model of {name}": member.card.model_hash for name, member in self.members.items()}
        return {"data": self.manifest.data_hash, "splits": self.manifest.splits_hash, **models}

    @property
    def versions(self) -> dict[str, str]:
        """Packages that made this report, and those of a member where they differ."""
        here = package_versions()
        other = {
            f"{package} (member {name})": version
            for name, member in self.members.items()
            for package, version in member.card.versions.items()
            if here.get(package) != version
        }
        return {**here, **other}

    @property
    def settings(self) -> str:
        """The resolved experiment as YAML."""
        return yaml.safe_dump(self.experiment.model_dump(mode="json", exclude={"shared"}), sort_keys=False)


def template() -> str:
    """The text of the page's template."""
    return (resources.files("ensemble.report") / "report.html").read_text("utf-8")


def render(page: Page, figures: Figures) -> str:
    """The page's HTML; all text is escaped, figures are inline, nothing is fetched."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "signed": _signed, "p": _p}
    return environment.from_string(template()).render(
        page=page,
        found=page.found,
        weights=page.weights,
        columns=COLUMNS,
        names=LABELS,
        # Drawn by us; matplotlib escapes the names within.
        figures={name: Markup(svg) for name, svg in figures.svg.items()},
        cases=worst_cases(page.contenders),
        errors=int(np.sum(page.contenders.ensemble.probabilities.argmax(axis=1) != page.contenders.values)),
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def _p(value: float | None) -> str:
    return p_value(np.nan if value is None else value).removeprefix("p ").removeprefix("= ")
