"""The model card of a run in the JSON form of RSNA ATLAS."""

from __future__ import annotations

from typing import Any

from ensemble.report.documents import words
from ensemble.report.documents.atlas import (
    BLANK,
    CONTENT,
    MODALITIES,
    MODEL_SCHEMA,
    NO_LINK,
    license_of,
    metric_names,
)
from ensemble.report.documents.facts import Facts
from spine import __version__
from spine.answers.description import NOT_FOR_DIAGNOSIS

__all__ = ["descriptors", "indexing", "model_card"]

_USES = {  # of a task, in the words that ATLAS suggests
    "classification": "Classification of spine images, for research",
    "segmentation": "Semantic segmentation of spine images, for research",
    "detection": "Detection in spine images, for research",
}


def model_card(facts: Facts) -> dict[str, Any]:
    """Valid by ATLAS' schema of models, version 2025-11; what nobody has said is a blank."""
    experiment, evaluation = facts.experiment, facts.evaluation
    model = {
        "Name": f"{experiment.name[:180]}, spine {experiment.task} ensemble",
        "Link": facts.about.link or NO_LINK,
        "Indexing": indexing(facts),
        "Descriptors": {
            **descriptors(facts, facts.about.license),
            "Version": _version(facts),
            "Comments": _comments(facts),
        },
        "Model properties": _properties(facts),
        "Imaging": _imaging(facts),
        "Model performance": {
            "Metrics": metric_names(evaluation.rows[0].metrics),
            "Comments": " ".join(words.performance(one) for one in (evaluation, *facts.elsewhere)),
        },
    }
    return {"$schema": MODEL_SCHEMA, "Model": model}


def indexing(facts: Facts) -> dict[str, Any]:
    """Content codes of RSNA and keywords."""
    experiment = facts.experiment
    codes = [CONTENT[code] for code in facts.data.modalities if code in CONTENT]
    words_ = ("spine", experiment.task, experiment.target, *experiment.labels)
    keywords = [word for word in dict.fromkeys(words_) if 2 <= len(word) <= 64]
    return {"Content": ["MK", *dict.fromkeys(codes)], "Keywords": keywords}


def descriptors(facts: Facts, license: str) -> dict[str, Any]:
    """What people say of a model or dataset."""
    about = facts.about
    named = {"Authors": about.authors, "Organizations": about.organizations}
    return {
        **{key: [{"Name": name} for name in names] for key, names in named.items() if names},
        "Contact": about.contact or BLANK,
        "Ethical review": about.ethical_review or BLANK,
        "Funding": about.funding or BLANK,
        "License": license_of(license),
    }


def _version(facts: Facts) -> str:
    if facts.about.version:
        return facts.about.version
    return f"model {facts.served.model_hash[:12]}" if facts.served else "not exported"


def _comments(facts: Facts) -> str:
    told = [f"Training data: {facts.data.name}, see dataset_card.json.", facts.data.origin, *facts.learned_from]
    return " ".join([*filter(None, told), f"Card written by spine-ensemble {__version__} from the files of the run."])


def _properties(facts: Facts) -> dict[str, Any]:
    about, task, manifest = facts.about, facts.experiment.task, facts.data.manifest
    costs = words.costs(facts)
    known = {
        "Architecture": words.architecture(facts),
        "Availability": about.availability or BLANK,
        "Clinical benefit": about.benefit or BLANK,
        "Decision threshold": words.threshold(facts),
        "Degree of automation": "It answers about pictures it is given; whoever uses it decides what follows.",
        "Indications for use": about.indications or BLANK,
        "Input": words.inputs(facts),
        "Instructions": f"{_sent(facts)}, or use spine demo or spine client. Hold its answers against your own "
        "patients before you rely on them.",
        "Limitations": " ".join([*words.limitations(facts), about.limitations]).strip(),
        "Output": {"Description": words.outputs(facts)},
        "Recommendation": f"{NOT_FOR_DIAGNOSIS} Test it on patients of the place where it is to be used, and see "
        "whether groups of them by age, sex or scanner fare worse.",
        "Reproducibility": f"Seed {facts.experiment.seed}, all settings in experiment.yaml; data "
        f"{manifest.data_hash[:12]}, splits {manifest.splits_hash[:12]}. {words.selection(facts)}",
        "Sustainability": costs,
        "Use": {
            "Intended": list(dict.fromkeys(about.intended_use)) or [_USES.get(task, "Research on spine images")],
            "Out-of-scope": list(dict.fromkeys(about.out_of_scope))
            or ["Diagnosis or treatment without a test on site"],
        },
        "User": {"Intended": list(dict.fromkeys(about.users)) or ["Researcher"]},
    }
    return {key: value for key, value in known.items() if value}


def _imaging(facts: Facts) -> dict[str, Any]:
    names = [MODALITIES[code] for code in facts.data.modalities if code in MODALITIES]
    told = {"Modalities": names} if names else {}
    return {**told, "File format": ["PNG", "JPEG"], "Resolution": "Pictures as stored; the network sees them resized."}


def _sent(facts: Facts) -> str:
    if words.crops_wanted(facts):
        return "Send whole pictures and their boxes to the SavedModel's signature regions"
    return "Send pictures to the SavedModel's signature serving_default"
