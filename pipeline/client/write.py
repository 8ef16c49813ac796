"""Answers -> files: JSON, pictures, tables of all pictures, DICOM."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import pandas as pd

from pipeline.client.pictures import SentPicture
from spine.answers.answer import Answer, Finding, Grade
from spine.core.files import atomic_file, with_nulls, write_json
from spine.core.names import encodable, file_name
from spine.core.problems import SpineError, printable, write_sheet

__all__ = ["Results"]

_FORBIDDEN = re.compile(r'[<>:"|?*\\]')  # in names, by Windows
_MEASUREMENTS = ("picture", "structure", "level", "name", "value", "unit", "status")
_FINDINGS = ("picture", "label", "level", "x0", "y0", "x1", "y1", "score", "target", "grade", "probability")
_DECIDED = ("calibrated", "in_set", "decision", "undecided")  # where any answer has them


@dataclass
class Results:
    """The results of one run in a directory; `paths` are what was written.

    - `NAME.json` of each picture, all of its answer but pixels; `NAME.overlay.png`; of a mask `NAME.mask.png`, whose
      pixels are numbers of classes
    - `measurements.csv` and `findings.csv`, of all pictures together
    - with `dicom`, `NAME.dicom/`, for pictures from DICOM files

    What an earlier run wrote of the same pictures, and its tables, are replaced, also by nothing.
    """

    directory: Path
    dicom: bool = False
    paths: list[Path] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)
    _measured: list[Mapping[str, Any]] = field(default_factory=list)
    _found: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, picture: SentPicture, answer: Answer) -> None:
        """Write what is said of one picture; SpineError where DICOM results cannot be filed with its file."""
        base = self._base(picture.name)
        self._remove_earlier(base)
        self._add_json(base, picture, answer)
        self._add_pictures(base, picture, answer)
        self._measured += _measurements(base, answer)
        self._found += _findings(base, answer)
        if self.dicom and picture.source:
            from spine.dicom_results.write import write_results

            self.paths += write_results(answer, picture.source, self._path(base, ".dicom"))

    def finish(self) -> None:
        """Write the tables."""
        for name, rows, columns in (
            ("findings.csv", self._found, (*_FINDINGS, *_decided_in(self._found))),
            ("measurements.csv", self._measured, _MEASUREMENTS),
        ):
            path = self.directory / name
            path.unlink(missing_ok=True)  # of an earlier run, whose model may have been another
            if rows:
                table = pd.DataFrame(rows, columns=list(columns))
                write_sheet(table.round(6).astype({"level": "Int64"}), path)  # float32 reaches no further
                self.paths.append(path)

    def _remove_earlier(self, base: str) -> None:
        """What another run said of the picture, of which this one may say less: no mask, no DICOM."""
        self._path(base, ".mask.png").unlink(missing_ok=True)
        for file in self._path(base, ".dicom").glob("*.dcm"):
            file.unlink()

    def _add_json(self, base: str, picture: SentPicture, answer: Answer) -> None:
        told = {"picture": base, **answer.to_json()}
        if picture.note:
            told["picture_note"] = picture.note
        path = self._path(base, ".json")
        write_json(with_nulls(told), path)
        self.paths.append(path)

    def _add_pictures(self, base: str, picture: SentPicture, answer: Answer) -> None:
        from spine.answers.overlay import draw_answer
        from spine.images.pictures import write_mask

        path = self._path(base, ".overlay.png")
        good, data = cv2.imencode(".png", draw_answer(picture.pixels, answer)[..., ::-1])
        if not good:
            raise SpineError(f"{path} could not be encoded; leave the picture out")
        with atomic_file(path) as temporary:
            temporary.write_bytes(data.tobytes())
        self.paths.append(path)
        if answer.mask is not None:
            write_mask(answer.mask, path := self._path(base, ".mask.png"))
            self.paths.append(path)

    def _path(self, base: str, ending: str) -> Path:
        return self.directory / f"{base}{ending}"

    def _base(self, name: str) -> str:
        """A path below the directory for a picture's name; a second picture of that name gets a number."""
        parts = [file_name(_FORBIDDEN.sub("_", printable(encodable(part)))) for part in name.split("/")]
        base = "/".join(part for part in parts if part not in ("", ".", ".."))
        self._names[base.lower()] = count = self._names.get(base.lower(), 0) + 1
        return base if count == 1 else f"{base}-{count}"


def _measurements(name: str, answer: Answer) -> Iterator[Mapping[str, Any]]:
    for row in answer.measurements.rows() if answer.measurements else ():
        yield {"picture": name, **{column: getattr(row, column) for column in _MEASUREMENTS[1:]}}


def _findings(name: str, answer: Answer) -> Iterator[Mapping[str, Any]]:
    """A row for each label of each grade; of a finding without grades, one."""
    for finding in answer.findings:
        shared = {"picture": name, "label": finding.label, "level": finding.level or None, "score": finding.score}
        shared |= dict(zip(("x0", "y0", "x1", "y1"), finding.box or (), strict=False))
        yield from ({**shared, **grade} for grade in _grades(finding))


def _decided_in(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    there = {name for row in rows for name in row}
    return [name for name in _DECIDED if name in there]


def _grades(finding: Finding) -> Iterator[Mapping[str, Any]]:
    for grade in finding.grades:
        for number, (label, probability) in enumerate(zip(grade.labels, grade.probabilities, strict=True)):
            row: dict[str, Any] = {"target": grade.target, "grade": label, "probability": float(probability)}
            yield {**row, **_decisions(grade, number)}
    if not finding.grades:
        yield {}


def _decisions(grade: Grade, number: int) -> Mapping[str, Any]:
    """What was decided: of one of its labels the calibrated probability, and whether the set holds it; of all alike
    the label decided, and whether it is undecided.
    """
    told: dict[str, Any] = {}
    if grade.calibrated is not None:
        told["calibrated"] = float(grade.calibrated[number])
    if grade.decided is not None:
        told["decision"] = grade.decided
    if grade.prediction_set is not None:
        told |= {"in_set": grade.labels[number] in grade.prediction_set, "undecided": grade.is_undecided}
    return told
