"""The outputs of a served model's signature, as arrays -> an answer a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.decision_rules import DECIDED
from spine.answers.description import Description, disc_output
from spine.core.problems import SpineError
from spine.dataset.detections import OUTPUTS, Detections
from spine.measurements import measure

__all__ = ["answers_of"]

Outputs = Mapping[str, np.ndarray]
Size = tuple[int, int]
Spacing = tuple[float, float]
_OF_A_GRADE = ("probabilities", "probabilities_members", "disagreement", *DECIDED)


def answers_of(
    outputs: Outputs,
    description: Description,
    version: str,
    sizes: Sequence[Size],
    spacings: Sequence[Spacing | None],
    pictures: Sequence[np.ndarray | None] | None = None,
) -> list[Answer]:
    """An answer to each picture of a request, from the outputs of `serving_default`, `image` or `members`.

    `sizes` (height, width) and `spacings` (row, column in mm) are those of the pictures; `pictures` are their grey
    levels (H, W), where signals are to be measured. SpineError where the outputs do not fit the description.
    """
    return [
        _answer(
            {name: _row(name, value, number, len(sizes)) for name, value in outputs.items()},
            description,
            version,
            sizes[number],
            spacings[number],
            pictures[number] if pictures else None,
        )
        for number in range(len(sizes))
    ]


def _row(name: str, value: np.ndarray, number: int, count: int) -> np.ndarray:
    value = np.asarray(value)
    if not value.ndim or len(value) != count:
        raise SpineError(f"the output {name} is {value.shape} for {count} pictures; its first axis is the pictures'")
    return value[number]


def _answer(
    row: Outputs,
    description: Description,
    version: str,
    size: Size,
    spacing: Spacing | None,
    picture: np.ndarray | None,
) -> Answer:
    mask = row["mask"].astype(np.int32) if "mask" in row else None
    if mask is not None and mask.shape != size:
        raise SpineError(f"the mask is {mask.shape} of a picture of {size}; export the model again")
    measured = None
    if mask is not None and description.roles:
        vertebra, disc, canal = map(description.roles.get, ("vertebra", "disc", "canal"))
        measured = measure(
            mask, description.mask_labels, spacing, signal=picture, vertebra=vertebra, disc=disc, canal=canal
        )
    return Answer(
        description.name,
        version,
        *size,
        spacing,
        tuple(_findings(row, description, size)),
        mask,
        description.mask_labels,
        row.get("probabilities") if mask is not None else None,
        row.get("disagreement") if mask is not None else None,
        measured,
        description.decided,
    )


def _findings(row: Outputs, description: Description, size: Size) -> Iterator[Finding]:
    if "detection_boxes" in row:
        yield from _boxes(row, description, size)
    elif description.task == "classification":
        (target,) = description.targets
        yield Finding("", grades=(_grade(target, row, description),))


def _boxes(row: Outputs, description: Description, size: Size) -> Iterator[Finding]:
    detections = Detections.from_outputs({name: row[name][np.newaxis] for name in OUTPUTS}, 0)
    levels = row["disc_level"].astype(int) if "disc_level" in row else detections.levels()
    of_rows = zip(detections.in_pixels(*size).tolist(), detections.scores.tolist(), detections.classes, strict=True)
    for number, ((x0, y0, x1, y1), score, which) in enumerate(of_rows):
        label = description.labels[which - 1]
        # A disc that is beyond those asked for, or not sure enough, has a box, and no level and no grade.
        targets = description.targets if label == description.disc and levels[number] else ()
        grades = tuple(_grade_of_disc(target, row, number, description) for target in targets)
        yield Finding(label, (x0, y0, x1, y1), score, int(levels[number]), grades)


def _grade_of_disc(target: str, row: Outputs, number: int, description: Description) -> Grade:
    named = {name: disc_output(name, target) for name in _OF_A_GRADE}
    return _grade(target, {name: row[of_all][number] for name, of_all in named.items() if of_all in row}, description)


def _grade(target: str, row: Outputs, description: Description) -> Grade:
    labels = description.targets[target]
    members, disagreement = row.get("probabilities_members"), row.get("disagreement")
    # A SavedModel from elsewhere may call something else by these names.
    decided = {name: row[name] for name in DECIDED if name in row and target in description.decided}
    _require_of_labels(target, decided, labels)
    held = decided.get("prediction_set")
    return Grade(
        target,
        labels,
        row["probabilities"],
        {} if members is None else dict(zip(description.members[target], members, strict=True)),
        None if disagreement is None else float(disagreement),
        decided.get("calibrated"),
        labels[int(decided["decision"])] if "decision" in decided else None,
        None if held is None else tuple(label for label, there in zip(labels, held, strict=True) if there),
    )


def _require_of_labels(target: str, decided: Outputs, labels: Sequence[str]) -> None:
    """SpineError unless there is a value for each label, and the decision is one of them."""
    for name, value in decided.items():
        is_decision = name == "decision"
        if value.shape != (() if is_decision else (len(labels),)) or (is_decision and not 0 <= value < len(labels)):
            raise SpineError(
                f"the output {name} of {target} is {value.tolist()}, and there are {len(labels)} labels, "
                f"{', '.join(labels)}; export the model again"
            )
