"""What a detector trains on: boxes that stay on what they mark, in an order that a resume finds again."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from detection.config import Settings
from detection.data import Data, padded_boxes
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.training.preprocess import placement
from tests.detection_on_disk import LABELS, experiment_of, write_boxes

SMALL = {
    "backbone": "mobilenet0.25",
    "backbone_weights": "none",
    "height": 64,
    "width": 64,
    "min_level": 3,
    "max_level": 4,
    "anchor": {"anchor_size": 2.0},
    "roi_sampler": {"num_sampled_rois": 16},
    "parser": {"rpn_batch_size_per_im": 32, "max_num_instances": 5},
    "batch": 4,
}
MOVES = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "shift": 0.1, "zoom": 0.1}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Manifest:
    return write_boxes(tmp_path_factory.mktemp("boxes") / "data", {"train": 5, "validation": 2, "test": 1})


def data_of(manifest, **changes) -> Data:
    experiment = experiment_of(manifest.root.parent, {"tiny": {**SMALL, **changes}})
    return Data.of(experiment, manifest, experiment.members["tiny"], seed=3)


def test_boxes_lie_where_their_letterboxed_picture_does(manifest):
    data = data_of(manifest)
    boxes, classes = padded_boxes(data.train, data.settings)
    number = next(
        number for number, size in enumerate(data.train.sizes) if size == (56, 40) and len(data.train.boxes[number])
    )
    place = placement(56, 40, 64, 64)
    x0, y0, x1, y1 = data.train.boxes[number][0]
    scale = 64 / 56
    expected = [
        float(place.left) + x0 * float(place.scale_x),
        y0 * scale,
        float(place.left) + x1 * float(place.scale_x),
        y1 * scale,
    ]
    np.testing.assert_allclose(boxes[number, 0], expected, rtol=1e-5)
    assert boxes.shape == (10, 5, 4)
    assert classes[number].tolist() == [1, 2, 0, 0, 0]


def test_an_augmented_box_still_holds_what_it_marks(manifest):
    data = data_of(manifest, augmentation=MOVES)
    for images, labels in itertools.islice(data.training(0), 6):
        for image, boxes, classes in zip(
            images.numpy(), labels["gt_boxes"].numpy(), labels["gt_classes"].numpy(), strict=True
        ):
            for (y0, x0, y1, x1), label in zip(boxes.round().astype(int), classes, strict=True):
                if label > 0 and min(y1 - y0, x1 - x0) > 6:
                    inside = image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].mean()
                    assert (inside > 0.7) if LABELS[label - 1] == "bright" else (inside < 0.3)


def test_the_boxes_of_mixed_pictures_still_hold_what_they_mark(manifest):
    data = data_of(manifest, augmentation={**MOVES, "cutmix": 1.0})
    clean = all_of = 0
    for images, labels in itertools.islice(data.training(0), 6):
        assert labels["gt_boxes"].shape[1:] == (2 * 5, 4)
        for image, boxes, classes in zip(
            images.numpy(), labels["gt_boxes"].numpy(), labels["gt_classes"].numpy(), strict=True
        ):
            for (y0, x0, y1, x1), label in zip(boxes.round().astype(int), classes, strict=True):
                if label > 0 and min(y1 - y0, x1 - x0) > 6:
                    inside = image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].mean()
                    all_of += 1
                    clean += (inside > 0.7) if LABELS[label - 1] == "bright" else (inside < 0.3)
    assert clean >= 0.8 * all_of > 10  # a rectangle within a box may hide up to half of it


def test_a_faint_blend_is_refused_as_its_boxes_would_count_in_full():
    with pytest.raises(ValueError, match=r"mixup is 0\.2; .* give 1\.5 or more, or 0"):
        Settings(augmentation={"mixup": 0.2})
    assert Settings(augmentation={"mixup": 1.5}).augmentation.mixes


def test_an_image_without_boxes_trains_as_background(manifest):
    data = data_of(manifest)
    found = 0
    for _, labels in itertools.islice(data.training(0), data.steps):
        for number, classes in enumerate(labels["gt_classes"].numpy()):
            scores = np.concatenate([level[number].numpy().ravel() for level in labels["rpn_score_targets"].values()])
            if (classes > 0).any():
                assert (scores == 1).any()
            else:
                found += 1
                assert (scores == 0).sum() == 32
                assert (scores == 1).sum() == 0
                assert (labels["gt_boxes"][number].numpy() == -1).all()
    assert found == sum(not len(boxes) for boxes in data.train.boxes) > 0


def flat(batch) -> list[np.ndarray]:
    return [tensor.numpy() for tensor in tf.nest.flatten(batch)]


def test_an_epoch_is_the_same_whether_reached_or_resumed(manifest):
    data = data_of(manifest, augmentation=MOVES)
    reached = list(itertools.islice(data.training(0), data.steps, 2 * data.steps))
    resumed = list(itertools.islice(data.training(1), data.steps))
    assert data.steps == 3  # 10 pictures in batches of 4
    assert [len(images) for images, _ in resumed] == [4, 4, 2]
    for one, other in zip(reached, resumed, strict=True):
        for own, again in zip(flat(one), flat(other), strict=True):
            np.testing.assert_array_equal(own, again)


def test_repeated_pictures_come_so_often_an_epoch_each_time_drawn_anew(manifest):
    plain = data_of(manifest, repeats=3)
    assert plain.steps == 8  # 3 times 10 pictures in batches of 4
    pictures = np.concatenate([images for images, _ in itertools.islice(plain.training(0), plain.steps)])
    _, counts = np.unique(pictures, axis=0, return_counts=True)
    assert counts.tolist() == [3] * 10
    moved = data_of(manifest, repeats=3, augmentation=MOVES)
    drawn = np.concatenate([images for images, _ in itertools.islice(moved.training(0), moved.steps)])
    assert len(np.unique(drawn, axis=0)) == 30
    assert sum(len(images) for images in moved.validation_batches()) == 4


def test_pictures_that_are_not_repeated_leave_a_members_hash_as_it_was():
    assert "repeats" not in Settings().model_dump(mode="json")
    assert Settings(**Settings(repeats=3).model_dump(mode="json")).repeats == 3


def test_machines_share_every_batch(manifest):
    data = data_of(manifest).shared_by(2)
    whole = data_of(manifest)
    for worker in (0, 1):
        for (part, _), (images, _) in zip(data.training(0, worker, 2), whole.training(0), strict=False):
            np.testing.assert_array_equal(part, images[worker::2])
            break


def test_validation_is_every_picture_once_in_order(manifest):
    data = data_of(manifest)
    pictures = np.concatenate(list(data.validation_batches()))
    assert pictures.shape == (4, 64, 64, 1)


def test_more_boxes_than_an_image_may_have_are_refused_by_name(manifest):
    with pytest.raises(SpineError, match="train00-0 has 2 boxes; raise parser"):
        next(iter(data_of(manifest, parser={"max_num_instances": 1}).training(0)))


def test_elastic_augmentation_is_refused():
    with pytest.raises(ValueError, match="elastic"):
        Settings(augmentation={"elastic": 0.05})
