from collections import Counter

import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.splits import SplitSettings, folds, make_splits, split_by_fractions

PAPER = {"train": 0.75, "validation": 0.15, "test": 0.10}


def _patients(count):
    return [f"p{number:03d}" for number in range(count)]


def _dataset(patients, values, sources=None):
    samples = [f"s{number}" for number in range(len(patients))]
    images = pd.DataFrame({"sample": samples, "patient": patients, "source": sources or ["a"] * len(patients)})
    labels = pd.DataFrame({"sample": samples, "box": "", "target": "grade", "value": values})
    return images, labels[labels["value"] != ""]


def test_fractions_of_patients_hold():
    split = split_by_fractions(_patients(40), PAPER)
    assert Counter(split.values()) == {"train": 30, "validation": 6, "test": 4}


def test_every_sample_of_a_patient_is_on_one_side():
    patients = [patient for patient in _patients(20) for _ in range(5)]
    images, labels = _dataset(patients, ["x"] * 100)
    table = make_splits(images, labels, SplitSettings()).merge(images, on="sample")
    assert (table.groupby("patient")["split"].nunique() == 1).all()


def test_the_split_depends_on_the_seed_and_not_on_the_order_of_samples():
    patients = _patients(60)
    labels = [("ill",) if number % 3 == 0 else ("well",) for number in range(60)]
    split = split_by_fractions(patients, PAPER, 1, labels)
    assert split == split_by_fractions(patients[::-1], PAPER, 1, labels[::-1])
    assert split != split_by_fractions(patients, PAPER, 2, labels)


def test_the_labels_of_patients_are_shared_out():
    labels = [("ill",) if number < 20 else ("well",) for number in range(80)]
    split = split_by_fractions(_patients(80), {"train": 0.5, "validation": 0.2, "test": 0.3}, 0, labels)
    ill = Counter(split[patient] for patient in _patients(80)[:20])
    assert ill == {"train": 10, "validation": 4, "test": 6}


def test_eleven_normals_among_297_patients_reach_every_split():
    labels = [("normal",) if number < 11 else ("prolapsed",) for number in range(297)]
    split = split_by_fractions(_patients(297), PAPER, 3, labels)
    normal = Counter(split[patient] for patient in _patients(297)[:11])
    assert sorted(normal.values(), reverse=True)[0] == pytest.approx(11 * 0.75, abs=1)
    assert min(normal[part] for part in PAPER) >= 1
    assert Counter(split.values())["train"] == pytest.approx(297 * 0.75, abs=1)


def test_three_positive_patients_give_each_split_one():
    labels = [("ill",) if number < 3 else ("well",) for number in range(30)]
    for seed in range(5):
        split = split_by_fractions(_patients(30), PAPER, seed, labels)
        assert {split[patient] for patient in _patients(30)[:3]} == set(PAPER)


def test_many_small_groups_do_not_bend_the_fractions():
    labels = [(str(number % 5),) for number in range(20)]  # five labels, four patients each
    split = split_by_fractions(_patients(20), PAPER, 0, labels)
    assert Counter(split.values()) == {"train": 15, "validation": 3, "test": 2}


def test_patients_with_many_images_do_not_tip_the_samples():
    rng = np.random.default_rng(0)
    patients = [patient for patient in _patients(50) for _ in range(int(rng.integers(1, 20)))]
    split = split_by_fractions(patients, {"train": 0.6, "test": 0.4}, 0)
    share = np.mean([split[patient] == "train" for patient in patients])
    assert share == pytest.approx(0.6, abs=0.02)


def test_within_each_source_the_fractions_hold():
    sources = ["ct"] * 20 + ["mr"] * 40
    images, labels = _dataset(_patients(60), ["x"] * 60, sources)
    settings = SplitSettings(train=0.7, validation=0.15, test=0.15, within="source")
    table = make_splits(images, labels, settings).merge(images, on="sample")
    assert table.groupby(["source", "split"]).size().to_dict() == {
        **{("ct", "train"): 14, ("ct", "validation"): 3, ("ct", "test"): 3},
        **{("mr", "train"): 28, ("mr", "validation"): 6, ("mr", "test"): 6},
    }


def test_folds_are_equal_and_share_the_labels():
    labels = [("ill",) if number < 10 else ("well",) for number in range(50)]
    fold = folds(_patients(50), 5, 0, labels)
    assert Counter(fold.values()) == dict.fromkeys("01234", 10)
    assert Counter(fold[patient] for patient in _patients(50)[:10]) == dict.fromkeys("01234", 2)


def test_test_patients_are_in_no_fold():
    images, labels = _dataset(_patients(50), ["x"] * 50)
    table = make_splits(images, labels, SplitSettings(folds=4, test=0.2))
    assert (table.loc[table["split"] == "test", "fold"] == "").all()
    assert set(table.loc[table["split"] == "train", "fold"]) == set("0123")
    assert Counter(table["split"]) == {"train": 40, "test": 10}


