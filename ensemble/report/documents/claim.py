"""The CLAIM 2024 checklist of a run: 44 items, each answered from a file, or left to the authors.

Source: Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
Update. Radiology: Artificial Intelligence 2024;6(4):e240300. Numbers and order are theirs, the wording is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ensemble.report.documents.answer import Answer
from ensemble.report.documents.atlas import BLANK
from ensemble.report.documents.facts import Facts
from ensemble.report.documents.markdown import escaped
from ensemble.report.documents.methods import METHODS
from ensemble.report.documents.results import RESULTS

__all__ = ["ANSWERS", "ITEMS", "claim_checklist"]

ANSWERS = {**METHODS, **RESULTS}

ITEMS: Mapping[str, Mapping[int, str]] = {
    "Title and abstract": {
        1: "The title or abstract says that the study is one of AI, and of which kind",
        2: "The abstract sums up design, methods, results and conclusions",
    },
    "Introduction": {
        3: "Background, and what the AI is meant to be used for",
        4: "Aims, objectives and hypotheses",
    },
    "Methods: study design": {
        5: "Prospective or retrospective",
        6: "Goal of the study",
    },
    "Methods: data": {
        7: "Where the data come from",
        8: "Who was included, and who was not",
        9: "What was done to the data first",
        10: "Which parts of the data were chosen",
        11: "How patients were de-identified",
        12: "What was done about missing data",
        13: "How images were acquired",
    },
    "Methods: reference standard": {
        14: "How the reference standard was obtained",
        15: "Why this reference standard",
        16: "Where its annotations come from",
        17: "How the test set was annotated",
        18: "How much annotators differ, from each other and from themselves",
    },
    "Methods: data partitions": {
        19: "How data were assigned to partitions",
        20: "At which level partitions are disjoint",
    },
    "Methods: testing data": {
        21: "The intended sample size",
    },
    "Methods: model": {
        22: "The model in detail",
        23: "Software, with versions",
        24: "How parameters were initialised",
    },
    "Methods: training": {
        25: "How it was trained",
        26: "How the final model was selected",
        27: "How models were combined",
    },
    "Methods: evaluation": {
        28: "Metrics of performance",
        29: "Measures of significance and uncertainty",
        30: "Analysis of robustness or sensitivity",
        31: "Methods of explanation",
        32: "Evaluation on internal data",
        33: "Testing on external data",
        34: "Registration of a clinical trial",
    },
    "Results: data": {
        35: "How many patients or examinations were included and excluded",
        36: "Demographic and clinical characteristics in each partition",
    },
    "Results: performance": {
        37: "Metrics, and their uncertainty",
        38: "Diagnostic performance, and its precision",
        39: "Analysis of what went wrong",
    },
    "Discussion": {
        40: "Limitations",
        41: "What follows for practice, and the role that is intended",
    },
    "Other information": {
        42: "Where the full protocol or more technical details are",
        43: "Whether software, trained model and data are available",
        44: "Funding and other support, and the role of the funders",
    },
}


@dataclass(frozen=True)
class _Filled:
    item: int
    answer: Answer

    def line(self, asked: str) -> str:
        """A line of the list."""
        told = self.answer.told
        source = f" ({', '.join(f'`{name}`' for name in self.answer.sources)})" if told and self.answer.sources else ""
        left = self.answer.left if told else self.answer.left or BLANK
        blank = f"*{escaped(left if left == BLANK else f'{BLANK[:-1]}: {left}')}*" if left else ""
        mark = "x" if told and not left else " "
        parts = [f"{escaped(told)}{source}" if told else "", blank]
        return f"- [{mark}] **{self.item}. {escaped(asked)}.** {' '.join(filter(None, parts))}"


def claim_checklist(facts: Facts) -> str:
    """The checklist as Markdown; a box is ticked where the run answers an item whole."""
    filled = {item: _Filled(item, answer(facts) if answer else Answer()) for item, answer in _answers().items()}
    whole = sum(1 for one in filled.values() if one.answer.told and not one.answer.left)
    parts = sum(1 for one in filled.values() if one.answer.told and one.answer.left)
    blocks = [
        f"# CLAIM 2024 checklist: {escaped(facts.experiment.name)}",
        "Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., Radiology: Artificial "
        "Intelligence 2024;6(4):e240300), the items in our words. The published list, which a journal asks for, also "
        "wants the page of the manuscript for each.",
        f"Of 44 items the files of this run answer {whole} whole and {parts} in part; "
        f"{len(filled) - whole - parts} are for the authors alone. Read what is filled in before you sign it.",
        *([escaped(facts.evaluation.caution)] if facts.evaluation.caution else []),
    ]
    for section, items in ITEMS.items():
        lines = [filled[number].line(asked) for number, asked in items.items()]
        blocks += [f"## {section}", "\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def _answers() -> dict[int, Callable[[Facts], Answer] | None]:
    return {number: ANSWERS.get(number) for items in ITEMS.values() for number in items}
