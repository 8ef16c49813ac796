"""One picture with what is told about it -> its files and its rows of the manifest's tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from spine.annotations.types import Annotation
from spine.core.files import hash_file
from spine.core.names import SUFFIXES, composed, encodable, file_name, slice_of, stem_of
from spine.core.near_names import near_names
from spine.core.privacy import pseudonym
from spine.core.problems import Problem, SpineError, by_severity
from spine.dataset.manifest import BOXES, IMAGES, LABELS, Manifest
from spine.images.pictures import Picture, write_mask, write_png16
from spine.intake.config import Source, Target
from spine.intake.masks import merged_mask
from spine.intake.slices import SlicesInOrder, Where

__all__ = ["Records", "patient_by_name"]

_MOST_TOLD = 3


@dataclass
class Records:
    """Gathers the dataset in `root`: pictures and masks are written at once, rows and problems are kept.

    `patients` maps each sample to its patient as the source names it, so that splits do not depend on the salt;
    `stated` to the split that the source states.
    """

    root: Path
    targets: Mapping[str, Target]
    images: list[dict[str, Any]] = field(default_factory=list)
    boxes: list[tuple[Any, ...]] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    mask_labels: list[str] = field(default_factory=list)
    patients: dict[str, str] = field(default_factory=dict)
    stated: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # sample -> why this slice, what was done to its values
    files: list[tuple[str, str, str]] = field(default_factory=list)  # of each sample its source, and its picture there
    orphans: list[str] = field(default_factory=list)  # pictures of unknown patients, each its own patient
    told: set[str] = field(default_factory=set)  # the names of all raw values that the annotations have
    slices: SlicesInOrder = field(default_factory=SlicesInOrder)
    _taken: set[str] = field(default_factory=set)
    _unknown: set[str] = field(default_factory=set)  # patients who are called like their picture

    def add(
        self,
        source: Source,
        picture: Picture,
        annotation: Annotation,
        masks: Sequence[Annotation] = (),
        where: Where | None = None,
    ) -> None:
        """Write one picture and its mask, merged of all that are told of it, and note its rows.

        `where` is its place in a series, where its neighbours are kept.
        """
        patient = self._patient(source, picture, annotation)
        hide = _hides(source, picture)
        sample = self._sample(source, picture, annotation, pseudonym(patient) if hide else "")
        write_png16(picture.pixels, self.root / "images" / f"{sample}.png")
        mask_sha256 = self._write_mask(sample, picture, masks)
        known = {
            "sample": sample,
            "patient": pseudonym(patient) if hide else patient,
            "study": pseudonym(picture.study, "S") if hide and picture.study else encodable(picture.study),
            "series": pseudonym(picture.series, "E") if hide and picture.series else encodable(picture.series),
            "sequence": encodable(annotation.sequence or picture.sequence),
            "source": source.name,
            "sha256": hash_file(self.root / "images" / f"{sample}.png"),
            "mask_sha256": mask_sha256,
            **asdict(picture.acquired),
        }
        self.images.append({**dict.fromkeys(IMAGES, ""), **_geometry(picture), **known})
        if where:
            self.slices.samples[where] = self.images[-1]
        self.patients[sample], self.stated[sample] = patient, encodable(annotation.split)
        self.notes[sample] = encodable(picture.note)
        self.files.append((sample, source.name, encodable(picture.name)))
        self._note_labels(picture.name, sample, annotation)

    def add_neighbour(self, source: Source, picture: Picture, where: Where) -> None:
        """Write a picture that is no sample, and may be next to one."""
        patient = _known_patient(source, picture, Annotation(picture.name)) or _unknown_patient(source, picture)
        hidden = pseudonym(patient) if _hides(source, picture) else ""
        name = self._sample(source, picture, Annotation(picture.name), hidden, "_beside")
        file = self.root / "neighbours" / f"{name}.png"
        write_png16(picture.pixels, file)
        self.slices.add_other(where, file, *picture.pixels.shape)

    def manifest(self) -> Manifest:
        """The dataset without splits; SpineError where nothing was read, or a target is `of` what nobody tells."""
        if not self.images:
            raise SpineError(f"no picture is left to build with ({self._why_none()}); fix the sources' paths or files")
        for target, settings in self.targets.items():
            if settings.of not in self.told:
                known = ", ".join(sorted(self.told)) or "none"
                raise SpineError(f"targets.{target}.of is {settings.of!r}; what the annotations tell is: {known}")
        self._require_one_name_a_patient()
        self._require_one_patient_a_series()
        self.problems += self._near_patients()
        self.slices.tell()
        return Manifest(
            self.root,
            pd.DataFrame(self.images, columns=list(IMAGES)),
            pd.DataFrame(self.boxes, columns=list(BOXES)),
            pd.DataFrame(self.labels, columns=list(LABELS)),
            mask_labels=tuple(self.mask_labels),
        )

    def _require_one_name_a_patient(self) -> None:
        """SpineError where one patient has a pseudonym in one picture and his name in another: he would be two people
        to all that reads the dataset, on both sides of folds and resamples.
        """
        told = pd.DataFrame(self.images, columns=["sample", "patient", "source"])
        told["raw"] = told["sample"].map(self.patients)
        twofold = told[told.groupby("raw")["patient"].transform("nunique") > 1]
        if not twofold.empty:
            sources = ", ".join(sorted(set(twofold["source"])))
            raise SpineError(
                f"{twofold['raw'].nunique()} patients have pseudonyms in some pictures of {sources} and their names in "
                "others (DICOM is pseudonymised where nothing is said); give all sources of these patients the same "
                "`pseudonymise: true` or `false`"
            )

    def _require_one_patient_a_series(self) -> None:
        """SpineError where slices of one volume or series are told to be of two patients: they could be on both sides
        of a split. A table may tell some of them, and headers the others. Pages of a TIFF may well be of several.
        """
        told = pd.DataFrame(self.images, columns=["sample", "source", "series"])
        told["patient"] = told["sample"].map(self.patients)
        told["file"] = [slice_of(name)[0] for _, _, name in self.files]
        told["volume"] = told["file"].where(told["file"].str.lower().str.endswith(SUFFIXES["volume"]), "")
        for what in ("volume", "series"):
            known = told[told[what] != ""]
            mixed = known[known.groupby(["source", what])["patient"].transform("nunique") > 1]
            if not mixed.empty:
                count = mixed.groupby(["source", what]).ngroups
                raise SpineError(
                    f"the slices of one {what} are of two patients in {count} cases, such as {mixed['file'].iloc[0]} "
                    f"of {mixed['source'].iloc[0]}: annotations name one patient, and the file, or `patient` of the "
                    "source, another. Name patients alike in both, or let annotations name none"
                )

    def _near_patients(self) -> Iterator[Problem]:
        """Patients whose names differ in capital letters or leading zeros alone, who may be one."""
        for first, *others in near_names({*self.patients.values()} - self._unknown):
            reason = (
                f"the patient {first} is told from {' and '.join(others)} by capital letters or leading zeros alone"
            )
            advice = "if they are one person, write them alike: else he may be on both sides of a split"
            yield Problem(first, reason, advice, "warning")

    def _why_none(self) -> str:
        told = [f"{problem.path}: {problem.reason}" for problem in by_severity(dict.fromkeys(self.problems))]
        more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        return "; ".join(told[:_MOST_TOLD]) + more or "the folders hold no image"

    def _patient(self, source: Source, picture: Picture, told: Annotation) -> str:
        if patient := _known_patient(source, picture, told):
            return patient
        self.orphans.append(picture.name)
        patient = _unknown_patient(source, picture)
        self._unknown.add(patient)
        return patient

    def _sample(
        self, source: Source, picture: Picture, annotation: Annotation, pseudonymous: str, ending: str = ""
    ) -> str:
        """A readable, file-safe name, unique in any case; where patients are hidden it is made of the pseudonym."""
        path, number = slice_of(picture.name)
        place = PurePosixPath(path)
        own = f"{place.with_name(stem_of(place))}{number and '#' + number}"
        if pseudonymous:
            own = f"{pseudonymous}_{annotation.sequence or picture.sequence}"
        name = file_name(re.sub(r"[^A-Za-z0-9.-]+", "_", f"{source.name}_{own}").strip("_.") + ending)
        numbered = (f"{name}_n{number}" for number in itertools.count(1))
        names = numbered if pseudonymous else itertools.chain([name], numbered)
        sample = next(name for name in names if name.lower() not in self._taken)
        self._taken.add(sample.lower())
        return sample

    def _write_mask(self, sample: str, picture: Picture, masks: Sequence[Annotation]) -> str:
        if not masks:
            return ""
        height, width = picture.pixels.shape
        try:
            mask = merged_mask(masks, (height, width), self.mask_labels)
        except SpineError as error:
            advice = "fix the mask; the picture was kept without it"
            self.problems.append(Problem(str(masks[-1].mask), str(error), advice))
            return ""
        path = self.root / "masks" / f"{sample}.png"
        write_mask(mask, path)
        return hash_file(path)

    def _note_labels(self, name: str, sample: str, told: Annotation) -> None:
        self.labels += [(sample, "", target, value) for target, value in self._values(name, told.labels)]
        for number, box in enumerate(told.boxes):
            label, level = encodable(box.label), encodable(box.level)
            self.boxes.append((sample, str(number), label, box.x0, box.y0, box.x1, box.y1, level))
            self.labels += [(sample, str(number), target, value) for target, value in self._values(name, box.values)]

    def _values(self, name: str, raw: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        raw = {key: value for key, value in raw.items() if key.strip()}  # a value without a name is of no target
        self.told |= raw.keys()
        targets = self.targets or {key: Target(of=key) for key in raw}
        for target, settings in targets.items():
            if not (value := raw.get(settings.of, "")):
                continue
            try:
                yield encodable(target), encodable(settings(value))
            except ValueError as error:
                reason = f"{settings.of} is {value!r}, from which {target} cannot be told: {error}"
                self.problems.append(Problem(name, reason, "correct it, or name the value in `targets`"))


def _known_patient(source: Source, picture: Picture, told: Annotation) -> str:
    # One patient is one, however his name's accents are written: else he might be on both sides of a split.
    patient = patient_by_name(source.patient, picture.name) or told.patient or picture.patient
    return encodable(composed(patient))


def _unknown_patient(source: Source, picture: Picture) -> str:
    # Slices of a volume are of one patient, whoever that is.
    return encodable(f"{source.name}/{slice_of(picture.name)[0]}")


def _hides(source: Source, picture: Picture) -> bool:
    """Whether patients are told by pseudonyms."""
    return bool(picture.series) if source.pseudonymise is None else source.pseudonymise


def patient_by_name(pattern: str, name: str) -> str:
    """The patient that a picture's name tells by a source's expression, "" where it tells none."""
    found = re.search(pattern, composed(name)) if pattern else None
    return "-".join(group for group in found.groups() if group) if found else ""


def _geometry(picture: Picture) -> dict[str, float]:
    """Size, spacing, the way back to the measured values and, since it is no crop, no corners in a parent."""
    spacing_y, spacing_x = picture.spacing or (np.nan, np.nan)
    height, width = picture.pixels.shape
    corners = dict.fromkeys(("x0", "y0", "x1", "y1"), np.nan)
    scaling = picture.scaling
    values = {"scale": scaling.scale if scaling else np.nan, "offset": scaling.offset if scaling else np.nan}
    return {"height": height, "width": width, "spacing_y": spacing_y, "spacing_x": spacing_x, **corners, **values}
