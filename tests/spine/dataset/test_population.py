"""Who is in each split: counts that hold, and small groups that nobody can work out."""

import itertools

import pytest

from spine.dataset.audit.privacy import Privacy, burned_in_text
from spine.dataset.manifest import Manifest
from spine.dataset.population import FEWEST, NOT_TOLD, Group, populations, shown_groups
from tests.spine.dataset_on_disk import smooth_noise, write_dataset


def test_large_groups_are_shown():
    assert shown_groups({"F": 7, "M": 5, "O": 0}).shown == {"F": 7, "M": 5}
    assert shown_groups({"F": 7, "M": 5}).left_out == 0


def test_one_small_group_takes_the_next_smallest_with_it():
    """Else it were the total less those that are shown."""
    found = shown_groups({"a": 20, "b": 9, "c": 3})
    assert (found.shown, found.left_out) == ({"a": 20}, 12)


def test_small_groups_that_hide_each_other_leave_the_others_shown():
    found = shown_groups({"a": 20, "b": 9, "c": 3, "d": 4})
    assert (found.shown, found.left_out) == ({"a": 20, "b": 9}, 7)


def test_a_few_patients_are_not_told_apart_at_all():
    assert shown_groups({"F": 2, "M": 1}).shown == {}
    assert shown_groups({"F": 6, "M": 1}).shown == {}
    assert not shown_groups({"F": 6, "M": 1}).is_known


def test_what_is_kept_but_in_small_groups_is_told_from_what_nobody_knows():
    """Five of whom nothing is told are a group that is shown, and three women are none."""
    assert shown_groups({"F": 3, "M": 2, NOT_TOLD: 90}) == Group({NOT_TOLD: 90}, 5, is_kept=True)
    assert shown_groups({"F": 0, "M": 0, NOT_TOLD: 4}) == Group({}, 4, is_kept=False)
    assert shown_groups({"F": 6, "M": 1}).is_kept


def test_of_all_counts_no_small_one_is_shown_or_can_be_worked_out():
    for counts in itertools.product(range(9), repeat=3):
        found = shown_groups(dict(zip("abc", counts, strict=True)))
        assert all(count >= FEWEST for count in found.shown.values())
        assert sum(found.shown.values()) + found.left_out == sum(counts)
        left_out = [count for name, count in zip("abc", counts, strict=True) if count and name not in found.shown]
        assert not left_out or not found.shown or (len(left_out) > 1 and sum(left_out) >= FEWEST)


@pytest.fixture
def manifest(tmp_path):
    """Twelve patients of train with two images each, all of one study; two of test."""
    pictures = {f"p{n:02d}_{k}": smooth_noise(n) for n in range(14) for k in range(2)}
    of = {sample: int(sample[1:3]) for sample in pictures}
    return write_dataset(
        tmp_path,
        pictures,
        splits=[(sample, "train" if n < 12 else "test", "") for sample, n in of.items()],
        patient={sample: f"P{n:010x}" for sample, n in of.items()},
        study={sample: f"S{n}" for sample, n in of.items()},
        sex={sample: "F" if n < 7 else "M" for sample, n in of.items() if n < 12},
        age={sample: "40-49" for sample, n in of.items() if n < 6} | {"p06_0": "Doe", "p07_0": "90+"},
        manufacturer={sample: "Jane's scanner" for sample in pictures},
        burned_in={sample: "NO" for sample in pictures} | {"p03_1": "YES"},
        source={sample: "a" if n < 6 else "b" for sample, n in of.items()},
    )


def test_patients_are_counted_once(manifest):
    train, test = populations(manifest)
    assert (train.split, train.patients, train.examinations, train.series, train.images) == ("train", 12, 12, None, 24)
    assert train.pictures is None
    assert train.sexes.shown == {"Female": 7, "Male": 5}
    assert (train.ages.shown, train.ages.left_out) == ({"40-49": 6}, 6)  # one of 90+, and five of whom nothing is told
    assert train.makers.shown == {"other": 12}
    assert test.sexes.shown == {}
    assert test.patients == 2


def test_what_a_table_says_and_no_list_knows_is_never_shown(manifest):
    assert "Doe" not in str(populations(manifest))
    assert "Jane" not in str(populations(manifest))


def test_the_audit_tells_of_burned_in_text_and_of_names(manifest):
    (problem,) = burned_in_text(manifest)
    assert problem.path.endswith("p03_1.png")
    found = Privacy.of(manifest)
    assert (found.burned_in, found.not_burned_in, found.burned_in_answer) == (1, 27, "Yes")
    assert (found.pseudonymous, found.named, found.demographics) == (("a", "b"), (), True)


@pytest.mark.parametrize(("told", "answer"), [("NO", "No"), ("", "Unknown")])
def test_burned_in_text_is_denied_only_by_every_header(tmp_path, told, answer):
    pictures = {"x": smooth_noise(0), "y": smooth_noise(1)}
    write_dataset(tmp_path, pictures, burned_in={"x": "NO", "y": told})
    found = Privacy.of(Manifest.read(tmp_path))
    assert found.burned_in_answer == answer
    assert (found.pseudonymous, found.named, found.demographics, found.whole_pictures) == ((), ("a",), False, False)
