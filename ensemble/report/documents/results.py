"""What a run knows of the results, the discussion and the rest of CLAIM 2024; what is missing is for people alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ensemble.report.documents import words
from ensemble.report.documents.answer import CARD, METRICS, REPORT, SETTINGS, Answer, counted
from ensemble.report.documents.facts import Facts
from ensemble.results.few_patients import caution_of_width
from spine.dataset.population import HIDDEN, Population

__all__ = ["RESULTS"]


def _counted_patients(facts: Facts) -> Answer:
    return Answer(
        ", ".join(f"{one.split} {_how_many(one)}" for one in facts.data.populations) + ".",
        (CARD,),
        "who was excluded, and why; problems.csv beside the dataset lists the files that could not be used",
    )


def _demographics(facts: Facts) -> Answer:
    populations = facts.data.populations
    groups = [group for one in populations for group in (one.sexes, one.ages)]
    if not any(group.is_kept for group in groups):
        return Answer(left="age, sex and findings: the dataset keeps neither age nor sex of anyone")
    hidden = [f"{HIDDEN[:1].upper()}{HIDDEN[1:]}."] if any(group.is_kept and group.left_out for group in groups) else []
    return Answer(" ".join([*map(_who, populations), *hidden]), (CARD,), "clinical characteristics")


def _performance(facts: Facts) -> Answer:
    return Answer(words.performance(facts.evaluation), (METRICS, "evaluation/leaderboard.csv"))


def _diagnostic(facts: Facts) -> Answer:
    evaluation = facts.evaluation
    known = [name for name in ("sensitivity", "specificity", "precision") if name in evaluation.ensemble.metrics]
    told = f"Ensemble: {words.scores(evaluation, evaluation.ensemble, known)}." if known else ""
    shown = [*(evaluation.ensemble.metrics[name] for name in known), *evaluation.decided_intervals]
    parts = [told, *evaluation.decided, evaluation.caution, caution_of_width(shown)]
    return Answer(" ".join(filter(None, parts)), (METRICS,)) if told or evaluation.decided else Answer()


def _failures(facts: Facts) -> Answer:
    return Answer(
        "The cases in which the ensemble is most wrong are shown, beside what each member says of them.",
        (f"{REPORT}, Worst cases",),
        "what they have in common",
    )


def _limitations(facts: Facts) -> Answer:
    told = " ".join([*words.limitations(facts), facts.about.limitations]).strip()
    return Answer(told, (METRICS, CARD), "limitations of the study")


def _protocol(facts: Facts) -> Answer:
    return Answer("All settings as resolved.", (SETTINGS,), "a reference to the study protocol")


def _available(facts: Facts) -> Answer:
    return Answer(facts.about.availability, (f"{SETTINGS}, about",))


def _funding(facts: Facts) -> Answer:
    return Answer(facts.about.funding, (f"{SETTINGS}, about",))


def _how_many(one: Population) -> str:
    exams = "" if one.examinations is None else f", {one.examinations} examinations"
    return f"{one.patients} patients{exams}, {one.images} images"


def _who(one: Population) -> str:
    return f"{one.split}: sex {counted(one.sexes)}; age {counted(one.ages)}."


RESULTS: Mapping[int, Callable[[Facts], Answer]] = {
    35: _counted_patients,
    36: _demographics,
    37: _performance,
    38: _diagnostic,
    39: _failures,
    40: _limitations,
    42: _protocol,
    43: _available,
    44: _funding,
}
