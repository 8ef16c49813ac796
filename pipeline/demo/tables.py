"""What is found and measured, as HTML tables: discs from the top of the picture to its bottom, as they are seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.doubts import levels_that_differ
from spine.images.tint import class_colour
from spine.measurements import LENGTHS, RATIOS, Row

__all__ = ["findings_table", "legend", "measurements_table"]

_PLURAL = {"disc": "Discs", "vertebra": "Vertebrae", "canal": "Canal"}
_LACKING = {
    "cut": "reaches the picture's edge",
    "merged": "several that could not be told apart",
    "irregular": "it has no whole disc's or vertebra's shape",
    "absent": "there is none",
    "unknown": "what it is told by is not there",
}
_BITS = "H(mean) − mean H of the members, in bits: 0 where they agree"


def findings_table(answer: Answer) -> str:
    """A table of the grades of each target, and one of the boxes that have none."""
    graded: dict[str, list[tuple[Finding, Grade]]] = {}
    for finding in sorted(answer.findings, key=lambda one: -one.level):
        for grade in finding.grades:
            graded.setdefault(grade.target, []).append((finding, grade))
    parts = [_grades(target, rows) + _how(answer, target, rows[0][1]) for target, rows in graded.items()]
    if others := [finding for finding in answer.findings if finding.box and not finding.grades]:
        parts.append(_boxes(others))
    if not parts:
        parts.append("<p>Nothing was found.</p>" if answer.mask is None else "<p>No boxes and no grades.</p>")
    return "".join(parts)


def _how(answer: Answer, target: str, grade: Grade) -> str:
    """How a target was decided, where it was."""
    rule = answer.rules.get(target)
    told = " ".join(rule.sentences(target, grade.labels)) if rule else ""
    return f"<p>{escape(told)}</p>" if told else ""


def _grades(target: str, rows: Sequence[tuple[Finding, Grade]]) -> str:
    first, one = rows[0]
    members, decides, has_bits = list(one.members), bool(one.verdict), one.disagreement is not None
    head = ["" if first.box is None else escape(first.label), "Ensemble" if members else "Grade"]
    head += ["Decision"] * decides + [escape(name) for name in members]
    head += [f'<abbr title="{escape(_BITS)}">Disagree-<br>ment (bit)</abbr>'] * has_bits
    body = []
    for finding, grade in rows:
        place = "whole picture" if first.box is None else _place(finding)
        cells = [_ensemble(grade), *([_decision(grade)] * decides), *(_member(grade, name) for name in members)]
        if has_bits:
            cells.append(f'<td class="number">{grade.disagreement:.2f}</td>')
        body.append(f'<tr><th scope="row">{place}</th>{"".join(cells)}</tr>')
    table = _table(f"{target}: {' / '.join(one.labels)}", head, body, "grades decided" if decides else "grades")
    told = "<p>Members: what each gives the ensemble's label; its own label is marked where it is another.</p>"
    return table + (told if members else "")


def _place(finding: Finding) -> str:
    name = escape(f"{finding.label} {finding.level}" if finding.level else finding.label)
    lowest = " (lowest)" if finding.level == 1 else ""
    score = "" if finding.score is None else f'<br><span class="score">box {finding.score:.0%}</span>'
    return f"{name}{lowest}{score}"


def _ensemble(grade: Grade) -> str:
    """The likeliest label, and what calibration makes of its probability; those of all labels as the title."""
    told, beside = _percents(grade, grade.probabilities), ""
    if grade.calibrated is not None:
        told += f"; calibrated {_percents(grade, grade.calibrated)}"
        own = grade.calibrated[grade.labels.index(grade.best)]
        beside = f'<span class="score">calibrated {own:.0%}</span>'
    return (
        f'<td class="ensemble" title="{escape(told)}"><b>{escape(grade.best)}</b> {grade.probability:.0%}'
        f'<span class="bar"><i style="width:{100 * grade.probability:.0f}%"></i></span>{beside}</td>'
    )


def _percents(grade: Grade, values: np.ndarray) -> str:
    return ", ".join(f"{label} {value:.0%}" for label, value in zip(grade.labels, values, strict=True))


def _decision(grade: Grade) -> str:
    """The verdict, and beside it what the set of labels holds, or the operating point says, where that is another."""
    beside = []
    if grade.prediction_set is not None and grade.prediction_set != (grade.verdict,):
        beside.append(_held(grade.prediction_set, grade.labels))
    if grade.decided not in (None, grade.verdict):
        beside.append(f"operating point: {grade.decided}")
    said = f'<br><span class="score">{escape("; ".join(beside))}</span>' if beside else ""
    kind = "decision undecided" if grade.is_undecided else "decision"
    return f'<td class="{kind}"><b>{escape(grade.verdict)}</b>{said}</td>'


def _held(prediction_set: tuple[str, ...], labels: tuple[str, ...]) -> str:
    """What a set of labels holds."""
    if prediction_set == labels:
        return "set: any label"
    return f"set: {' or '.join(prediction_set) or 'no label'}"


def _member(grade: Grade, name: str) -> str:
    """What a member gives the ensemble's label, or its own label where that is another."""
    values = grade.members[name]
    own = grade.labels[int(values.argmax())]
    if own == grade.best:
        return f'<td class="number">{values.max():.0%}</td>'
    return f'<td class="number other" title="another label">{escape(own)} {values.max():.0%}</td>'


