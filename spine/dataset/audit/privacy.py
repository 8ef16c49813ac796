"""Whether a dataset may name its patients: by a source's identifiers, by text in pixels, by what is kept of headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from spine.core.problems import Problem
from spine.dataset.manifest import Manifest
from spine.dataset.population import keeps

__all__ = ["Privacy", "burned_in_text"]

_PSEUDONYM = re.compile(r"P[0-9a-f]{10}")  # as `spine.core.privacy.pseudonym` writes it


@dataclass(frozen=True)
class Privacy:
    """What the tables tell without a look at a picture.

    `pseudonymous` sources name patients by this project's pseudonyms, `named` ones as the source does. `burned_in` and
    `not_burned_in` are images whose header says so, of `images`. `whole_pictures`: crops keep their pictures beside
    them. `demographics`: whether age or sex is kept.
    """

    pseudonymous: tuple[str, ...]
    named: tuple[str, ...]
    images: int
    burned_in: int
    not_burned_in: int
    whole_pictures: bool
    demographics: bool

    @classmethod
    def of(cls, manifest: Manifest) -> Privacy:
        """Of a dataset."""
        images = manifest.images
        by_source = images.assign(source=images["source"].astype(str)).groupby("source")["patient"]
        hidden = {str(source): all(map(_is_pseudonym, patients)) for source, patients in by_source}
        told = images["burned_in"].value_counts()
        return cls(
            pseudonymous=tuple(source for source, own in hidden.items() if own),
            named=tuple(source for source, own in hidden.items() if not own),
            images=len(images),
            burned_in=int(told.get("YES", 0)),
            not_burned_in=int(told.get("NO", 0)),
            whole_pictures=bool(images["parent_sha256"].fillna("").ne("").any()),
            demographics=keeps(images, "age", "sex"),
        )

    @property
    def burned_in_answer(self) -> Literal["Yes", "No", "Unknown"]:
        """Whether pixels hold text that identifies patients, as far as headers say: "No" where every one denies it."""
        if self.burned_in:
            return "Yes"
        return "No" if self.images and self.not_burned_in == self.images else "Unknown"


def burned_in_text(manifest: Manifest) -> Iterator[Problem]:
    """Pictures whose header says that text burned into them can identify the patient."""
    for sample in manifest.images.loc[manifest.images["burned_in"] == "YES", "sample"]:
        yield Problem(
            str(manifest.image_path(sample)),
            "its header says that text in the picture can identify the patient (BurnedInAnnotation)",
            "look at it, and leave it out or paint the text over before the dataset is handed on",
            "warning",
        )


def _is_pseudonym(patient: object) -> bool:
    return _PSEUDONYM.fullmatch(str(patient)) is not None
