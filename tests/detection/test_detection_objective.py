"""The four losses of Faster R-CNN and their total, by hand: two pictures, four anchors and three regions each."""

from math import log

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from detection.config import PARTS, Phase, Settings
from detection.objective import losses_of, task_of

WEIGHTS = {"rpn_score_weight": 2.0, "rpn_box_weight": 3.0, "frcnn_class_weight": 5.0, "frcnn_box_weight": 7.0}
DECAY = 0.1

# Foreground at 0.8 and background at 0.25 in the first picture; background at 0.5 and at 0.1 in the second.
RPN_CLS = -(log(0.8) + log(1 - 0.25) + log(1 - 0.5) + log(1 - 0.1)) / 4
# Errors of 0.2 and 2 on level 4, of 0.1 in all corners on level 5; a square below delta, a line above it. Each level is
# divided by the number of corners that count, and 0.01 that Model Garden adds.
RPN_BOX = (0.2**2 / 2 + 0.5 * (2 - 0.5 / 2)) / (4 + 0.01) + 4 * (0.1**2 / 2) / (4 + 0.01)
# The probability of the true class of each of the six regions.
RCNN_CLS = -(log(0.7) + log(0.3) + log(0.5) + log(0.4) + log(0.9) + log(0.6)) / 6
# An error of 3 in one corner of the second region, of 0.5 in one of the third; the others are background.
RCNN_BOX = ((3 - 1 / 2) + 0.5**2 / 2) / (8 + 0.01)
KERNELS = (3.0, 4.0)


def settings(**losses):
    return Settings(
        backbone_weights="none",
        parser={"rpn_batch_size_per_im": 2},
        roi_sampler={"num_sampled_rois": 3},
        losses={**WEIGHTS, "rpn_huber_loss_delta": 0.5, "frcnn_huber_loss_delta": 1.0, **losses},
        weight_decay=DECAY,
    )


def network():
    """Two layers, of one kernel and one bias each."""
    constant = tf_keras.initializers.Constant
    layers = [tf_keras.layers.Dense(1, kernel_initializer=constant(own), bias_initializer="ones") for own in KERNELS]
    network = tf_keras.Sequential(layers)
    network.build((None, 1))
    return network


def logit(probability):
    return log(probability / (1 - probability))


def anchors():
    """Scores and boxes of the RPN, and their targets, by level: three anchors a picture on level 4, one on level 5."""
    scores = {"4": [[logit(0.8), 9, 9], [logit(0.5), 9, logit(0.1)]], "5": [[logit(0.25)], [9]]}
    score_targets = {"4": [[1, -1, -1], [0, -1, 0]], "5": [[0], [-1]]}  # 1 foreground, 0 background, -1 not drawn
    boxes = {level: np.full((2, 1, count, 4), 9.0) for level, count in (("4", 3), ("5", 1))}
    box_targets = {level: np.zeros_like(own) for level, own in boxes.items()}  # all zero: no box to learn
    boxes["4"][0, 0, 0], box_targets["4"][0, 0, 0] = [0.7, 0, 2, -0.25], [0.5, 0, 0, -0.25]
    boxes["5"][1, 0, 0], box_targets["5"][1, 0, 0] = [1.1] * 4, [1] * 4
    outputs = {
        "rpn_scores": {level: np.reshape(own, (2, 1, -1, 1)) for level, own in scores.items()},
        "rpn_boxes": {level: own.reshape(2, 1, 1, -1) for level, own in boxes.items()},
    }
    labels = {
        "rpn_score_targets": {level: np.reshape(own, (2, 1, -1, 1)) for level, own in score_targets.items()},
        "rpn_box_targets": {level: own.reshape(2, 1, 1, -1) for level, own in box_targets.items()},
    }
    return outputs, labels


def regions():
    """Classes and boxes of the box head, and their targets: background and two classes, a box for each of them."""
    probabilities = [
        [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.5, 0.25]],
        [[0.4, 0.3, 0.3], [0.9, 0.05, 0.05], [0.6, 0.2, 0.2]],
    ]
    boxes, targets = np.full((2, 3, 3, 4), 9.0), np.ones((2, 3, 4))
    boxes[0, 1, 2] = [4, 1, 1, 1]
    boxes[0, 2, 1] = [1, 0.5, 1, 1]
    return {
        "class_outputs": np.log(probabilities),
        "class_targets": np.array([[0, 2, 1], [0, 0, 0]]),
        "box_outputs": boxes.reshape(2, 3, 12),
        "box_targets": targets,
    }


def losses(learns=PARTS, own=None, **weights):
    """The papers' losses of a phase in which some parts learn."""
    outputs, labels = anchors()
    task = task_of(Phase("any", 1, 0.1, frozenset(learns)), settings(**weights), 2, own or network())
    arrays = tf.nest.map_structure(lambda values: tf.constant(values, tf.float32), ({**outputs, **regions()}, labels))
    return losses_of(task.build_losses(*arrays))


def test_the_four_losses_and_their_total_have_the_papers_names():
    decay = DECAY * (3**2 + 4**2) / 2  # biases do not decay
    assert losses() == pytest.approx(
        {
            "loss": 2 * RPN_CLS + 3 * RPN_BOX + 5 * RCNN_CLS + 7 * RCNN_BOX + decay,
            "rpn_cls": RPN_CLS,
            "rpn_box": RPN_BOX,
            "rcnn_cls": RCNN_CLS,
            "rcnn_box": RCNN_BOX,
        },
        rel=1e-5,
    )


def test_a_layer_that_is_held_still_does_not_decay():
    still = network()
    still.layers[1].trainable = False
    assert losses()["loss"] - losses(own=still)["loss"] == pytest.approx(DECAY * 4**2 / 2, rel=1e-4)


def test_where_a_box_s_loss_turns_into_a_line_is_a_setting():
    wide = losses(rpn_huber_loss_delta=3.0, frcnn_huber_loss_delta=4.0)
    assert wide["rpn_box"] == pytest.approx((0.2**2 / 2 + 2**2 / 2 + 4 * 0.1**2 / 2) / 4.01, rel=1e-5)
    assert wide["rcnn_box"] == pytest.approx((3**2 / 2 + 0.5**2 / 2) / 8.01, rel=1e-5)


@pytest.mark.parametrize(
    ("learns", "expected"),
    [
        ({"backbone", "decoder", "rpn_head"}, 2 * RPN_CLS + 3 * RPN_BOX),
        ({"backbone", "decoder", "detection_head"}, 5 * RCNN_CLS + 7 * RCNN_BOX),
        ({"rpn_head"}, 2 * RPN_CLS + 3 * RPN_BOX),
        ({"detection_head"}, 5 * RCNN_CLS + 7 * RCNN_BOX),
    ],
)
def test_the_losses_of_a_part_that_does_not_learn_are_told_but_weigh_nothing(learns, expected):
    found, joint = losses(learns), losses()
    decay = DECAY * (3**2 + 4**2) / 2
    assert found.pop("loss") == pytest.approx(expected + decay, rel=1e-5)
    assert found == {name: value for name, value in joint.items() if name != "loss"}
