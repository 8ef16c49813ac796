"""Four-step alternating training: what moves in each step, what holds still, and whose proposals are learned from."""

import numpy as np
import pytest
import tensorflow as tf

from detection.alternating import DetectorOnProposals
from detection.config import Settings
from detection.model import anchors, build
from spine.experiment.config import Experiment
from spine.training.history import History
from tests.detection.test_detection_train import MEMBER
from tests.detection_on_disk import experiment_of, write_boxes
from tests.watched_detector import Watched, equal_kernels, same, train_watched

LEARNS = {
    "rpn": {"backbone", "decoder", "rpn_head"},
    "detector": {"backbone", "decoder", "detection_head"},
    "rpn_shared": {"rpn_head"},
    "detector_shared": {"detection_head"},
}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Experiment:
    folder = tmp_path_factory.mktemp("alternating")
    write_boxes(folder / "data", {"train": 4, "validation": 1, "test": 1})
    return experiment_of(folder, {"four": {**MEMBER, "scheme": "alternating", "epochs": 4}})


@pytest.fixture(scope="module")
def phases(experiment) -> dict[str, Watched]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        return train_watched(experiment, "four")


@pytest.mark.slow
def test_it_runs_its_four_steps_and_judges_the_last(experiment, phases):
    history = History.read(experiment.member_directory("four") / "history.csv")
    assert list(phases) == [row["phase"] for row in history.rows] == list(LEARNS)
    assert [np.isnan(float(row["val_map50"])) for row in history.rows] == [True, True, True, False]
    assert history.best["phase"] == "detector_shared"


@pytest.mark.slow
@pytest.mark.parametrize("phase", LEARNS)
def test_each_kernel_of_what_learns_moves_and_the_rest_is_the_same_to_the_last_bit(phases, phase):
    before, after = phases[phase].before, phases[phase].after
    assert phases[phase].moved == LEARNS[phase]
    for part in LEARNS[phase]:
        assert not equal_kernels(before[part], after[part])


@pytest.mark.slow
def test_statistics_of_batch_norm_move_with_the_backbone_alone(phases):
    moved = {}
    for name, phase in phases.items():
        before, after = phase.before["backbone"], phase.after["backbone"]
        statistics = [weight for weight in before if "moving_" in weight]
        assert len(statistics) == 2 * 23  # a mean and a variance of each batch norm up to level 4
        moved[name] = [not np.array_equal(before[weight], after[weight]) for weight in statistics]
    assert all(moved["rpn"] + moved["detector"])
    assert not any(moved["rpn_shared"] + moved["detector_shared"])


@pytest.mark.slow
def test_the_second_step_starts_over_and_keeps_the_first_network_as_its_proposer(phases):
    first, second = phases["rpn"], phases["detector"]
    for part, fresh in second.before.items():
        assert not equal_kernels(fresh, first.after[part])
        vectors = np.concatenate([own for own in fresh.values() if own.ndim == 1])
        assert set(np.unique(vectors)) == {0, 1}, part  # biases and batch norm before any step
    for part, expected in first.after.items():
        assert same(second.proposer_before[part], expected), part
        assert same(second.proposer_after[part], expected), part
    assert [name for name, phase in phases.items() if phase.proposer] == ["detector"]


@pytest.mark.slow
@pytest.mark.parametrize(("earlier", "later"), [("detector", "rpn_shared"), ("rpn_shared", "detector_shared")])
def test_the_third_and_fourth_step_go_on_where_the_one_before_ended(phases, earlier, later):
    for part, expected in phases[earlier].after.items():
        assert same(phases[later].before[part], expected), part


def network_proposing(offset, settings):
    """A new network whose RPN moves and scales each anchor by its own offset."""
    network = build(settings, 2)
    (bias,) = (weight for weight in network.rpn_head.weights if weight.name.endswith("rpn-boxes/bias:0"))
    bias.assign(tf.fill(bias.shape, offset))
    return network


def regions(network, images):
    """The proposals of a whole network in training."""
    outputs = network(images, training=False)
    own = {level: boxes[tf.newaxis] for level, boxes in anchors(network.settings).items()}
    size = tf.constant([[64.0, 64.0]])
    found, _ = network.roi_generator(outputs["rpn_boxes"], outputs["rpn_scores"], own, size, True)
    return {tuple(box) for box in found[0].numpy()}


def test_the_second_network_learns_on_the_first_one_s_proposals(monkeypatch):
    settings = Settings(**MEMBER | {"roi_sampler": {"num_sampled_rois": 16, "mix_gt_boxes": False}})
    detector, proposer = network_proposing(-0.2, settings), network_proposing(0.2, settings)
    seen, align = [], detector.roi_aligner.call
    spy = lambda features, boxes, **options: seen.append(boxes) or align(features, boxes, **options)  # noqa: E731
    monkeypatch.setattr(detector.roi_aligner, "call", spy)
    images = tf.random.stateless_uniform([1, 64, 64, 1], [1, 2])
    proposed, own = regions(proposer, images), regions(detector, images)
    seen.clear()
    both = DetectorOnProposals(detector, proposer)
    outputs = both(
        images,
        tf.constant([[64.0, 64.0]]),
        {level: boxes[tf.newaxis] for level, boxes in anchors(settings).items()},
        tf.constant([[[8.0, 8, 40, 40]]]),
        tf.constant([[1]]),
        training=True,
    )
    learned = {tuple(box) for box in seen[0][0].numpy()}
    assert len(learned) == 16
    assert learned <= proposed
    assert not learned & own
    np.testing.assert_array_equal(outputs["rpn_scores"]["4"], proposer(images, training=False)["rpn_scores"]["4"])
    assert {id(weight) for weight in both.trainable_weights} == {id(weight) for weight in detector.trainable_weights}
