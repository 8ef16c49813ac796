"""A part of a pack that tunes: a member's settings searched on validation, and the best trial of each value of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ensemble.report.paper import Cell, PaperColumn, PaperRow, PaperTable
from pipeline.papers.comparison import NONE
from pipeline.papers.pack import TunedPart
from pipeline.tuning.lines import settings_text
from pipeline.tuning.tune import search_settings
from spine.core.disk import at_work
from spine.core.problems import SpineError
from spine.experiment.tuning import Range, label_of

if TYPE_CHECKING:
    from ensemble.record.tuning_study import TunedTrial
    from pipeline.tuning.found import Found

__all__ = ["table_of", "tune_part"]


def tune_part(part: TunedPart, overrides: Sequence[str], show: Callable[[str], None]) -> PaperTable:
    """Search as `spine tune` does, or go on with that, write what is found, and give the table of it."""
    with at_work(f"tuning of {part.member}"):
        found = search_settings(part.experiment, [*overrides, f"tune.member={part.member}"], show)
        found.write()
    return table_of(found, part.by)


def table_of(found: Found, by: str) -> PaperTable:
    """The best trial of each value of the setting `by`, on validation; no paper prints these.

    SpineError where the space has no list of that name.
    """
    settings = found.file.settings
    values = settings.space.get(by, ())
    if isinstance(values, Range) or not values:
        lists = [name for name, dimension in settings.space.items() if not isinstance(dimension, Range)]
        raise SpineError(f"tuned.by is {by!r}; the lists of tune.space are {', '.join(lists) or 'none'}")
    return PaperTable(
        source="Tuning",
        title=f"{by.replace('_', ' ')} of {settings.member}, the best trial of each",
        measured_on=(
            f"Ours of {found.file.name} by spine tune: {found.judged}. The settings were chosen by these scores, which "
            "flatters them; test was not read."
        ),
        columns=(PaperColumn(found.judged.title, is_printed=False), PaperColumn("trials", is_printed=False)),
        rows=tuple(_row(found, by, value) for value in values),
    )


def _row(found: Found, by: str, value: Any) -> PaperRow:
    own = [trial for trial in found.study.trials() if label_of(trial.settings[by]) == label_of(value)]
    best = _best(found, own)
    others = {name: chosen for name, chosen in best.settings.items() if name != by} if best else {}
    score = NONE if best is None else f"{best.score:.4f}"
    return PaperRow(
        name=label_of(value),
        ours=settings_text(others),
        cells=(Cell(NONE, score), Cell(NONE, str(len(own)), ", ".join(_ended_early(own)))),
    )


def _best(found: Found, trials: Sequence[TunedTrial]) -> TunedTrial | None:
    """The first trial of the best score; None where none has a score."""
    sign = 1 if found.judged.higher_is_better else -1
    complete = [trial for trial in trials if trial.score is not None]
    return max(complete, key=lambda trial: sign * (trial.score or 0), default=None)


def _ended_early(trials: Sequence[TunedTrial]) -> Iterator[str]:
    counts = Counter(trial.state for trial in trials)
    return (f"{counts[state]} {state}" for state in ("pruned", "failed") if counts[state])
