"""What a member alone is worth on validation: the tasks whose score is not one of scikit-learn's."""

import numpy as np
import pytest

from ensemble.validation_score import score_on_validation
from spine.dataset.manifest import Manifest
from spine.dataset.truth import BoxTruth, MaskTruth
from spine.member.member import Member
from spine.metrics.detection import METRICS
from spine.metrics.matches import match_images
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_segmentation_experiment


def test_of_masks_it_is_the_dice_of_pooled_pixels(tmp_path):
    experiment = write_segmentation_experiment(tmp_path)
    truth = MaskTruth.of_segmentation(Manifest.read(experiment.data), "validation", experiment.labels)
    stored = experiment.member_directory("unet") / "predictions" / "validation" / "probabilities.npy"  # (pixels, 4)
    true = np.concatenate([mask.ravel() for mask in truth])
    predicted = np.load(stored).argmax(axis=1)
    dice = [
        2 * ((true == label) & (predicted == label)).sum() / ((true == label).sum() + (predicted == label).sum())
        for label in (1, 2, 3)
    ]
    assert score_on_validation(experiment, "unet") == pytest.approx(np.mean(dice))


def test_of_boxes_it_is_that_of_the_boxes_as_they_are_without_fusion(tmp_path):
    experiment = write_detection_experiment(tmp_path)
    truth = BoxTruth.of_detection(Manifest.read(experiment.data), "validation", experiment.labels)
    for name in experiment.members:
        stored = tuple(Member.open(experiment.member_directory(name)).predictions("validation"))
        alone = METRICS["map50"].function(match_images(truth, stored))
        assert score_on_validation(experiment, name) == pytest.approx(float(alone))
