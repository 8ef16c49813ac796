"""Members that answer together: decoded once, prepared once a network input, and equal to one by one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from ensemble.fusion.fuse import Mean
from ensemble.fusion.fuse_boxes import BoxFusion
from ensemble.serving.asked_boxes import AskedBoxes
from ensemble.serving.describe import MOST_QUESTIONS
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.fuse_outputs import FuseBoxes, FuseProbabilities, TakeTheOne
from ensemble.serving.fused_model import FusedModel
from spine.answers.description import Description
from spine.core.problems import SpineError
from spine.member.serving import publish_model
from spine.training.expand_box import expand_boxes
from spine.training.network_input import NetworkInput
from spine.training.preprocess import unletterbox
from spine.training.served import Served
from spine.training.view import View
from tests.member_contract import as_image, grey, png

pytestmark = pytest.mark.slow

READS = (NetworkInput(8, 12, "minmax"), NetworkInput(8, 12, "minmax"), NetworkInput(10, 6, "percentile"))
FILES = [png(grey(20, 30)), png(grey(33, 17, 1))]
WEIGHTS = (0.5, 0.3, 0.2)


def grader(number: int, reads: NetworkInput | None = None) -> Served:
    """Three classes by a matrix of its own times the pixels of its input."""
    reads = reads or READS[number]
    kernel = tf.Variable(
        np.random.default_rng(number).normal(0, 0.5, (reads.height * reads.width, 3)), dtype=tf.float32
    )

    def answer(inputs, sizes):
        return {"probabilities": tf.nn.softmax(tf.reshape(inputs, [-1, reads.height * reads.width]) @ kernel)}

    return Served("grader", [kernel], reads, answer)


def outliner(number: int) -> Served:
    """Two classes by the grey of each pixel, as sharp as its number."""
    sharpness = tf.Variable(2.0 + number)

    def answer(inputs, sizes):
        maps = tf.nn.softmax(sharpness * tf.concat([inputs, 1 - inputs], axis=-1))
        return {"probabilities": unletterbox(maps, sizes[0, 0], sizes[0, 1])}

    return Served("outliner", [sharpness], READS[number], answer, alike=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The loaded SavedModels of three networks of each task, and what their cards tell."""

    def load(module, name):
        return tf.saved_model.load(str(publish_model(module, tmp_path_factory.mktemp(name))))

    models = {
        "grader": [load(grader(number), "grader") for number in range(3)],
        "outliner": [load(outliner(number), "outliner") for number in (0, 2)],
    }
    return models, [{"network": read.card} for read in READS]


def of_files(model, files) -> np.ndarray:
    return model.signatures["serving_default"](image_bytes=tf.constant(files))["probabilities"].numpy()


def ops_of(function, name: str) -> int:
    """How many nodes of that kind a concrete function has, with the functions that it calls."""
    graph = function.graph.as_graph_def()
    library = {one.signature.name: one.node_def for one in graph.library.function}
    found, seen, waiting = 0, set(), [graph.node]
    while waiting:
        for node in waiting.pop():
            found += node.op == name
            called = itertools.chain.from_iterable(
                [value.func.name, *(one.name for one in value.list.func)] for value in node.attr.values()
            )
            for one in set(called) & library.keys() - seen:
                seen.add(one)
                waiting.append(library[one])
    return found


def test_files_of_different_sizes_are_graded_as_one_by_one(saved):
    models, told = saved[0]["grader"], saved[1]
    fused = FusedModel(Ensemble.of_models(models, FuseProbabilities(Mean(WEIGHTS)), told))
    expected = sum(weight * of_files(model, FILES) for weight, model in zip(WEIGHTS, models, strict=True))
    np.testing.assert_allclose(fused.serving_default(tf.constant(FILES))["probabilities"], expected, atol=1e-6)
    image = as_image(grey(20, 30))
    expected = sum(
        weight * model.signatures["image"](image=image)["probabilities"]
        for weight, model in zip(WEIGHTS, models, strict=True)
    )
    np.testing.assert_allclose(fused.image(image)["probabilities"], expected, atol=1e-6)


def test_a_file_is_decoded_once_and_prepared_once_for_each_network_input(saved):
    fused = FusedModel(Ensemble.of_models(saved[0]["grader"], FuseProbabilities(Mean(WEIGHTS)), saved[1]))
    members = fused.members.get_concrete_function()
    assert ops_of(members, "DecodePng") == 1
    assert ops_of(members, "ScaleAndTranslate") == 2  # letterboxes
    assert ops_of(members, "MatMul") == 3  # each member answers once


