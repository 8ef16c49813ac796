"""What is known before a training is told before it."""

import pytest
import yaml
from typer.testing import CliRunner

import classification.config
import detection.config
import segmentation.config
from pipeline import stages, training
from pipeline.cli import app
from pipeline.experiments import validate_experiment
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment, Foreign
from spine.experiment.foresight import (
    absent,
    reason_undefined,
    require_classes,
    require_metric,
    require_trainable,
    warn_of_doubts,
)
from spine.experiment.truth import read_truth
from tests.detection_on_disk import experiment_of, write_boxes
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.jobs_here import train_nothing
from tests.segmentation_on_disk import LABELS
from tests.segmentation_on_disk import write_masks as write_bright_and_dark
from tests.spine.dataset_on_disk import smooth_noise, write_dataset

SPLITS = ("train", "train", "validation", "validation", "test", "test")


def classified(folder, values: str, **settings) -> Experiment:
    """An experiment of six patients, two a split, whose classes (0 or 1) are the letters of `values`."""
    samples = [f"s{number}" for number in range(6)]
    write_dataset(
        folder / "data",
        {sample: smooth_noise(number) for number, sample in enumerate(samples)},
        labels=[(sample, "", "grade", value) for sample, value in zip(samples, values, strict=True)],
        splits=[(sample, split, "") for sample, split in zip(samples, SPLITS, strict=True)],
    )
    members = {"only": {"network": "plain_cnn", "weights": "none"}}
    raw = {"name": "six", "task": "classification", "data": folder / "data", "target": "grade", "labels": ["0", "1"]}
    return validate_experiment({**raw, "members": members, "runs": folder / "runs", **settings}, "six patients")


@pytest.mark.parametrize(
    ("values", "metric", "lacks"),
    [
        ("010101", "roc_auc", ""),
        ("010001", "roc_auc", "'1'"),
        ("011101", "roc_auc", "'0'"),
        ("010001", "sensitivity", "'1'"),
        ("011101", "specificity", "'0'"),
        ("010001", "accuracy", ""),
        ("010001", "log_loss", ""),
    ],
)
def test_a_metric_that_the_validation_truth_leaves_undefined(tmp_path, values, metric, lacks):
    experiment = classified(tmp_path, values, search={"metric": metric})
    manifest = Manifest.read(experiment.data)
    if not lacks:
        require_metric(experiment, manifest)
        return
    with pytest.raises(SpineError, match=rf"{metric}, which has no value on the validation split: it holds no {lacks}"):
        require_metric(experiment, manifest)


def test_out_of_fold_a_class_may_be_anywhere_but_in_test(tmp_path):
    folds = {"search": {"metric": "roc_auc"}, "folds": 2}
    require_metric(experiment := classified(tmp_path / "a", "010001", **folds), Manifest.read(experiment.data))
    experiment = classified(tmp_path / "b", "000001", **folds)
    with pytest.raises(SpineError, match="on what is predicted out of fold: it holds no '1'"):
        require_metric(experiment, Manifest.read(experiment.data))


def test_it_is_told_before_the_first_training(tmp_path, monkeypatch):
    experiment = classified(tmp_path, "010001", search={"metric": "roc_auc"})
    train_nothing(monkeypatch)
    with pytest.raises(SpineError, match=r"search.metric is roc_auc, which has no value on the validation split"):
        training.train_members(experiment, lambda line: None)


def two_targets(folder, second: str, **settings):
    """The file of two targets of six patients, two a split, of which `second` are the values of the second."""
    samples, values = [f"s{number}" for number in range(6)], {"grade": "010101", "never": second}
    write_dataset(
        folder / "data",
        {sample: smooth_noise(number) for number, sample in enumerate(samples)},
        labels=[
            (sample, "", target, value)
            for target, of_target in values.items()
            for sample, value in zip(samples, of_target, strict=True)
        ],
        splits=[(sample, split, "") for sample, split in zip(samples, SPLITS, strict=True)],
    )
    raw = {"name": "two", "task": "classification", "data": str(folder / "data"), "runs": str(folder / "runs")}
    targets = {target: {"labels": ["0", "1"]} for target in values}
    members = {"only": {"network": "plain_cnn", "weights": "none"}}
    (folder / "two.yaml").write_text(yaml.safe_dump({**raw, "targets": targets, "members": members, **settings}))
    return folder / "two.yaml"


@pytest.mark.parametrize(
    ("command", "second", "told"),
    [
        (
            "train",
            "010001",
            "experiment two_never: search.metric is roc_auc, which has no value on the validation split",
        ),
        ("run", "010001", "experiment two_never: search.metric is roc_auc, which has no value on the validation split"),
        ("train", "010202", "target 'never' holds ['2']"),
        ("run", "010202", "experiment two_never: target 'never' holds ['2']"),
    ],
)
def test_what_is_asked_of_a_later_target_is_asked_before_the_first_trains(tmp_path, monkeypatch, command, second, told):
    file = two_targets(tmp_path, second, search={"metric": "roc_auc"})
    train_nothing(monkeypatch)
    with pytest.raises(SpineError) as error:
        CliRunner().invoke(app, [command, str(file)], catch_exceptions=False)
    assert told in str(error.value)


