"""Patient-disjoint splits and folds: patients are split, never images, so no patient is on two sides.

Stratified random sampling with rerandomisation: in every stratum (patients who hold the same rarest label, and, with
`within`, come from the same source) each split gets its share of patients; of many such draws the one whose counts lie
nearest to the wanted fractions is taken (Morgan and Rubin, Annals of Statistics 2012, 40(2):1263).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from spine.core.problems import SpineError
from spine.core.strict import Seed, Strict
from spine.dataset.manifest import SPLIT_NAMES, SPLITS, Manifest

__all__ = ["SplitSettings", "folds", "make_splits", "split_by_fractions", "splits_like"]

DRAWS = 500


class SplitSettings(Strict):
    """How patients are divided: by fractions, into folds, or as the source states it.

    With `folds` the test fraction is set apart first; the others are "train" with the fold that leaves them out. With
    `balance: labels` every label of the target counts as a sample does: whole images whose discs are labelled are then
    split as the crops of those discs would be.
    """

    train: float = Field(default=0.75, ge=0, le=1)
    validation: float = Field(default=0.15, ge=0, le=1)
    test: float = Field(default=0.10, ge=0, le=1)
    folds: int | None = Field(default=None, ge=2)
    stratify: str = ""  # a target of labels.csv
    balance: Literal["samples", "labels"] = "samples"  # what is divided by the fractions, beside patients
    within: Literal["", "source"] = ""  # the same fractions in every source
    stated: bool = False  # take the split that the source's annotations or folders state
    like: Path | None = (
        None  # another dataset: patients stay where it has them, others are train; with `folds`, test stays
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _is_like_another_alone(self) -> SplitSettings:
        allowed = {"like", "folds", "stratify", "seed"} if self.folds else {"like"}
        if self.like and (others := sorted(self.model_fields_set - allowed)):
            raise ValueError(f"like takes the splits of {self.like}; remove {', '.join(others)}")
        return self

    @model_validator(mode="after")
    def _is_stated_alone(self) -> SplitSettings:
        if self.stated and (others := sorted(self.model_fields_set - {"stated"})):
            raise ValueError(f"stated takes the splits of the source as they are; remove {', '.join(others)}")
        return self

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitSettings:
        total = self.train + self.validation + self.test
        if not self.folds and not self.stated and abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test is {total:g}; the three fractions sum to 1")
        if self.balance == "labels" and not self.stratify:
            raise ValueError("balance is labels; name their target in `stratify`")
        return self

    @property
    def fractions(self) -> dict[str, float]:
        """The fractions that are not zero, by split."""
        named = {name: getattr(self, name) for name in SPLIT_NAMES}
        return {name: fraction for name, fraction in named.items() if fraction > 0}

    def describe(self) -> str:
        """By which rule patients come into the splits, in sentences."""
        if self.stated:
            return "Each image is in the split that its source states; nothing was drawn."
        if self.like and self.folds:
            return f"The test patients of {self.like.name} are test; all others were drawn {self._into_folds}"
        if self.like:
            return f"Each patient is where {self.like.name} has that patient; those that it has not are train."
        if self.folds and self.test:
            return f"{100 * self.test:.3g} % of the patients were drawn for test, and all others {self._into_folds}"
        if self.folds:
            return f"Patients were drawn {self._into_folds}"
        shares = ", ".join(f"{name} {100 * fraction:.3g} %" for name, fraction in self.fractions.items())
        return f"Patients were drawn into {shares} {self._how}"

    @property
    def _into_folds(self) -> str:
        return f"into {self.folds} folds of equal size {self._how}"

    @property
    def _how(self) -> str:
        by = f", stratified by {self.stratify}" if self.stratify else ""
        within = ", with the same shares in every source" if self.within else ""
        counted = f"labels of {self.stratify}" if self.balance == "labels" else "images"
        nearest = f"patients, of {counted} and of each value of {self.stratify}" if by else f"patients and of {counted}"
        return (
            f"at random (seed {self.seed}){by}{within}: of {DRAWS} draws the one that comes nearest to these shares of "
            f"{nearest}."
        )


def make_splits(
    images: pd.DataFrame,
    labels: pd.DataFrame,
    settings: SplitSettings,
    stated: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The splits.csv (sample, split, fold) of the samples in `images`, stratified by `settings.stratify` of `labels`.

    `stated` is sample -> split as the source has it, used where the settings say so. Raises SpineError where the target
    is unknown, a split would be empty, or a sample's split is to be taken from a source that states none.
    """
    if settings.stated:
        return _as_stated(images, stated or {})
    values = _values_of(images, labels, settings.stratify)
    if settings.balance == "labels":
        images, values = _one_a_label(images, values)
    patients = images["patient"].tolist()
    strata = images["source"].tolist() if settings.within else None
    if settings.folds is None:
        split = split_by_fractions(patients, settings.fractions, settings.seed, values, strata)
        fold: Mapping[str, str] = {}
    else:
        split, fold = _test_and_folds(patients, values, strata, settings)
    rows = [
        (sample, split[patient], fold.get(patient, ""))
        for sample, patient in dict(zip(images["sample"], patients, strict=True)).items()
    ]
    return pd.DataFrame(rows, columns=list(SPLITS))


