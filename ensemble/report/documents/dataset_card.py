"""The dataset card of a run in the JSON form of RSNA ATLAS: partitions in counts, small groups left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ensemble.report.documents.atlas import (
    BLANK,
    DATASET_SCHEMA,
    MODALITIES,
    NO_LINK,
    PARTITIONS,
    SEXES,
)
from ensemble.report.documents.facts import DataFacts, Facts, sources_told
from ensemble.report.documents.model_card import descriptors, indexing
from spine.dataset.audit.parts import with_split
from spine.dataset.population import HIDDEN, Group, Population
from spine.images.acquired import AGE_BANDS

__all__ = ["dataset_card", "dataset_properties", "re_identification", "splitting"]

_OLDEST = 120  # years: ATLAS asks for two bounds, and the highest band has one


def dataset_card(facts: Facts, data: DataFacts, is_own: bool = True) -> dict[str, Any]:
    """Valid by ATLAS' schema of datasets, version 2025-11. `data` is its own, or another
    that it was tested on."""
    about = facts.about
    dataset = {
        "Name": f"{data.name[:90]}, images of the spine",
        "Link": (about.data_link if is_own else "") or NO_LINK,
        "Indexing": indexing(facts),
        "Descriptors": {
            **descriptors(facts, about.data_license if is_own else ""),
            "Version": f"data {data.manifest.data_hash[:12]}, splits {data.manifest.splits_hash[:12]}",
            "Comments": f"{data.origin} Patients are counted by sex, age and scanner; {HIDDEN}.".strip(),
        },
        "Dataset properties": dataset_properties(facts, data, is_own),
        "Imaging": _imaging(data),
        "Partitions": [_partition(facts, data, one, is_own) for one in data.populations],
    }
    return {"$schema": DATASET_SCHEMA, "Dataset": dataset}


def re_identification(data: DataFacts) -> str:
    """How a patient might be recognised, as far as the tables tell."""
    if data.are_generated:
        return f"{data.origin} There is nobody to recognise."
    privacy = data.privacy
    told = [data.origin] if data.origin else []
    if privacy.pseudonymous:
        told.append(
            f"Patients of {sources_told(privacy.pseudonymous)} have pseudonyms, made with a salt that is kept apart."
        )
    if privacy.named:
        told.append(
            f"Patients of {sources_told(privacy.named)} are named as the source names them: whoever has the source can "
            "tell who they are."
        )
    if privacy.demographics:
        told.append("Of the headers a sex and a band of ten years of age are kept, 90 and more as one.")
    if privacy.whole_pictures:
        told.append("Crops have their whole pictures beside them, with whatever is written there.")
    return " ".join([*told, "Pictures themselves were not searched for faces, names or rare anatomy."])


def splitting(facts: Facts, data: DataFacts) -> str:
    """How patients were assigned to the splits."""
    shared = data.findings["patients in two splits"]
    held = f"{shared} patients are in two splits, against the rule." if shared else "No patient is in two splits."
    rule = data.split_rule or "By which rule they were assigned is not recorded beside the dataset."
    folds = _folds(facts, data) if data is facts.data and facts.experiment.folds else ""
    return " ".join(filter(None, ["Patients are split, not images.", held, rule, folds]))


def _folds(facts: Facts, data: DataFacts) -> str:
    experiment = facts.experiment
    stored = (data.manifest.splits["fold"].fillna("") != "").any()
    drawn = "as splits.csv has them" if stored else f"drawn at random (seed {experiment.seed}), stratified by truth"
    return (
        f"Train and validation are used together in {experiment.folds} folds, disjoint by patient, {drawn}; training "
        f"stops on {'patients within the others' if experiment.stop_on == 'inner' else 'the fold left out'}."
    )


def dataset_properties(facts: Facts, data: DataFacts, is_own: bool) -> dict[str, Any]:
    """The card's part of that name: privacy, what is missing or wrong, how it was split."""
    found = {name: count for name, count in data.findings.items() if count}
    noise = "; ".join(f"{name}: {count}" for name, count in found.items()) or "nothing"
    return {
        "Confidentiality": _confidentiality(data),
        "Missing information": _missing(data),
        "Motivation": BLANK,
        "Noise": f"The audit of its tables found: {noise}. The command spine data check looks at the pictures, too.",
        "Partitioning scheme": splitting(facts, data),
        "Re-identification": re_identification(data),
        "Relationships between instances": "Rows of images.csv name patient, study and series; a crop names the "
        "picture that it was cut out of, and its level.",
        "Sampling": (facts.about.sampling if is_own else "") or BLANK,
        "Sensitive data": _sensitive(data),
    }


def _confidentiality(data: DataFacts) -> str:
    if data.are_generated:
        return f"{data.origin} They are not images of people, and nothing in them is confidential."
    asked = "Whether these are images of people, and who may see them."
    return f"{data.origin} Of the others: {asked[:1].lower()}{asked[1:]} {BLANK}" if data.origin else f"{asked} {BLANK}"


def _sensitive(data: DataFacts) -> str:
    kept = ", sex and age in bands" if data.privacy.demographics else "; neither age nor sex"
    if data.are_generated:
        return f"None: findings{' and sex and age' if data.privacy.demographics else ''} are made up with the images."
    return f"Images of the spine and findings in them{kept}. {data.origin}".strip()