def test_an_external_member_is_asked_for_unless_it_is_awaited(tmp_path):
    first, second = (classified(tmp_path / name, "010101") for name in ("first", "second"))
    later = second.model_copy(update={"name": "later", "members": {"only": Foreign(foreign=True)}})
    not_built = first.model_copy(update={"data": tmp_path / "not built yet"})
    training.require_trainings([first, not_built, later], awaited={later.member_directory("only")})
    with pytest.raises(SpineError, match=r"experiment later: members.only: is an external member"):
        training.require_trainings([later])


def test_a_verdict_s_metric_without_a_value_on_test_is_a_warning(tmp_path, monkeypatch):
    experiment, shown = classified(tmp_path, "010111"), []
    monkeypatch.setattr(stages, "train_members", lambda *_, **__: pytest.skip("far enough"))
    with pytest.raises(pytest.skip.Exception):
        stages.run_all(experiment, shown.append)
    assert shown == ["warning: the verdict's metric roc_auc has no value on the test split: it holds no '0'"]


def test_a_label_without_a_training_box(tmp_path):
    write_boxes(tmp_path / "data")
    experiment = experiment_of(tmp_path, {"small": {"backbone": "resnet18", "backbone_weights": "none"}})
    manifest = Manifest.read(experiment.data)
    require_trainable(experiment, manifest, ["small"], lambda line: None)
    trained = set(manifest.samples_in("train"))
    dark = manifest.boxes["sample"].isin(trained) & (manifest.boxes["label"] == "dark")
    manifest.boxes[~dark].to_csv(manifest.root / "boxes.csv", index=False)
    with pytest.raises(SpineError, match=r"members.small: the training rows hold no box of 'dark'; a network cannot"):
        require_trainable(experiment, Manifest.read(experiment.data), ["small"], lambda line: None)


def test_a_metric_of_boxes_of_a_size_that_validation_has_not(tmp_path):
    write_boxes(tmp_path / "data")  # rectangles of about 10 x 15 pixels: below COCO's 32 x 32 they are small
    experiment = experiment_of(tmp_path, {"small": {}}, search={"metric": "map50_95_large"})
    manifest = Manifest.read(experiment.data)
    assert reason_undefined(experiment, manifest, "validation", "map50_95_small") == ""
    with pytest.raises(SpineError, match="map50_95_large, which has no value on the validation split"):
        require_metric(experiment, manifest)


def test_a_label_without_a_training_pixel(tmp_path):
    write_bright_and_dark(tmp_path / "data")
    raw = {"name": "masks", "task": "segmentation", "data": tmp_path / "data", "labels": LABELS}
    members = {"unet": {"encoder_weights": "none"}}
    experiment = validate_experiment({**raw, "members": members}, "masks")
    manifest = Manifest.read(experiment.data)
    require_classes(read_truth(experiment, manifest, "train"))
    require_metric(experiment, manifest)
    for sample in manifest.samples_in("train"):
        drop_class(manifest, sample, 2)
    truth = read_truth(experiment, manifest, "train")
    assert absent(truth) == ["dark"]
    with pytest.raises(SpineError, match=r"members.unet: the training rows hold no pixel of 'dark'"):
        require_trainable(experiment, manifest, ["unet"], lambda line: None)
    for sample in manifest.samples_in("validation"):
        drop_class(manifest, sample, 1, 2)
    with pytest.raises(SpineError, match=r"dice_foreground, which has no value .* holds no 'bright' or 'dark'"):
        require_metric(experiment, manifest)


def drop_class(manifest: Manifest, sample: str, *classes: int) -> None:
    """Make pixels of these classes background, in the mask's file."""
    from spine.images.pictures import read_mask, write_mask

    mask = read_mask(manifest.mask_path(sample))
    for index in classes:
        mask[mask == index] = 0
    write_mask(mask, manifest.mask_path(sample))


def test_a_batch_that_is_larger_than_the_data_is_told(tmp_path):
    experiment, shown = write_experiment(tmp_path, members=("first",)), []
    manifest = Manifest.read(experiment.data)
    rows = len(manifest.samples_in("train"))
    members = {"first": experiment.members["first"].model_copy(update={"batch": rows + 1})}
    require_trainable(experiment.model_copy(update={"members": members}), manifest, ["first"], shown.append)
    assert shown == [f"warning: members.first: batch is {rows + 1}; the {rows} training samples are one batch"]