def test_the_split_that_the_source_states():
    images, labels = _dataset(_patients(3), ["x"] * 3)
    stated = {"s0": "train", "s1": "test", "s2": "validation"}
    assert make_splits(images, labels, SplitSettings(stated=True), stated)["split"].tolist() == list(stated.values())
    with pytest.raises(SpineError, match="s2"):
        make_splits(images, labels, SplitSettings(stated=True), {"s0": "train", "s1": "test"})
    with pytest.raises(SpineError, match="states two splits of 1 patients: a test would be"):
        make_splits(images.assign(patient="one"), labels, SplitSettings(stated=True), stated)
    with pytest.raises(ValueError, match="takes the splits of the source as they are; remove folds, stratify"):
        SplitSettings(stated=True, folds=5, stratify="grade")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"train": 0.5, "validation": 0.2, "test": 0.3, "stratify": "grade", "within": "source", "seed": 1},
            "Patients were drawn into train 50 %, validation 20 %, test 30 % at random (seed 1), stratified by grade, "
            "with the same shares in every source: of 500 draws the one that comes nearest to these shares of "
            "patients, of images and of each value of grade.",
        ),
        (
            {"train": 0.775, "validation": 0.225, "test": 0, "stratify": "grade", "balance": "labels"},
            "Patients were drawn into train 77.5 %, validation 22.5 % at random (seed 0), stratified by grade: of 500 "
            "draws the one that comes nearest to these shares of patients, of labels of grade and of each value of "
            "grade.",
        ),
        (
            {"folds": 5, "test": 0.2},
            "20 % of the patients were drawn for test, and all others into 5 folds of equal size at random (seed 0): "
            "of 500 draws the one that comes nearest to these shares of patients and of images.",
        ),
        ({"stated": True}, "Each image is in the split that its source states; nothing was drawn."),
        (
            {"like": "data/other"},
            "Each patient is where other has that patient; those that it has not are train.",
        ),
        (
            {"like": "data/other", "folds": 3, "seed": 2},
            "The test patients of other are test; all others were drawn into 3 folds of equal size at random (seed 2): "
            "of 500 draws the one that comes nearest to these shares of patients and of images.",
        ),
    ],
)
def test_the_rule_in_words(settings, told):
    assert SplitSettings(**settings).describe() == told


def test_too_few_patients_are_an_error_that_says_so():
    with pytest.raises(SpineError, match="2 patients"):
        split_by_fractions(["a", "b", "a", "b"], PAPER)


def test_an_unknown_target_names_the_known():
    images, labels = _dataset(_patients(9), ["x"] * 9)
    with pytest.raises(SpineError, match="grade"):
        make_splits(images, labels, SplitSettings(stratify="garde"))


def test_fractions_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        SplitSettings(train=0.5, validation=0.2, test=0.2)


def test_whole_images_are_split_as_the_crops_of_their_labelled_discs():
    random = np.random.default_rng(3)
    discs = [(f"p{patient:02d}", disc) for patient in range(24) for disc in range(random.integers(3, 9))]
    value_of = {disc: random.choice(["normal", "degenerated"]) for disc in discs}
    crops = pd.DataFrame([(f"{patient}_{disc}", patient) for patient, disc in discs], columns=["sample", "patient"])
    of_crops = pd.DataFrame(
        [(f"{patient}_{disc}", "grade", value_of[patient, disc]) for patient, disc in discs],
        columns=["sample", "target", "value"],
    )
    whole = pd.DataFrame([(patient, patient) for patient in crops["patient"].unique()], columns=["sample", "patient"])
    settings = {"train": 0.5, "validation": 0.2, "test": 0.3, "stratify": "grade", "seed": 1}
    by_crops = make_splits(crops, of_crops, SplitSettings(**settings))
    expected = dict(zip(crops["patient"], by_crops["split"], strict=True))
    of_whole = of_crops.assign(sample=crops["patient"])
    by_whole = make_splits(whole, of_whole, SplitSettings(**settings, balance="labels"))
    assert dict(zip(by_whole["sample"], by_whole["split"], strict=True)) == expected


def test_an_image_without_labels_is_split_too():
    images = pd.DataFrame([(f"p{n}", f"p{n}") for n in range(8)], columns=["sample", "patient"])
    labels = pd.DataFrame([(f"p{n}", "grade", "1") for n in range(4)], columns=["sample", "target", "value"])
    splits = make_splits(images, labels, SplitSettings(stratify="grade", balance="labels"))
    assert splits["sample"].tolist() == images["sample"].tolist()
    with pytest.raises(ValueError, match="name their target in `stratify`"):
        SplitSettings(balance="labels")