def splits_like(images: pd.DataFrame, labels: pd.DataFrame, settings: SplitSettings, other: Manifest) -> pd.DataFrame:
    """The splits.csv of the samples in `images`: each patient is where the dataset `other` has him.

    Patients that it has not are train; where it has folds, they are spread over them. With `settings.folds` only its
    test patients stay, and all others are drawn into folds anew. Raises SpineError where `other` has a patient in two
    splits, or the two datasets share none.
    """
    split, fold = _placed_as(other, sorted(set(images["patient"])))
    if settings.folds:
        split = {patient: "test" if part == "test" else "train" for patient, part in split.items()}
        fold = _folds_beside_test(
            images["patient"].tolist(), split, _values_of(images, labels, settings.stratify), None, settings
        )
    rows = [
        (sample, split[patient], fold.get(patient, ""))
        for sample, patient in zip(images["sample"], images["patient"], strict=True)
    ]
    return pd.DataFrame(rows, columns=list(SPLITS))


def split_by_fractions(
    patients: Sequence[str],
    fractions: Mapping[str, float],
    seed: int = 0,
    labels: Sequence[Iterable[str]] | None = None,
    strata: Sequence[str] | None = None,
) -> dict[str, str]:
    """Patient -> name of its part, the parts' sizes as near to `fractions` as whole patients allow.

    `patients` names each sample's patient, `labels` each sample's labels (none or several), `strata` each sample's
    stratum, which the fractions then hold within. The outcome depends on the seed and the sorted patient ids only, not
    on the order of samples. Raises SpineError where a part would be empty.
    """
    names = sorted(set(patients))
    parts = np.array(list(fractions.values()), dtype=float)
    if len(names) < len(parts) or (parts <= 0).any():
        raise SpineError(
            f"{len(names)} patients cannot be split into {_describe(fractions)}: every part needs a patient; "
            "add patients or leave a part out"
        )
    parts = parts / parts.sum()
    profile = _profile(names, patients, labels or [()] * len(patients))
    seen_in = _seen_in(names, patients, strata or [""] * len(patients))
    groups = _groups(profile, seen_in)
    rng = np.random.default_rng(seed)
    alike = len(parts) == 1  # every draw gives every patient to it
    draws = [_draw(groups, len(names), parts, rng) for _ in range(1 if alike else DRAWS)]
    best = min(draws, key=lambda draw: _faults(draw, profile, seen_in, parts))
    if len(np.unique(best)) < len(parts):
        raise SpineError(f"{len(names)} patients leave a part of {_describe(fractions)} empty; raise its fraction")
    return {name: list(fractions)[part] for name, part in zip(names, best, strict=True)}


