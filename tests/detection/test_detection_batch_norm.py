"""A network that answers: the same answers, and no batch norm that TensorFlow would join to its convolution."""

import numpy as np
import pytest
import tensorflow as tf

from detection.batch_norm import norms_of, to_answer
from detection.config import Settings
from detection.model import build
from spine.core.tracing import without_autograph

pytestmark = pytest.mark.slow

SETTINGS = Settings(
    backbone="mobilenet0.25",
    backbone_weights="none",
    height=64,
    width=64,
    decoder={"fpn": {"num_filters": 16}},
    rpn_head={"num_filters": 16},
    detection_head={"fc_dims": 16},
    roi_generator={"test_num_proposals": 20},
)


def graph_of(network):
    """What it answers of a batch, traced."""
    shape = [None, SETTINGS.height, SETTINGS.width, 1]
    answer = without_autograph(lambda images: network(images, training=False))
    return tf.function(answer).get_concrete_function(tf.TensorSpec(shape, tf.float32))


def kinds_of(graph):
    """The kinds of its operations, those of inner functions too."""
    definition = graph.graph.as_graph_def()
    inner = [node for function in definition.library.function for node in function.node_def]
    return {node.op for node in [*definition.node, *inner]}


def test_what_answers_is_the_same_and_has_no_fused_batch_norm():
    network = build(SETTINGS, 2)
    for number, norm in enumerate(norms_of(network)):
        norm.moving_mean.assign(tf.random.stateless_normal(norm.moving_mean.shape, [number, 1], stddev=0.1))
        norm.gamma.assign(tf.random.stateless_uniform(norm.gamma.shape, [number, 2], 0.5, 1.5))
    images = tf.random.stateless_uniform([2, SETTINGS.height, SETTINGS.width, 1], [1, 2])
    learning = graph_of(network)
    answering = graph_of(to_answer(network))
    fused = "FusedBatchNormV3"
    assert fused in kinds_of(learning)
    assert fused not in kinds_of(answering)
    one, other = learning(images), answering(images)
    for level, features in one["decoder_features"].items():
        assert np.ptp(features) > 0.01
        np.testing.assert_allclose(other["decoder_features"][level], features, atol=1e-4)
