"""What a tuning has found, written: the table of its trials, the best settings as an experiment file, summary, figures.

tune/best.yaml      the best settings of every member that was tuned, to be run as it is
tune/MEMBER/        trials.csv  summary.md  found.json  study.db  and figures
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ensemble.record.tuning_study import TunedTrial, TuningStudy
from pipeline.tuning.judged import Judged
from pipeline.tuning.space import TunedFile
from pipeline.tuning.summary import summary
from spine.core.files import atomic_file, read_if_whole, write_json
from spine.core.problems import write_sheet
from spine.experiment.loading import apply_override, read_settings
from spine.experiment.tuning import label_of

__all__ = ["Found", "write_trials"]

NOT_CARRIED = ("tune", "fold")  # overrides that are of the tuning, not of what is run with its settings


@dataclass(frozen=True)
class Found:
    """A study whose trials have ended, of which at least one is complete; `common` is what they share with those of
    other members: data, splits, target, labels and seed.
    """

    file: TunedFile
    judged: Judged
    study: TuningStudy
    best: TunedTrial
    directory: Path
    common: str

    def write(self) -> list[Path]:
        """Write all of it; gives the paths, the best settings' first."""
        write_trials(self.study.trials(), self.judged, self.directory / "trials.csv")
        content = {"settings": self.file.changes(self.best.settings), "told": self.told, "common": self.common}
        write_json(content, self.directory / "found.json")
        figures = self._figures()
        paths = figures.write(self.directory)
        _write(summary(self, paths), self.directory / "summary.md")
        return [self.write_best(), self.directory / "summary.md", self.directory / "trials.csv", *paths]

    @property
    def told(self) -> str:
        """The best score, of how many trials, on whom."""
        trials = len(self.study.trials())
        member, best = self.file.settings.member, self.best
        return f"{member}: {self.judged} {best.score:.4f}, trial {best.number}, the best of {trials}"

    def write_best(self) -> Path:
        """The experiment file that extends the tuned one by the best settings of all members tuned on the same data."""
        path = self.directory.parent / "best.yaml"
        members = {own.parent.name: read_if_whole(own) for own in sorted(path.parent.glob("*/found.json"))}
        members = {name: found for name, found in members.items() if found.get("common") == self.common}
        content: dict[str, Any] = {"extends": os.path.relpath(self.file.path.resolve(), path.parent.resolve())}
        carried = {key: value for key, value in _nested(self.file).items() if key not in NOT_CARRIED}
        content |= {**carried, "name": f"{self.file.name}_tuned"}
        own = carried.get("members") or {}
        changes = {name: {**(own.get(name) or {}), **found["settings"]} for name, found in members.items()}
        nulls = [name for name, settings in self.file.members.items() if settings is None]
        kept: dict[str, Any] = {name: {} for name in nulls}  # extended, a null would leave the member out
        content["members"] = {**kept, **own, **changes}
        header = [
            f"# {self.file.path} with the settings that did best on validation, found by `spine tune`:",
            *(f"#   {found['told']}" for found in members.values()),
            "# The settings were chosen by these scores, which are flattered by that; test was not read.",
            "#",
            f"#   spine run {path}",
        ]
        return _write(
            "\n".join([*header, yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)]), path
        )

    def _figures(self) -> Any:
        from ensemble.report.plots import Figures
        from ensemble.report.tuning import TunedTrials, tuning_drawings

        tuned = TunedTrials(
            self.study.trials(),
            self.file.settings.space,
            self.judged.title,
            self.study.watched,
            self.judged.higher_is_better,
        )
        return Figures.draw(tuning_drawings(tuned, self.study.importances()), {})


def write_trials(trials: Sequence[TunedTrial], judged: Judged, path: Path) -> None:
    """Write the table of the trials: state, score, settings, epochs that were watched, seconds, and what happened."""
    import pandas as pd

    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            judged.metric: trial.score,
            **{name: label_of(value) for name, value in trial.settings.items()},
            "epochs": len(trial.epochs),
            "seconds": trial.seconds,
            "note": trial.note,
        }
        for trial in trials
    ]
    write_sheet(pd.DataFrame(rows), path)


def _nested(file: TunedFile) -> dict[str, Any]:
    """The command line's overrides as a file has them; of several targets all, whichever was judged."""
    names = [*read_settings(file.path, ())["members"]]
    content: dict[str, Any] = {"members": {name: {} for name in names}}
    for override in file.overrides:
        if not (file.experiment.heads and override.startswith("target=")):
            apply_override(content, override)
    left = content.pop("members")
    own = {name: left.get(name) for name in names if left.get(name) != {}}  # null leaves a member out
    return {**content, **({"members": own} if own else {})}


def _write(text: str, path: Path) -> Path:
    with atomic_file(path) as temporary:
        temporary.write_text(text)
    return path