def folds(
    patients: Sequence[str],
    count: int,
    seed: int = 0,
    labels: Sequence[Iterable[str]] | None = None,
    strata: Sequence[str] | None = None,
) -> dict[str, str]:
    """Patient -> fold "0" ... "count - 1", of equal sizes; stratified as `split_by_fractions` is."""
    equal = {str(fold): 1 / count for fold in range(count)}
    return split_by_fractions(patients, equal, seed, labels, strata)


def _as_stated(images: pd.DataFrame, stated: Mapping[str, str]) -> pd.DataFrame:
    silent = [sample for sample in images["sample"] if stated.get(sample) not in SPLIT_NAMES]
    if silent:
        raise SpineError(
            f"splits.stated is true, and the source states the split of {silent[0]!r} and {len(silent) - 1} others "
            f"as {stated.get(silent[0], '')!r}; it is one of {', '.join(SPLIT_NAMES)}, or give fractions instead"
        )
    splits_of = images["sample"].map(stated).groupby(images["patient"]).nunique()
    if twofold := int((splits_of > 1).sum()):
        raise SpineError(
            f"splits.stated is true, and the source states two splits of {twofold} patients: a "
            "test would be of patients that were learned from. Correct the source, or give fractions instead"
        )
    rows = [(sample, stated[sample], "") for sample in images["sample"]]
    return pd.DataFrame(rows, columns=list(SPLITS))