def _boxes(findings: Sequence[Finding]) -> str:
    body = []
    for finding in findings:
        x0, y0, x1, y1 = finding.box or (0, 0, 0, 0)
        score = "" if finding.score is None else f"{finding.score:.0%}"
        place = f"{finding.label} {finding.level}" if finding.level else finding.label
        cells = f'<td class="number">{score}</td><td class="number">{x0:.0f}, {y0:.0f} – {x1:.0f}, {y1:.0f}</td>'
        body.append(f'<tr><th scope="row">{escape(place)}</th>{cells}</tr>')
    return _table("Boxes", ["", "Score", "x, y from – to (px)"], body)


def measurements_table(answer: Answer) -> str:
    """A table of the discs, the vertebrae and the canal: a row a level, a column a value with its unit."""
    measured = answer.measurements
    if measured is None:
        return "<p>Nothing is measured: the model gives no mask of vertebrae, discs or canal.</p>"
    rows = measured.rows()
    parts = [_measured(kind, [row for row in rows if row.structure == kind]) for kind in _PLURAL]
    if not any(parts):
        return "<p>Nothing was measured: the mask has no disc, vertebra or canal.</p>"
    unit = "" if measured.unit == "mm" else " The picture's spacing is not known, so lengths are in pixels."
    return _levels_that_differ(answer) + "".join(parts) + f"<p>Levels count from the lowest, 1.{unit}</p>"


def _levels_that_differ(answer: Answer) -> str:
    """A warning where a box lies on a disc of the mask that has another level: one of the two missed a disc."""
    assert answer.measurements is not None
    graded = [finding for finding in answer.findings if finding.grades]
    pairs = [
        f"{finding.label} {finding.level} of the findings is level {level} here"
        for finding, level in levels_that_differ(graded, answer.measurements)
    ]
    if not pairs:
        return ""
    return f'<p class="wrong">Boxes and mask do not have the same discs: {escape("; ".join(pairs))}.</p>'


def _measured(kind: str, rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    names = list(dict.fromkeys(row.name for row in rows))
    units = {row.name: row.unit for row in rows}
    head = ["Level", *(_heading(name, units[name]) for name in names)]
    body = []
    for level in sorted({row.level for row in rows}, reverse=True):
        of_level = {row.name: row for row in rows if row.level == level}
        cells = "".join(_value(of_level.get(name)) for name in names)
        body.append(f'<tr><th scope="row">{level}</th>{cells}</tr>')
    return _table(_PLURAL[kind], head, body)


def _heading(name: str, unit: str) -> str:
    said = escape({**LENGTHS, **RATIOS}[name])
    return said if unit == "ratio" else f"{said} ({unit})"


def _value(row: Row | None) -> str:
    if row is None or row.value is None:
        why = _LACKING.get(row.status, row.status) if row else "not measured"
        return f'<td class="number none" title="{escape(why)}">–</td>'
    digits = 2 if row.unit == "ratio" else 1
    return f'<td class="number">{row.value:.{digits}f}</td>'


def _table(title: str, head: Iterable[str], body: Iterable[str], kind: str = "") -> str:
    columns = "".join(f'<th scope="col">{name}</th>' for name in head)
    return (
        f'<h3>{escape(title)}</h3><div class="wide"><table class="{kind}"><thead><tr>{columns}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def legend(answer: Answer) -> str:
    """The colours of the mask's classes."""
    if answer.mask is None:
        return ""
    items = [
        f'<span><i style="background:{class_colour(number)}"></i>{escape(label)}</span>'
        for number, label in enumerate(answer.mask_labels)
        if number
    ]
    return f'<div class="legend">{"".join(items)}</div>'
