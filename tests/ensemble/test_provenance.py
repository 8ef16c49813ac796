"""What the report says of whose patients its numbers are, from cards alone."""

import pytest

from ensemble.report.provenance import hashes_of_splits, provenance
from spine.core.privacy import patient_hash, salt_id
from spine.member.member import Card, Patients
from tests.ensemble.small_evaluation import evaluation
from tests.experiment_on_disk import write_dataset
from tests.found_weights import found_weights

SPLITS = {"train": {"a", "b"}, "validation": {"c"}, "test": {"d"}}
WEIGHTS = found_weights(patients={"salt": "", "searched": ["c"]})
NONE_SEEN = {"seen": {}, "unchecked": {}, "patients": 0}


def card(name, *, salt=None, folds=(), trained=(), stopped=()):
    patients = Patients(salt=salt_id() if salt is None else salt, trained=trained, stopped=stopped)
    return Card(name=name, task="classification", labels=("x", "y"), folds=folds, patients=patients)


def told(*cards, weights=WEIGHTS, overlap=NONE_SEEN):
    return provenance({one.name: one for one in cards}, SPLITS, weights, evaluation(overlap=overlap))


def test_members_that_saw_alike_stand_together():
    assert told(
        card("vgg", trained=("a", "b"), stopped=("c",)),
        card("dense", trained=("a", "b"), stopped=("c",)),
        card("nearest", trained=("a", "b", "c", "z")),
    ) == [
        "vgg, dense: learned from 2 of train, stopped on 1 of validation.",
        "nearest: learned from 2 of train and 1 of validation and 1 of no split of this dataset.",
        "Weights: chosen on 1 of validation.",
        "Test: 1, none of them among these.",
    ]


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        ({}, "theirs: names no patients that it learned from, so that it is not known whom it has seen."),
        ({"salt": "x", "trained": ("a",)}, "theirs: hashes its patients under another salt, so that it is not known"),
    ],
)
def test_what_is_not_known_is_not_claimed(seen, complaint):
    one = card("theirs", **seen)
    sentences = told(one, overlap={**NONE_SEEN, "unchecked": {one.name: "why"}})
    assert sentences[0].startswith(complaint)
    assert sentences[-1] == f"Test: 1, none of them among these; of {one.name} it is not known."


def test_an_overlap_and_folds_are_told():
    overlap = {"seen": {"vgg": {"trained": 1}}, "unchecked": {}, "patients": 1}
    weights = found_weights(patients={"salt": "", "searched": ["a", "b", "c"]}, split="out-of-fold")
    assert told(card("vgg", trained=("a", "d"), folds=("1", "2", "3")), weights=weights, overlap=overlap) == [
        "vgg: learned from 1 of train and 1 of test (in 3 folds).",
        "Weights: chosen on 3 by out-of-fold predictions.",
        "Test: 1, of which 1 are among these, as told at the top.",
    ]


def test_hashes_are_those_of_the_patients_of_a_split(tmp_path):
    manifest = write_dataset(tmp_path, ("x", "y"), 2, {"train": 2, "validation": 1, "test": 1})
    assert hashes_of_splits(manifest) == {
        "train": {patient_hash("train00"), patient_hash("train01")},
        "validation": {patient_hash("validation00")},
        "test": {patient_hash("test00")},
    }
