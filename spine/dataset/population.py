"""Who is in each split of a dataset, told so that nobody stands alone: small groups are left out of the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from spine.dataset.manifest import SPLIT_NAMES, Manifest
from spine.images.acquired import AGE_BANDS, MAKERS, OTHER_MAKER, SEXES

__all__ = ["FEWEST", "HIDDEN", "NOT_TOLD", "Group", "Population", "keeps", "populations", "shown_groups"]

FEWEST = 5
"""Patients of the smallest group that is told: k of k-anonymity (Sweeney, Int J Uncertain Fuzz 2002;10:557)."""

NOT_TOLD = "not told"
HIDDEN = f"groups of fewer than {FEWEST} patients, and those that would tell them, are not shown"


@dataclass(frozen=True)
class Group:
    """Patients who are alike in one thing: name -> count of what is `shown`, and how many patients are in the rest.

    `is_kept` tells whether the dataset knows it of anyone at all, shown or not.
    """

    shown: Mapping[str, int]
    left_out: int
    is_kept: bool

    @property
    def is_known(self) -> bool:
        """Whether anything but "not told" is shown."""
        return any(name != NOT_TOLD for name in self.shown)


@dataclass(frozen=True)
class Population:
    """One split: patients, examinations and series (None where images do not name theirs), images, and of crops the
    pictures that they were cut out of (else None); patients by sex, age in bands of years, and maker of the scanner.
    """

    split: str
    patients: int
    examinations: int | None
    series: int | None
    images: int
    pictures: int | None
    sexes: Group
    ages: Group
    makers: Group


def populations(manifest: Manifest) -> list[Population]:
    """Those splits that have images, in order: train, validation, test."""
    joined = manifest.images.merge(manifest.splits[["sample", "split"]], on="sample")
    groups = {str(name): group for name, group in joined.groupby("split")}
    return [_population(name, groups[name]) for name in SPLIT_NAMES if name in groups]


def shown_groups(counts: Mapping[str, int], fewest: int = FEWEST) -> Group:
    """The groups of `fewest` patients or more.

    One small group alone could be told from the total, and so could several that make fewer than `fewest` together:
    then the smallest of the others are left out too.
    """
    rest = {name: count for name, count in counts.items() if count}
    small = [name for name, count in rest.items() if count < fewest]
    left_out = [rest.pop(name) for name in small]
    while left_out and rest and (len(left_out) == 1 or sum(left_out) < fewest):
        left_out.append(rest.pop(min(rest, key=lambda name: rest[name])))
    return Group(rest, sum(left_out), is_kept=any(count for name, count in counts.items() if name != NOT_TOLD))


def keeps(images: pd.DataFrame, *columns: str) -> bool:
    """Whether the dataset knows one of these of anyone: `sex`, `age` or `manufacturer` of images.csv."""
    return any(_names(images, column).astype(bool).any() for column in columns)


def _population(split: str, images: pd.DataFrame) -> Population:
    parents = images.loc[~images["parent"].map(_is_empty), "parent"]
    return Population(
        split,
        patients=int(images["patient"].nunique()),
        examinations=_count(images, "study"),
        series=_count(images, "series"),
        images=len(images),
        pictures=int(parents.nunique()) if len(parents) else None,
        sexes=_grouped(images, "sex", SEXES.values()),
        ages=_grouped(images, "age", AGE_BANDS),
        makers=_grouped(images, "manufacturer", (*dict.fromkeys(MAKERS.values()), OTHER_MAKER)),
    )


def _known_maker(name: str) -> str:
    """A dataset that another tool wrote may say anything."""
    return name if name in MAKERS.values() else OTHER_MAKER


_NAME_OF: Mapping[str, Callable[[str], str]] = {  # column -> what a value is counted as, "" where it tells nothing
    "sex": lambda sex: SEXES.get(sex, ""),
    "age": lambda band: band if band in AGE_BANDS else "",
    "manufacturer": _known_maker,
}


def _names(images: pd.DataFrame, column: str) -> pd.Series:
    """What the images that have a value of the column are counted as."""
    return images.loc[~images[column].map(_is_empty), column].map(_NAME_OF[column])


def _count(images: pd.DataFrame, column: str) -> int | None:
    if images[column].map(_is_empty).any():
        return None
    return len(images[["patient", column]].drop_duplicates())


def _grouped(images: pd.DataFrame, column: str, order: Iterable[str]) -> Group:
    """Patients by the first value that their images have in a column."""
    names = _names(images, column)
    names = names[~images.loc[names.index, "patient"].duplicated()]
    counts = {name: int((names == name).sum()) for name in order}
    return shown_groups({**counts, NOT_TOLD: int(images["patient"].nunique()) - sum(counts.values())})


def _is_empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