def test_members_that_tell_nothing_of_their_input_answer_the_file(saved):
    models, told = saved[0]["grader"], [saved[1][0], {}, {"network": {**saved[1][2]["network"], "height": 9}}]
    ensemble = Ensemble.of_models(models, FuseProbabilities(Mean(WEIGHTS)), told)
    assert ensemble.shared_input is None
    expected = sum(weight * of_files(model, FILES) for weight, model in zip(WEIGHTS, models, strict=True))
    np.testing.assert_allclose(
        FusedModel(ensemble).serving_default(tf.constant(FILES))["probabilities"], expected, atol=1e-6
    )


PICTURES = [grey(40, 60), grey(33, 17, 1)]
BOXES = tf.constant([[0.1, 0.2, 0.6, 0.5], [0.9, 0.1, 1.0, 0.95], [0.3, 0.4, 0.5, 0.5]])
OF_BOXES = [0, 1, 0]  # the pictures of the boxes


@pytest.mark.parametrize("told", [True, False])
def test_members_that_know_no_boxes_get_what_is_cut_out(saved, told):
    models, cards = saved[0]["grader"], saved[1] if told else ()
    fused = FusedModel(Ensemble.of_models(models, FuseProbabilities(Mean(WEIGHTS)), cards), cut=0.2)
    files = [png(PICTURES[number]) for number in OF_BOXES]
    crops = []
    for box, number in zip(BOXES, OF_BOXES, strict=True):
        y0, x0, y1, x1 = expand_boxes(box[tf.newaxis], 0.2, PICTURES[number].shape)[0].numpy()
        crops.append(png(PICTURES[number][y0:y1, x0:x1]))
    expected = sum(weight * of_files(model, crops) for weight, model in zip(WEIGHTS, models, strict=True))
    np.testing.assert_allclose(fused.regions(tf.constant(files), BOXES)["probabilities"], expected, atol=1e-6)
    assert fused.regions(tf.constant([], tf.string), BOXES[:0])["probabilities"].shape == (0, 3)
    assert not hasattr(FusedModel(fused.ensemble), "regions")


@pytest.fixture(scope="module")
def viewers(tmp_path_factory):
    """Two loaded networks that see boxes in ways of their own, and one that knows none; and what their cards tell."""
    views = (View(grow=0.5, levels="picture"), View(grow=0.1, aspect="stretch"), View())
    reads = [read._replace(view=view) for read, view in zip(READS, views, strict=True)]
    models = [
        tf.saved_model.load(str(publish_model(grader(number, read), tmp_path_factory.mktemp("viewer"))))
        for number, read in enumerate(reads)
    ]
    return models, [{"network": read.card} for read in reads]


def test_members_of_different_views_see_the_same_boxes_each_in_its_own_way(viewers, saved):
    models, told = viewers
    ensemble = Ensemble.of_models(models, FuseProbabilities(Mean(WEIGHTS)), told)
    assert not ensemble.sees_boxes
    files = tf.constant([png(PICTURES[number]) for number in OF_BOXES])
    own = [model.signatures["regions"](image_bytes=files, boxes=BOXES)["probabilities"] for model in models[:2]]
    fused = FusedModel(ensemble, cut=0.2).regions(files, BOXES)["probabilities"]
    third = FusedModel(Ensemble.of_models(saved[0]["grader"][2:], FuseProbabilities(Mean((1.0,))), told[2:]), cut=0.2)
    expected = 0.5 * own[0] + 0.3 * own[1] + 0.2 * third.regions(files, BOXES)["probabilities"]
    np.testing.assert_allclose(fused, expected, atol=1e-6)


@pytest.mark.parametrize("shown", [True, False])
def test_boxes_of_images_at_hand_are_answered_as_those_of_files(viewers, shown):
    models, told = viewers[0][:2], viewers[1][:2] if shown else ()
    ensemble = Ensemble.of_models(models, FuseProbabilities(Mean((0.5, 0.5))), told)
    assert ensemble.sees_boxes
    images = tf.concat([as_image(grey(40, 60, seed)) for seed in range(2)], axis=0)
    asked = AskedBoxes.in_images(images, [tf.constant(OF_BOXES)], BOXES, 0.0)
    files = tf.constant([png(grey(40, 60, number)) for number in OF_BOXES])
    for model, said in zip(models, ensemble.members_of_boxes(asked), strict=True):
        expected = model.signatures["regions"](image_bytes=files, boxes=BOXES)["probabilities"]
        np.testing.assert_allclose(said["probabilities"], expected, atol=1e-6)


def test_an_ensemble_that_sees_boxes_is_a_member_that_does(viewers, tmp_path):
    fused = FusedModel(Ensemble.of_models(viewers[0][:2], FuseProbabilities(Mean((0.5, 0.5))), viewers[1][:2]))
    nested = Ensemble.of_models(
        [tf.saved_model.load(str(publish_model(fused, tmp_path)))], FuseProbabilities(Mean((1.0,))), viewers[1][:1]
    )
    assert nested.shared_input is None
    assert nested.sees_boxes
    files = tf.constant([png(PICTURES[number]) for number in OF_BOXES])
    answer = FusedModel(nested).regions(files, BOXES)["probabilities"]
    np.testing.assert_allclose(answer, fused.regions(files, BOXES)["probabilities"], atol=1e-6)


