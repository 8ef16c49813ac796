"""A tuning in a page of Markdown: the best settings, on how many patients they were chosen, what else was tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.tuning.lines import settings_text
from spine.core.words import duration
from spine.experiment.tuning import Dimension, Range, label_of

if TYPE_CHECKING:
    from ensemble.record.tuning_study import TunedTrial
    from pipeline.tuning.found import Found

__all__ = ["summary"]

LISTED = 10  # trials
FEW = 50  # patients: with fewer the page warns
NOT_SCORED = "The settings in the file have no score: they are not in the space, or their trial was not completed."
NO_BETTER = "These are the settings that the file has already: no other trial was better."


def summary(found: Found, figures: Sequence[Path]) -> str:
    """The page; `figures` lie beside it."""
    trials, title, settings = found.study.trials(), found.judged.title, found.file.settings
    own = found.file.own_values
    return "\n".join(
        [
            f"# Tuning of {settings.member} in {found.file.name}",
            "",
            f"Best: trial {found.best.number} of {len(trials)}, {title} {found.best.score:.4f}. {_against_own(found)}",
            "",
            _caution(found, len(trials)),
            "",
            *_budget(found, trials),
            "",
            "| setting | tried | in the file | best |",
            "|---|---|---|---|",
            *(
                f"| {name} | {_tried(dimension)} | {label_of(own[name])} | {label_of(found.best.settings[name])} |"
                for name, dimension in settings.space.items()
            ),
            "",
            f"| trial | {title} | settings |",
            "|---|---|---|",
            *(
                f"| {trial.number} | {trial.score:.4f} | {settings_text(trial.settings)} |"
                for trial in _ranked(found, trials)
            ),
            "",
            "All trials are in `trials.csv`.",
            "",
            *(f"![{path.stem}]({path.name})" for path in figures),
            "",
        ]
    )


def _caution(found: Found, trials: int) -> str:
    judged, best = found.judged, found.directory.parent / "best.yaml"
    few = f" {judged.patients} patients are few to choose on." if judged.patients < FEW else ""
    return (
        f"The settings were chosen by {judged}. The score is the best of {trials} on the same patients, so it is "
        f"flattered by the choice.{few} Test was not read: `spine run {best}` judges the settings on it."
    )


def _budget(found: Found, trials: Sequence[TunedTrial]) -> list[str]:
    settings, counts = found.file.settings, Counter(trial.state for trial in trials)
    states = ", ".join(f"{counts[state]} {state}" for state in ("complete", "pruned", "failed") if counts[state])
    minutes = f" or {settings.minutes:g} minutes" if settings.minutes is not None else ""
    by = f" by {found.study.watched}, from epoch {settings.grace} on" if settings.pruner != "none" else ""
    return [
        f"- Trials: {states}; {duration(sum(trial.seconds for trial in trials))} in all. Budget: {settings.trials} "
        f"trials{minutes}.",
        f"- Sampler {settings.sampler}, seed {found.file.experiment.seed}. Pruner {settings.pruner}{by}.",
    ]


def _ranked(found: Found, trials: Sequence[TunedTrial]) -> list[TunedTrial]:
    sign = -1 if found.judged.higher_is_better else 1
    complete = [trial for trial in trials if trial.score is not None]
    return sorted(complete, key=lambda trial: sign * (trial.score or 0))[:LISTED]


def _against_own(found: Found) -> str:
    """The best beside the settings that the file has."""
    own = next((trial for trial in found.study.trials() if trial.settings == found.file.own_values), None)
    if own is None or own.score is None:
        return NOT_SCORED
    if own.number == found.best.number:
        return NO_BETTER
    return f"The settings in the file, trial {own.number}, reach {own.score:.4f}."


def _tried(dimension: Dimension) -> str:
    if not isinstance(dimension, Range):
        return ", ".join(map(label_of, dimension))
    step = f", step {dimension.step:g}" if dimension.step is not None else ", log" if dimension.log else ""
    return f"{dimension.low:g} to {dimension.high:g}{step}"
