from dataclasses import replace

import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import ClassTruth, unit_of
from tests.experiment_on_disk import write_dataset

LABELS = ("healthy", "degenerated")


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    return write_dataset(tmp_path, LABELS, slices=2, patients={"train": 2, "validation": 1, "test": 1})


def test_slices_of_one_disc_share_a_unit(manifest):
    truth = ClassTruth.of_classification(manifest, "train", "degeneration", LABELS)
    assert len(truth.samples) == 2 * 2 * 2  # patients, discs, slices
    assert len(set(truth.units)) == 2 * 2


def test_a_follow_up_is_a_unit_of_its_own(manifest):
    images = manifest.images.assign(study=["first" if n % 2 else "second" for n in range(len(manifest.images))])
    truth = ClassTruth.of_classification(replace(manifest, images=images), "train", "degeneration", LABELS)
    assert len(set(truth.units)) == 2 * 2 * 2  # each slice is of another study
    assert unit_of("p", "", "L5/S1", 1, "a") == unit_of("p", "", "L5-S1", 1, "b") != unit_of("p", "", "L5/S1", 0, "b")
    assert unit_of("p", "s", "", 1, "a") == "a"


def test_by_unit_averages_the_slices_of_each_disc(manifest):
    truth = ClassTruth.of_classification(manifest, "validation", "degeneration", LABELS)
    rows = np.array([[0.2, 0.8], [0.4, 0.6], [1.0, 0.0], [0.5, 0.5]])
    means, values, patients = truth.by_unit(rows)
    expected = {truth.units[0]: (0.2 + 0.4) / 2, truth.units[2]: (1.0 + 0.5) / 2}
    np.testing.assert_allclose(means[:, 0], [expected[unit] for unit in sorted(expected)])
    assert sorted(values) == sorted(truth.values[[0, 2]])
    assert set(patients) == {"validation00"}


def test_a_value_that_is_no_label_is_named(manifest):
    with pytest.raises(SpineError, match="degenerated"):
        ClassTruth.of_classification(manifest, "train", "degeneration", ("healthy", "ill"))


def test_an_unknown_target_or_split_names_the_known_ones(manifest):
    with pytest.raises(SpineError, match="degeneration"):
        ClassTruth.of_classification(manifest, "train", "narrowing", LABELS)
    with pytest.raises(SpineError, match="validation"):
        ClassTruth.of_classification(manifest, "holdout", "degeneration", LABELS)


def test_the_hash_follows_the_truth(manifest):
    train = ClassTruth.of_classification(manifest, "train", "degeneration", LABELS)
    again = ClassTruth.of_classification(Manifest.read(manifest.root), "train", "degeneration", LABELS)
    swapped = ClassTruth.of_classification(manifest, "train", "degeneration", LABELS[::-1])
    assert train.hash == again.hash != swapped.hash
