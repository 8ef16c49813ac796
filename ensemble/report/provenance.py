"""Whom the report's numbers are of: the patients that members learned from and that weights were chosen on, as their
cards tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from ensemble.results.evaluation import Evaluation
from ensemble.results.found_weights import FoundWeights
from spine.core.privacy import patient_hash, salt_id
from spine.dataset.manifest import SPLIT_NAMES, Manifest
from spine.member.member import Card

__all__ = ["hashes_of_splits", "provenance"]


def hashes_of_splits(manifest: Manifest) -> dict[str, set[str]]:
    """Split -> the salted hashes of its patients."""
    patient_of = manifest.patient_of()
    return {
        name: {patient_hash(patient) for patient in {patient_of[sample] for sample in manifest.samples_in(name)}}
        for name in SPLIT_NAMES
    }


def provenance(
    cards: Mapping[str, Card], splits: Mapping[str, set[str]], weights: FoundWeights, evaluation: Evaluation
) -> list[str]:
    """Lines on patients, of members' cards, weights.json and the evaluation.

    `splits` are of the members' own dataset.
    """
    alike: dict[str, list[str]] = {}
    for name, card in cards.items():
        alike.setdefault(_learned(card, splits), []).append(name)
    members = [f"{', '.join(names)}: {told}." for told, names in alike.items()]
    by = " by out-of-fold predictions" if weights.is_out_of_fold else " of validation"
    chosen = f"Weights: chosen on {len(weights.patients.searched)}{by}."
    return [*members, chosen, _tested(evaluation)]


def _learned(card: Card, splits: Mapping[str, set[str]]) -> str:
    """Such as `learned from 4 of train, stopped on 12 of validation`, patients all of them."""
    patients = card.patients
    if not (patients.trained or patients.stopped):
        return "names no patients that it learned from, so that it is not known whom it has seen"
    if patients.salt != salt_id():
        return "hashes its patients under another salt, so that it is not known whom it has seen"
    uses = {"learned from": patients.trained, "stopped on": patients.stopped}
    told = [f"{use} {_counted(set(hashes), splits)}" for use, hashes in uses.items() if hashes]
    return ", ".join(told) + (f" (in {len(card.folds)} folds)" if card.folds else "")


def _counted(hashes: set[str], splits: Mapping[str, set[str]]) -> str:
    """Such as `4 of train and 1 of validation`."""
    counts = {name: len(hashes & own) for name, own in splits.items()}
    counts["no split of this dataset"] = len(hashes.difference(*splits.values()))
    return " and ".join(f"{count} of {name}" for name, count in counts.items() if count)


def _tested(evaluation: Evaluation) -> str:
    overlap, patients = evaluation.overlap, evaluation.counts.patients
    if overlap.seen:
        return f"Test: {patients}, of which {overlap.patients} are among these, as told at the top."
    if overlap.unchecked:
        return f"Test: {patients}, none of them among these; of {', '.join(overlap.unchecked)} it is not known."
    return f"Test: {patients}, none of them among these."
