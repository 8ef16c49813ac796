"""Faster R-CNN: sizes, anchors, what learns, and that every backbone builds, detects and has gradients."""

import numpy as np
import pytest
import tensorflow as tf
from official.vision.ops.anchor import Anchor

from detection.backbones.table import BACKBONES
from detection.config import Settings
from detection.model import anchors, build
from spine.core.problems import SpineError

ODD = {"height": 75, "width": 101}  # a multiple of no stride
FEW = {"roi_sampler": {"num_sampled_rois": 16}, "roi_generator": {"num_proposals": 50, "test_num_proposals": 20}}
SMALL = {"detection_head": {"fc_dims": 16}, "rpn_head": {"num_filters": 16}, "decoder": {"fpn": {"num_filters": 16}}}
SINGLE = {"min_level": 4, "max_level": 4, "decoder": {"type": "identity"}}


def small(backbone="mobilenet0.25", **changes):
    top = min(5, BACKBONES[backbone].levels[-1])
    return Settings(
        **{"backbone": backbone, "backbone_weights": "none", **ODD, **FEW, **SMALL, "max_level": top, **changes}
    )


def truths():
    """Two pictures: one with two boxes, one with none; padded by -1 to four."""
    boxes = np.full((2, 4, 4), -1, np.float32)
    boxes[0, :2] = [[10, 20, 30, 60], [40, 50, 70, 90]]
    classes = np.full((2, 4), -1, np.int32)
    classes[0, :2] = [1, 2]
    return tf.constant(boxes), tf.constant(classes)


def loss_of(network, images):
    """A stand-in for the four losses, which moves whatever they move."""
    boxes, classes = truths()
    outputs = network(images, gt_boxes=boxes, gt_classes=classes, training=True)
    parts = [*outputs["rpn_boxes"].values(), *outputs["rpn_scores"].values()]
    parts += [outputs["class_outputs"], outputs["box_outputs"]]
    return tf.add_n([tf.reduce_mean(tf.square(part - 1)) for part in parts])


def check_it_detects_and_learns(settings):
    network = build(settings, 2)
    images = tf.random.stateless_uniform([2, settings.height, settings.width, 1], [1, 2])
    found = network(images, training=False)
    assert found["detection_boxes"].shape == (2, settings.detection_generator.max_num_detections, 4)
    assert (found["detection_boxes"] <= [settings.height, settings.width] * 2).numpy().all()
    height, width = settings.padded_size
    for level, features in found["decoder_features"].items():
        assert features.shape[1:3] == (height >> int(level), width >> int(level))
    with tf.GradientTape() as tape:
        loss = loss_of(network, images)
    gradients = tape.gradient(loss, network.trainable_variables)
    assert np.isfinite(loss)
    kernels = [(one.name, own) for one, own in zip(network.trainable_variables, gradients, strict=True)]
    assert [name for name, own in kernels if "kernel" in name and own is None] == []
    return network


@pytest.mark.parametrize(
    "backbone",
    [name if name == "mobilenet0.25" else pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES],
)
def test_every_backbone_detects_and_learns_at_an_odd_size(backbone):
    check_it_detects_and_learns(small(backbone))


@pytest.mark.parametrize("backbone", ["mobilenet0.25", pytest.param("vgg16", marks=pytest.mark.slow)])
def test_one_level_without_a_pyramid_detects_and_learns(backbone):
    check_it_detects_and_learns(small(backbone, **SINGLE))


def test_levels_above_the_backbones_come_from_the_pyramid():
    network = check_it_detects_and_learns(small(min_level=3, max_level=6))
    assert set(network.backbone.output_specs) == {"3", "4", "5"}


def test_padding_is_black_below_and_at_the_right():
    settings = small()
    network = build(settings, 2)
    image = tf.random.stateless_uniform([1, *ODD.values(), 1], [1, 2])
    padded = tf.pad(image, [[0, 0], [0, 96 - 75], [0, 128 - 101], [0, 0]])
    own = network(image, training=False)["backbone_features"]
    for level, expected in network.backbone(padded).items():
        np.testing.assert_allclose(own[level], expected, atol=1e-6)


def test_anchors_of_one_octave_are_model_gardens_own():
    settings = small(anchor={"num_scales": 3, "anchor_size": 2})
    expected = Anchor(2, 5, 3, [0.5, 1, 2], 2.0, (96, 128)).multilevel_boxes
    own = anchors(settings)
    assert list(own) == list(expected)
    for level, boxes in own.items():
        np.testing.assert_allclose(boxes, expected[level], atol=1e-4)


def test_nine_anchors_double_over_three_octaves():
    settings = small(**SINGLE, anchor={"num_scales": 3, "octaves": 3, "anchor_size": 8})
    boxes = tf.reshape(anchors(settings)["4"], [5, 7, 9, 4]).numpy()
    heights, widths = (boxes[0, 0, :, corner + 2] - boxes[0, 0, :, corner] for corner in (0, 1))
    np.testing.assert_allclose(heights * widths, np.repeat([128**2, 256**2, 512**2], 3), rtol=1e-5)
    np.testing.assert_allclose(widths / heights, [0.5, 1, 2] * 3, rtol=1e-5)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    np.testing.assert_allclose(centres[2, 3], [[2.5 * 16, 3.5 * 16]] * 9, atol=1e-3)


def test_the_network_reads_its_own_anchors_where_none_are_given():
    settings = small(anchor={"num_scales": 2, "octaves": 2})
    network = build(settings, 1)
    image = tf.random.stateless_uniform([2, *ODD.values(), 1], [1, 2])
    given = {level: tf.stack([boxes, boxes]) for level, boxes in anchors(settings).items()}
    own, told = (network(image, anchor_boxes=boxes, training=False) for boxes in (None, given))
    np.testing.assert_array_equal(own["detection_boxes"], told["detection_boxes"])


def test_every_batch_norm_has_the_momentum_of_the_settings():
    network = build(small(batch_norm_momentum=0.75), 2)
    momenta = [layer.momentum for layer in network.submodules if hasattr(layer, "momentum")]
    assert len(momenta) > 27  # of the backbone alone
    assert set(momenta) == {0.75}


def test_weights_that_are_no_file_are_told():
    with pytest.raises(SpineError, match="is not a file"):
        build(small(backbone_weights="nowhere.h5"), 1)


@pytest.mark.slow
def test_the_atrous_network_builds_at_a_paper_s_full_size():
    settings = small("inception_resnet_v2_atrous", **SINGLE | {"min_level": 3, "max_level": 3}, height=600, width=800)
    specs = build(settings, 2).backbone.output_specs
    assert {level: tuple(shape)[1:3] for level, shape in specs.items()} == {"3": (600 // 8, 800 // 8)}
