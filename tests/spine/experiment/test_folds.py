"""Folds of the patients: who is in which, what each training sees of the dataset, and how long a refit lasts."""

from dataclasses import replace

import pytest

from pipeline.experiments import validate_experiment
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.folds import fold_of_patients, part_hash, parts, refit, refit_epochs, view
from spine.member.member import Card, Member
from tests.experiment_on_disk import write_dataset, write_masks

LABELS = ("healthy", "degenerated")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    root = tmp_path_factory.mktemp("folds") / "data"
    return write_dataset(root, LABELS, 1, {"train": 7, "validation": 2, "test": 3})


def experiment_of(manifest: Manifest, **settings) -> Experiment:
    raw = {
        "name": "folded",
        "task": "classification",
        "data": manifest.root,
        "target": "degeneration",
        "labels": LABELS,
        "runs": manifest.root.parent / "runs",
        "members": {"one": {"network": "plain_cnn", "weights": "none"}},
        "folds": 3,
    }
    return validate_experiment({**raw, **settings}, "an experiment with folds")


def patients_of(manifest: Manifest, split: str) -> set[str]:
    patient_of = manifest.patient_of()
    return {patient_of[sample] for sample in manifest.splits.loc[manifest.splits["split"] == split, "sample"]}


def test_every_patient_but_those_of_test_is_in_one_of_equal_folds(manifest):
    folds = fold_of_patients(experiment_of(manifest), manifest)
    assert set(folds) == patients_of(manifest, "train") | patients_of(manifest, "validation")
    assert sorted(folds.values()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_seed_alone_draws_the_folds(manifest):
    first, again = (fold_of_patients(experiment_of(manifest), manifest) for _ in range(2))
    reversed_rows = replace(manifest, images=manifest.images[::-1])
    assert first == again == fold_of_patients(experiment_of(manifest), reversed_rows)
    assert any(first != fold_of_patients(experiment_of(manifest, seed=seed), manifest) for seed in (1, 2, 3))


@pytest.mark.parametrize("stop_on", ["fold", "inner"])
def test_a_fold_sees_its_own_patients_only_to_stop_and_never_those_of_test(manifest, stop_on):
    experiment = experiment_of(manifest, stop_on=stop_on)
    folds = fold_of_patients(experiment, manifest)
    for part in parts(experiment):
        seen = view(part, manifest)
        own = {patient for patient, fold in folds.items() if fold == part.fold}
        trained, stopped = (patients_of(seen, split) for split in ("train", "validation"))
        assert stopped
        assert own & stopped == (own if stop_on == "fold" else set())
        assert not own & trained
        assert not trained & stopped
        assert trained | stopped | own == set(folds)
        assert not patients_of(seen, "test")


def test_a_refit_trains_on_all_patients_but_those_of_test(manifest):
    seen = view(refit(experiment_of(manifest)), manifest)
    assert patients_of(seen, "train") == set(fold_of_patients(experiment_of(manifest), manifest))
    assert len(seen.splits) == 9 * 2  # two discs a patient


def test_without_folds_the_dataset_is_as_it_is(manifest):
    experiment = experiment_of(manifest, folds=0)
    assert parts(experiment) == (experiment,)
    assert view(experiment, manifest) is manifest


def test_the_folds_of_the_dataset_are_taken(manifest):
    patient_of = manifest.patient_of()
    chosen = {patient: str(number % 3) for number, patient in enumerate(sorted(set(patient_of.values())))}
    splits = manifest.splits.copy()
    apart = splits["split"] != "test"
    splits.loc[apart, "fold"] = splits.loc[apart, "sample"].map(patient_of).map(chosen)
    folded = replace(manifest, splits=splits)
    found = fold_of_patients(experiment_of(manifest), folded)
    assert found == {patient: int(chosen[patient]) for patient in found}
    with pytest.raises(SpineError, match=r"folds \['0', '1', '2'\], and the experiment asks for 4"):
        fold_of_patients(experiment_of(manifest, folds=4), folded)
    splits.loc[splits.index[0], "fold"] = ""
    with pytest.raises(SpineError, match="each patient in one of them"):
        fold_of_patients(experiment_of(manifest), replace(manifest, splits=splits))


def test_a_patient_in_test_and_in_a_fold_is_refused(manifest):
    splits = manifest.splits.copy()
    splits.loc[splits.index[0], "split"] = "test"  # one disc of a patient whose other is in train
    with pytest.raises(SpineError, match=r"1 patients of .* are in test and in another split"):
        fold_of_patients(experiment_of(manifest), replace(manifest, splits=splits))


def test_folds_of_masks_are_drawn_too(tmp_path):
    manifest = write_masks(tmp_path / "data", {"train": 4, "validation": 2, "test": 2}, (0.5, 1.0), 0)
    labels = ("background", *manifest.mask_labels)
    members = {"one": {"encoder_weights": "none"}}
    experiment = experiment_of(manifest, task="segmentation", target="", labels=labels, members=members)
    assert sorted(fold_of_patients(experiment, manifest).values()) == [0, 0, 1, 1, 2, 2]


def test_a_training_that_names_no_fold_is_refused(manifest):
    with pytest.raises(SpineError, match="add fold=0 to fold=2 or fold=refit"):
        view(experiment_of(manifest), manifest)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"folds": 1}, "folds is 1; give 2 or more"),
        ({"folds": 0, "served": "refit"}, "set `folds`"),
        ({"folds": 0, "fold": 1}, "set `folds`"),
        ({"fold": 3}, "it is 0 to 2, or refit"),
        (
            {"served": "refit", "executor": {"kind": "ray", "store": "file:///tmp/store"}},
            r"executor\.store brings that to no machine; use mean",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(manifest, settings, told):
    with pytest.raises(SpineError, match=told):
        experiment_of(manifest, **settings)


def test_parts_have_directories_and_hashes_of_their_own(manifest):
    experiment = experiment_of(manifest)
    whole = experiment.member_directory("one")
    places = [part.member_directory("one") for part in (*parts(experiment), refit(experiment))]
    assert places == [whole / name for name in ("fold-0", "fold-1", "fold-2", "refit")]
    hashes = [part_hash(part, "one", view(part, manifest)) for part in parts(experiment)]
    assert len(set(hashes)) == 3
    # What is served of the folds is no part of their training.
    served = parts(experiment_of(manifest, served="refit"))
    assert hashes == [part_hash(part, "one", view(part, manifest)) for part in served]


def test_a_refit_is_as_long_as_its_folds_were_on_average(manifest, tmp_path):
    experiment = experiment_of(manifest, served="refit", runs=tmp_path)
    lengths = [{"frozen": 4, "tuning": 3}, {"frozen": 5, "tuning": 0}, {"frozen": 5, "tuning": 2}]
    for part, of_one in zip(parts(experiment), lengths, strict=True):
        card = Card(name="one", task="classification", labels=LABELS, details={"lengths": of_one})
        Member.publish(part.member_directory("one"), card)
    assert refit_epochs(experiment, "one") == {"frozen": 5, "tuning": 2}  # 14 / 3 and 5 / 3
    before = part_hash(refit(experiment), "one", view(refit(experiment), manifest))
    Member.publish(part.member_directory("one"), card.model_copy(update={"details": {"lengths": {"frozen": 9}}}))
    assert part_hash(refit(experiment), "one", view(refit(experiment), manifest)) != before