def test_pictures_that_an_epoch_shows_several_times_fill_a_larger_batch(tmp_path):
    experiment, shown = write_segmentation_experiment(tmp_path), []
    manifest = Manifest.read(experiment.data)
    rows = len(manifest.samples_in("train"))
    for batch, told in ((3 * rows, 0), (3 * rows + 1, 1)):
        own = next(iter(experiment.members.values()))
        own = own.model_copy(update={"batch": batch, "patches": segmentation.config.Patches(per_picture=3)})
        require_trainable(experiment.model_copy(update={"members": {"p": own}}), manifest, ["p"], shown.append)
        assert len(shown) == told


def test_seeds_of_what_draws_nothing_are_told_to_be_the_same():
    measured = {"network": "measurements", "segmenter": "outlines", "seeds": 2}
    members = {"trees": measured, "line": measured | {"model": "logistic_regression"}}
    raw = {"name": "e", "task": "classification", "data": "data", "labels": ["a", "b"], "members": members}
    experiment, shown = validate_experiment(raw, "e"), []
    warn_of_doubts(experiment, list(experiment.members), shown.append)
    assert shown == [
        "warning: members line_seed1, line_seed2 are the same, since nothing in them is drawn; leave seeds out"
    ]
    line = {"network": "measurements", "model": "logistic_regression"}
    named = {f"line_seed{number}": {**line, "segmenter": segmenter} for number, segmenter in ((1, "one"), (2, "two"))}
    experiment, shown = validate_experiment({**raw, "members": named}, "e"), []
    warn_of_doubts(experiment, list(named), shown.append)
    assert shown == []


def test_a_flip_at_test_time_that_was_never_trained_is_doubted(tmp_path):
    flips = {"test_time": ["vertical_flip", "horizontal_flip"], "augmentation": {"horizontal_flip": True}}
    experiment = classified(tmp_path, "010101", shared={**flips, "batch": 2})
    shown = []
    warn_of_doubts(experiment, ["only"], shown.append)
    assert [line.split(";")[0] for line in shown] == [
        "warning: members.only: test_time has vertical_flip, which augmentation has not"
    ]


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (["background", "left_psoas", "Right_psoas", "L1", "disc"], [("left_psoas", "Right_psoas")]),
        (["foramen L", "foramen R", "right", "left"], [("foramen L", "foramen R"), ("right", "left")]),
        (["background", "l1", "r1", "leftover", "rightover", "disc"], []),
    ],
)
def test_a_flip_that_exchanges_two_labels_is_doubted(labels, pairs):
    small = {"encoder_weights": "none", "height": 64, "width": 64}
    members = {"flipped": {**small, "augmentation": {"horizontal_flip": True}}, "plain": small}
    raw = {"name": "e", "task": "segmentation", "data": "data", "labels": labels, "members": members}
    experiment, shown = validate_experiment(raw, "e"), []
    warn_of_doubts(experiment, list(members), shown.append)
    told = "warning: members.flipped: horizontal_flip turns {!r} into what {!r} looks like"
    assert [line.partition(", and")[0] for line in shown] == [told.format(*pair) for pair in pairs]


def test_boxes_have_no_mean_over_flips():
    with pytest.raises(ValueError, match="boxes of flipped pictures would have to be fused"):
        detection.config.Settings(test_time=["horizontal_flip"])


def test_a_detector_s_default_warm_up_is_taken_by_a_phase_of_one_epoch_and_a_longer_one_refused():
    """Whoever tries a detector for an epoch has not asked for a warm-up."""
    assert detection.config.Settings(epochs=1).warmup == 1
    four = {"scheme": "alternating", "epochs": 11}
    assert "the phase 'rpn' has 2 epochs" in refusal(**four, warmup=2)
    assert detection.config.Settings(**four, warmup=1.9).warmup == 1.9
    assert "warmup is 2, and the phase 'frozen' has 2 epochs, in which" in refusal(freeze_backbone=2, warmup=2)


@pytest.mark.parametrize(
    "settings", [classification.config.Settings, segmentation.config.Settings, detection.config.Settings]
)
def test_pictures_that_are_mixed_with_none_are_told(settings):
    given = {} if settings is not classification.config.Settings else {"network": "plain_cnn", "weights": "none"}
    (doubt,) = settings(**given, batch=1, augmentation={"cutmix": 1.0}).doubts
    assert doubt.startswith("mixup and cutmix mix pictures of one batch, and batch is 1")
    assert settings(**given, batch=2, augmentation={"cutmix": 1.0}).doubts == settings(**given, batch=1).doubts == ()


def test_weights_of_classes_that_weigh_nothing_are_told():
    weights = {"background": 1.0, "disc": 9.0}
    (doubt,) = segmentation.config.Settings(loss="focal + cross_entropy", class_weights=weights).doubts
    assert doubt == "class_weights are of dice, and loss focal + cross_entropy has none: they weigh nothing"
    assert segmentation.config.Settings(loss="dice + focal", class_weights=weights).doubts == ()
    assert segmentation.config.Settings(loss="focal", class_weights=0.25).doubts == ()


def refusal(**settings) -> str:
    with pytest.raises(ValueError, match="Value error") as error:
        detection.config.Settings(**settings)
    return str(error.value)