def test_maps_and_their_disagreement_are_those_of_the_members(saved):
    models, weights = saved[0]["outliner"], (0.6, 0.4)
    fuse = FuseProbabilities(Mean(weights), gives_mask=True)
    fused = FusedModel(Ensemble.of_models(models, fuse, [saved[1][0], saved[1][2]]))
    files = [png(grey(20, 30, seed)) for seed in range(3)]
    answer = {name: value.numpy() for name, value in fused.members(tf.constant(files)).items()}
    said = np.stack([of_files(model, files) for model in models], axis=1)
    np.testing.assert_allclose(answer["probabilities_members"], said, atol=1e-6)
    mean = np.tensordot(said.astype(np.float64), weights, (1, 0))
    np.testing.assert_allclose(answer["probabilities"], mean, atol=1e-6)
    np.testing.assert_array_equal(answer["mask"], mean.argmax(axis=-1))
    entropies = -(said * np.log2(said)).sum(axis=-1)
    expected = -(mean * np.log2(mean)).sum(axis=-1) - np.tensordot(entropies, weights, (1, 0))
    np.testing.assert_allclose(answer["disagreement"], expected, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in size"):
        fused.serving_default(tf.constant(FILES))


def test_an_ensemble_of_one_network_input_is_asked_as_a_network(saved, tmp_path):
    fused = FusedModel(Ensemble.of_models(saved[0]["grader"][:2], FuseProbabilities(Mean((0.5, 0.5))), saved[1][:2]))
    nested = Ensemble.of_models(
        [tf.saved_model.load(str(publish_model(fused, tmp_path)))], FuseProbabilities(Mean((1.0,))), saved[1][:1]
    )
    assert nested.shared_input == READS[0]
    np.testing.assert_allclose(
        nested.members_of_files(tf.constant(FILES))[0]["probabilities"],
        fused.serving_default(tf.constant(FILES))["probabilities"],
        atol=1e-6,
    )


def test_boxes_of_members_are_stacked_with_padding():
    rows = {
        "detection_boxes": tf.ones([1, 2, 4]),
        "detection_scores": tf.ones([1, 2]),
        "detection_classes": tf.ones([1, 2]),
        "num_detections": tf.constant([2.0]),
    }
    fewer = {name: value[:, :1] if value.shape.rank > 1 else value - 1 for name, value in rows.items()}
    stacked = FuseBoxes((0.5, 0.5), BoxFusion()).members([rows, fewer])
    assert stacked["detection_boxes_members"].shape == (1, 2, 2, 4)
    np.testing.assert_array_equal(stacked["detection_scores_members"], [[[1, 1], [1, 0]]])
    np.testing.assert_array_equal(stacked["num_detections_members"], [[2, 1]])
    assert TakeTheOne()([rows]) == rows


def test_the_description_is_told_to_any_question(saved):
    description = Description(name="grades", task="classification", targets={"degeneration": ("a", "b", "c")})
    fused = FusedModel(Ensemble.of_models(saved[0]["grader"], FuseProbabilities(Mean(WEIGHTS)), saved[1]), description)
    told = fused.describe(tf.constant(["", "who?"]))["json"].numpy()
    assert [Description.from_json(text) for text in told] == [description] * 2
    assert fused.describe(tf.constant([""] * MOST_QUESTIONS))["json"].shape == MOST_QUESTIONS
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)256 questions a request.*received.*257"):
        fused.describe(tf.constant([""] * (MOST_QUESTIONS + 1)))


def test_a_frozen_ensemble_answers_alike_without_variables(saved, tmp_path):
    models, fuse = saved[0]["grader"], FuseProbabilities(Mean(WEIGHTS))
    fused = FusedModel(Ensemble.of_models(models, fuse, saved[1], frozen=True))
    assert not fused.variables
    model = tf.saved_model.load(str(publish_model(fused, tmp_path)))
    assert ops_of(model.signatures["serving_default"], "ReadVariableOp") == 0
    expected = sum(weight * of_files(model, FILES) for weight, model in zip(WEIGHTS, models, strict=True))
    np.testing.assert_allclose(of_files(model, FILES), expected, atol=1e-6)


def test_weights_beyond_what_a_graph_holds_are_not_frozen(saved, monkeypatch):
    monkeypatch.setattr("ensemble.serving.freeze.MOST_BYTES", 1000)
    with pytest.raises(SpineError, match=r"export\.frozen"):
        Ensemble.of_models(saved[0]["grader"], FuseProbabilities(Mean(WEIGHTS)), saved[1], frozen=True)