def _missing(data: DataFacts) -> str:
    images = data.manifest.images
    spaced = int((images["spacing_y"].notna() & (images["spacing_y"] != "")).sum())
    told = [f"{len(images) - spaced} of {len(images)} images have no pixel spacing."]
    if not data.privacy.demographics:
        told.append("Neither age nor sex is known: no header told, or an older version built it, which kept none.")
    if not data.modalities:
        told.append("No modality is known: no DICOM header was read, or an older version built it.")
    return " ".join(filter(None, [*told, data.left_out]))


def _imaging(data: DataFacts) -> dict[str, Any]:
    privacy = data.privacy
    names = [MODALITIES[code] for code in data.modalities if code in MODALITIES]
    crops = data.manifest.images["grow"].dropna().unique()
    grown = [f"{100 * float(grow):g} %" for grow in sorted(set(crops) - {""}, key=float)]
    cut = f" Boxes, grown by {' or '.join(grown)}, are cut out." if grown else ""
    told = {"Modalities": names} if names else {}
    return {
        **told,
        "File format": ["PNG"],
        "Resolution": f"As stored{_size_of(data)}.",
        "Pre-processing": f"Grey levels as measured, at 16 bits, not normalised.{cut}",
        "Burned-in PHI": privacy.burned_in_answer,
        "Comments": f"Burned-in text by the headers: {privacy.burned_in} of {privacy.images} images say yes, "
        f"{privacy.not_burned_in} no.",
    }


def _size_of(data: DataFacts) -> str:
    images = data.manifest.images
    heights, widths = images["height"].astype(int), images["width"].astype(int)
    return f", {heights.min()} to {heights.max()} pixels high and {widths.min()} to {widths.max()} wide"


def _partition(facts: Facts, data: DataFacts, one: Population, is_own: bool) -> dict[str, Any]:
    counts = {
        "Patient count": one.patients,
        "Exam count": one.examinations,
        "Series count": one.series,
        "Image count": one.images,
    }
    total: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    if span := _span(one.ages):
        total["Age range"] = span
    if one.pictures is not None:
        total["Comments"] = f"The images are crops of {one.pictures} pictures."
    rows = [*_groups(one), *_classes(facts, data, one.split)]
    return {
        "Partition": PARTITIONS[one.split] if is_own or one.split != "test" else "Test",
        "Total": total,
        **({"Subsets": rows} if rows else {}),
        "Comments": _left_out(one),
    }


def _groups(one: Population) -> Iterator[dict[str, Any]]:
    for name, count in one.sexes.shown.items() if one.sexes.is_known else ():
        yield {"Sex": SEXES[name], "Patient count": count}
    for name, count in one.ages.shown.items() if one.ages.is_known else ():
        bounds = {"Age range": _bounds(name)} if name in AGE_BANDS else {"Criterion": "Age not told"}
        yield {**bounds, "Patient count": count}
    for name, count in one.makers.shown.items() if one.makers.is_known else ():
        yield {"Criterion": f"Scanner: {name}", "Patient count": count}


def _classes(facts: Facts, data: DataFacts, split: str) -> Iterator[dict[str, Any]]:
    """Images, not patients, of each label that the experiment learns."""
    for label, count in _images_of_labels(facts, data, split).items():
        yield {"Criterion": label, "Image count": count}


def _images_of_labels(facts: Facts, data: DataFacts, split: str) -> Mapping[str, int]:
    experiment = facts.experiment
    if experiment.task == "classification":
        table = with_split(data.manifest, data.manifest.labels)
        table = table[(table["split"] == split) & (table["target"] == experiment.target) & (table["box"] == "")]
        return {f"{experiment.target} = {name}": int((table["value"] == name).sum()) for name in experiment.labels}
    if experiment.task == "detection":
        table = with_split(data.manifest, data.manifest.boxes)
        table = table[table["split"] == split]
        of = {name: table.loc[table["label"] == name, "sample"] for name in experiment.labels}
        return {f"With a box of {name}": int(samples.nunique()) for name, samples in of.items()}
    if experiment.task != "segmentation":
        return {}
    masks = with_split(data.manifest, data.manifest.images)
    masks = masks[masks["mask_sha256"].fillna("") != ""]
    return {"With a mask": int((masks["split"] == split).sum())}


def _span(ages: Group) -> list[Any]:
    """From the lowest to the highest band that is shown."""
    shown = [_bounds(band) for band in AGE_BANDS if band in ages.shown]
    return [shown[0][0], shown[-1][1]] if shown else []


def _bounds(band: str) -> list[list[Any]]:
    low, _, high = band.rstrip("+").partition("-")
    return [[int(low), "years"], [int(high) if high else _OLDEST, "years"]]


def _left_out(one: Population) -> str:
    groups = {"sex": one.sexes, "age": one.ages, "scanner": one.makers}
    return " ".join(f"By {name}: {_told(group)}." for name, group in groups.items())


def _told(group: Group) -> str:
    if not group.is_known:
        return f"kept, but {HIDDEN}" if group.is_kept else "not known"
    return "counted" + (f", {group.left_out} patients left out in small groups" if group.left_out else "")