def _placed_as(other: Manifest, patients: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The split and the fold of each of these patients, as the dataset `other` has them."""
    placed = other.splits.assign(patient=other.splits["sample"].map(other.patient_of()))
    place = placed[["patient", "split", "fold"]].drop_duplicates()
    if twice := sorted(place.loc[place["patient"].duplicated(), "patient"]):
        raise SpineError(f"{len(twice)} patients of {other.root} are in two splits or folds; see its splits.csv")
    place_of = {patient: (split, fold) for patient, split, fold in place.itertuples(index=False)}
    if not set(patients) & set(place_of):
        raise SpineError(
            f"splits.like is {other.root}, which has none of these {len(patients)} patients; name a dataset of the "
            "same patients, whose names or pseudonyms are alike"
        )
    numbers = sorted({fold for _, fold in place_of.values()} - {""}) or [""]
    strangers = [patient for patient in patients if patient not in place_of]
    place_of |= {patient: ("train", numbers[index % len(numbers)]) for index, patient in enumerate(strangers)}
    split = {patient: place_of[patient][0] for patient in patients}
    return split, {patient: place_of[patient][1] for patient in patients}


def _test_and_folds(
    patients: list[str], values: list[tuple[str, ...]], strata: list[str] | None, settings: SplitSettings
) -> tuple[dict[str, str], dict[str, str]]:
    split = dict.fromkeys(patients, "train")
    if settings.test > 0:
        apart = {"train": 1 - settings.test, "test": settings.test}
        split = split_by_fractions(patients, apart, settings.seed, values, strata)
    return split, _folds_beside_test(patients, split, values, strata, settings)


def _folds_beside_test(
    patients: list[str],
    split: Mapping[str, str],
    values: list[tuple[str, ...]],
    strata: list[str] | None,
    settings: SplitSettings,
) -> dict[str, str]:
    kept = [index for index, patient in enumerate(patients) if split[patient] == "train"]
    return folds(
        [patients[index] for index in kept],
        settings.folds or 2,
        settings.seed,
        [values[index] for index in kept],
        [strata[index] for index in kept] if strata else None,
    )


def _values_of(images: pd.DataFrame, labels: pd.DataFrame, target: str) -> list[tuple[str, ...]]:
    chosen = labels[labels["target"] == target]
    if target and chosen.empty:
        known = ", ".join(sorted(labels["target"].unique())) or "none"
        raise SpineError(f"splits.stratify is {target!r}, which no sample has; the targets are: {known}")
    by_sample = chosen.groupby("sample")["value"].agg(tuple)
    return [by_sample.get(sample, ()) for sample in images["sample"]]


def _one_a_label(images: pd.DataFrame, values: list[tuple[str, ...]]) -> tuple[pd.DataFrame, list[tuple[str, ...]]]:
    """The images and their values, each image as often as it has labels, and once without."""
    times = [max(len(found), 1) for found in values]
    singly: list[tuple[str, ...]] = [(value,) if value else () for found in values for value in found or ("",)]
    return images.loc[images.index.repeat(times)], singly


def _profile(names: list[str], patients: Sequence[str], labels: Sequence[Iterable[str]]) -> np.ndarray:
    """Counts (P, 1 + 2 L) of each patient: samples, then the samples of each label and whether there is one."""
    index = {name: row for row, name in enumerate(names)}
    classes = sorted({label for row in labels for label in row})
    counts = np.zeros((len(names), len(classes)))
    samples = Counter(patients)
    for patient, row in zip(patients, labels, strict=True):
        for label in row:
            counts[index[patient], classes.index(label)] += 1
    return np.column_stack([[samples[name] for name in names], counts, counts > 0])


def _seen_in(names: list[str], patients: Sequence[str], strata: Sequence[str]) -> np.ndarray:
    """The number (P,) of the strata that each patient is seen in: of one, or of several together."""
    given: dict[str, set[str]] = {name: set() for name in names}
    for patient, stratum in zip(patients, strata, strict=True):
        given[patient].add(stratum)
    together = [tuple(sorted(given[name])) for name in names]
    numbers = {strata: number for number, strata in enumerate(sorted(set(together)))}
    return np.array([numbers[strata] for strata in together])


def _groups(profile: np.ndarray, seen_in: np.ndarray) -> list[np.ndarray]:
    """Patients' indices, those together who are seen in the same strata and hold the same rarest label."""
    holds = profile[:, 1 + profile.shape[1] // 2 :] > 0
    by_rarity = np.argsort(holds.sum(axis=0), kind="stable")
    rarest = [next((int(label) for label in by_rarity if row[label]), -1) for row in holds]
    _, group = np.unique(np.column_stack([seen_in, rarest]), axis=0, return_inverse=True)
    return [np.flatnonzero(group.ravel() == number) for number in range(group.max() + 1)]


def _draw(groups: list[np.ndarray], total: int, fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One stratified draw: the part (P,) of each patient."""
    parts = np.empty(total, dtype=int)
    for group in groups:
        parts[rng.permutation(group)] = np.repeat(np.arange(len(fractions)), _shares(len(group), fractions, rng))
    return parts


def _shares(total: int, fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whole numbers near `total` times `fractions`, rounded by chance; in half of the draws at least 1."""
    shares = np.full(len(fractions), int(total >= len(fractions) and rng.uniform() < 0.5))
    chance = rng.uniform(0, 1, len(fractions))
    while (missing := total - shares.sum()) > 0:
        lacking = total * fractions - shares
        whole = np.floor(lacking).clip(0).astype(int)
        if 0 < whole.sum() <= missing:
            shares += whole
        else:
            shares[np.argmax(lacking + chance)] += 1
    return shares


def _faults(
    parts: np.ndarray, profile: np.ndarray, seen_in: np.ndarray, fractions: np.ndarray
) -> tuple[int, int, float]:
    """What is wrong with a draw, gravest first.

    Whole patients too many or too few in a part, over all or in a stratum; labels that a part lacks; the chi-square
    distance of the parts' counts to their fractions, summed over the columns of `profile`.
    """
    chosen = np.arange(len(fractions))[:, None] == parts  # (parts, P)
    patients = np.stack([chosen[:, seen_in == number].sum(axis=1) for number in range(seen_in.max() + 1)])
    patients = np.vstack([patients, patients.sum(axis=0)])
    astray = np.abs(patients - patients.sum(axis=1, keepdims=True) * fractions).max()
    counts = chosen @ profile
    distance = np.square(counts / profile.sum(axis=0) - fractions[:, None]) / fractions[:, None]
    return int(astray + 1e-9), int((counts == 0).sum()), float(distance.sum())


def _describe(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {fraction:g}" for name, fraction in fractions.items())
