"""What every member's directory must hold to, whatever wrote it. Subclass it, give `member_directory`, and run pytest:

class TestMine(MemberContract):
    @pytest.fixture(scope="class")
    @classmethod
    def member_directory(cls) -> Path: ...
"""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spine.dataset.detections import OUTPUTS, Detections
from spine.member.member import Member
from spine.predictions.predictions import BoxPredictions, Predictions
from spine.training.network_input import NetworkInput, prepare_all
from tests.clean_process import run_clean

SIZES = ((40, 60), (61, 33))  # height, width of pictures that no network was made for

LOAD_AND_SERVE = """
import json, sys
sys.modules["keras"] = None  # an import of it fails from here on
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serving_default"](image_bytes=tf.constant([open(sys.argv[2], "rb").read()]))
print(json.dumps({name: value.numpy().tolist() for name, value in outputs.items()}))
"""


def grey(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth grey picture (height, width) uint16 that uses the 12 bits of a scanner."""
    noise = np.random.default_rng(seed).uniform(0, 1, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.round(np.interp(smooth, (smooth.min(), smooth.max()), (0, 4095))).astype(np.uint16)


def png(picture: np.ndarray) -> bytes:
    """The bytes of a PNG file of a picture, uint8 or uint16, grey or BGR."""
    return cv2.imencode(".png", picture)[1].tobytes()


def as_image(picture: np.ndarray) -> np.ndarray:
    """A 16-bit picture (H, W) as the `image` signature reads it: (1, H, W, 1) float32 in [0, 1]."""
    return (picture / 65535).astype(np.float32)[None, :, :, None]


def assert_same_answers(one: dict[str, np.ndarray], other: dict[str, np.ndarray], atol: float) -> None:
    """Equal arrays, or, of a detector, equal detections: near-ties of scores may change places, and padding differ."""
    assert one.keys() == other.keys()
    if "num_detections" not in one:
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], atol=atol)
        return
    for number in range(len(one["num_detections"])):
        first, second = (Detections.from_outputs(outputs, number) for outputs in (one, other))
        assert len(first) == len(second)
        assert_each_has_its_like(first, second, atol)
        assert_each_has_its_like(second, first, atol)


def assert_each_has_its_like(ones: Detections, others: Detections, atol: float) -> None:
    """Each detection of `ones` is among `others`, its box and score within `atol`."""
    for box, score, number in zip(ones.boxes, ones.scores, ones.classes, strict=True):
        near = np.abs(others.boxes - box).max(axis=1) <= atol
        assert (near & (np.abs(others.scores - score) <= atol) & (others.classes == number)).any(), (box, score)


def assert_detections(outputs: dict[str, np.ndarray], count: int, classes: int) -> None:
    """A detector's outputs for `count` images: shapes, ranges, best first, and zeros past `num_detections`."""
    boxes, scores, numbers, lengths = (outputs[name] for name in OUTPUTS)
    most = scores.shape[1]
    assert boxes.shape == (count, most, 4)
    assert scores.shape == numbers.shape == (count, most)
    assert lengths.shape == (count,)
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[..., :2] <= boxes[..., 2:]).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    found = np.arange(most) < lengths[:, None]
    assert (lengths == found.sum(axis=1)).all()  # whole numbers, of at most so many rows
    assert np.isin(numbers[found], np.arange(1, classes + 1)).all()
    for padding in (boxes[~found], scores[~found], numbers[~found]):
        assert not padding.any()


def assert_decisions(outputs: dict[str, np.ndarray], shape: tuple[int, ...]) -> None:
    """What a classifier decides beside probabilities (N, C), where it does: shapes, ranges and dtypes."""
    for name, dtype, expected in (
        ("calibrated", np.float32, shape),
        ("decision", np.int32, shape[:1]),
        ("prediction_set", np.int32, shape),
    ):
        if name in outputs:
            assert (outputs[name].dtype, outputs[name].shape) == (dtype, expected), name
    if "calibrated" in outputs:
        assert outputs["calibrated"].min() >= 0
        np.testing.assert_allclose(outputs["calibrated"].sum(axis=-1), 1, atol=1e-5)
    if "decision" in outputs:
        assert np.isin(outputs["decision"], range(shape[-1])).all()
    if "prediction_set" in outputs:
        assert np.isin(outputs["prediction_set"], (0, 1)).all()


@cache
def load(model: Path):
    """A SavedModel, loaded once for all tests."""
    return tf.saved_model.load(str(model))


class MemberContract:
    """The conformance tests; the subclass gives the fixture `member_directory`."""

    normalises = True  # its SavedModel stretches the grey levels of each picture

    @pytest.fixture
    def member(self, member_directory: Path) -> Member:
        return Member.open(member_directory)

    @pytest.fixture
    def model(self, member):
        return load(member.model)

    def serve(self, model, *pictures: bytes) -> dict[str, np.ndarray]:
        outputs = model.signatures["serving_default"](image_bytes=tf.constant(list(pictures), tf.string))
        return {name: value.numpy() for name, value in outputs.items()}

    def see(self, model, images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = model.signatures["image"](image=tf.constant(images))
        return {name: value.numpy() for name, value in outputs.items()}

    def test_its_card_is_complete(self, member):
        card = member.card
        assert card.name
        assert card.task
        assert len(card.labels) == len(set(card.labels)) >= (1 if card.task == "detection" else 2)
        assert card.config_hash
        assert "tensorflow" in card.versions
        assert card.patients.salt
        assert all(len(patient) == 16 for patient in card.patients.trained + card.patients.stopped)

    def test_its_model_is_the_one_on_the_card(self, member):
        assert member.card.model_hash == Member.hash_model(member.model)

    def test_its_signatures_take_what_the_contract_names(self, model):
        takes = {name: model.signatures[name].structured_input_signature[1] for name in ("serving_default", "image")}
        (image_bytes,) = takes["serving_default"].values()
        (image,) = takes["image"].values()
        assert (image_bytes.name, image_bytes.dtype, image_bytes.shape.as_list()) == ("image_bytes", tf.string, [None])
        assert (image.name, image.dtype) == ("image", tf.float32)
        assert image.shape.as_list() == [None, None, None, None]

    def test_each_signature_gives_the_outputs_on_the_card(self, member, model):
        told = {name: output["dtype"] for name, output in member.card.outputs.items()}
        for name, signature in model.signatures.items():
            if name == "describe":
                continue
            given = {output: spec.dtype.name for output, spec in signature.structured_outputs.items()}
            assert given == told if name != "members" else given.items() > told.items()

    def test_its_network_input_is_answered_as_the_picture(self, member, model):
        reads = NetworkInput.of_model(model, member.card.input)
        if reads is None:
            pytest.skip("it has no network input of its own")
        pictures = tf.concat([as_image(grey(61, 33, seed)) for seed in range(2)], axis=0)
        (inputs,), (sizes,) = prepare_all(pictures, [reads])
        prepared = {
            name: value.numpy() for name, value in model.signatures["prepared"](inputs=inputs, sizes=sizes).items()
        }
        assert_same_answers(prepared, self.see(model, pictures), atol=1e-6)
        none = model.signatures["prepared"](inputs=inputs[:0], sizes=sizes[:0])
        assert all(len(value) == 0 for value in none.values())

    def test_what_its_members_say_comes_with_its_own_answer(self, model):
        if "members" not in model.signatures:
            pytest.skip("it is no ensemble")
        picture = png(grey(40, 60))
        answer = model.signatures["members"](image_bytes=tf.constant([picture]))
        own = self.serve(model, picture)
        assert_same_answers({name: answer[name].numpy() for name in own}, own, atol=1e-6)
        assert all(len(value) == 1 for value in answer.values())

    @pytest.mark.parametrize(("height", "width"), SIZES)
    def test_outputs_have_the_task_s_shape_and_range(self, member, model, height, width):
        pictures = [grey(height, width, seed) for seed in range(3)]
        outputs = self.serve(model, *map(png, pictures))
        self.check_outputs(member, outputs, len(pictures), height, width)

    def check_outputs(self, member, outputs, count: int, height: int, width: int) -> None:
        classes = len(member.card.labels)
        if member.card.task == "detection":
            assert_detections(outputs, count, classes)
            return
        shape = {"classification": (count, classes), "segmentation": (count, height, width, classes)}[member.card.task]
        assert outputs["probabilities"].shape == shape
        assert outputs["probabilities"].min() >= 0
        np.testing.assert_allclose(outputs["probabilities"].sum(axis=-1), 1, atol=1e-5)
        assert_decisions(outputs, shape)

    def test_a_picture_is_answered_alike_alone_and_in_a_batch(self, model):
        pictures = [png(grey(40, 60, seed)) for seed in range(3)]
        together = self.serve(model, *pictures)
        for index, picture in enumerate(pictures):
            alone = {name: values[index : index + 1] for name, values in together.items()}
            assert_same_answers(alone, self.serve(model, picture), atol=1e-5)

    def test_pictures_of_different_sizes_share_a_request(self, member, model):
        if member.card.task == "segmentation":
            pytest.skip("segmentation takes pictures of one size in a request")
        pictures = [png(grey(height, width)) for height, width in SIZES]
        together = self.serve(model, *pictures)
        for index, picture in enumerate(pictures):
            alone = {name: values[index : index + 1] for name, values in together.items()}
            assert_same_answers(alone, self.serve(model, picture), atol=1e-5)

    @pytest.mark.parametrize("factor", [257, 16], ids=["8 bits", "12 bits"])
    def test_one_scan_of_any_depth_is_answered_alike(self, model, factor):
        if factor == 16 and not self.normalises:
            pytest.skip("only a member that normalises is blind to unused bits")
        scan = (grey(40, 60) // 16).astype(np.uint16)  # 8 bits
        shallow = scan.astype(np.uint8) if factor == 257 else scan * np.uint16(16)
        assert_same_answers(self.serve(model, png(shallow)), self.serve(model, png(scan * np.uint16(257))), atol=1e-4)

    def test_bytes_and_decoded_image_are_answered_alike(self, model):
        picture = grey(40, 60)
        expected = self.serve(model, png(picture))
        for image in (as_image(picture), np.repeat(as_image(picture), 3, axis=-1)):
            assert_same_answers(self.see(model, image), expected, atol=1e-5)

    def test_no_picture_has_an_answer_of_no_rows(self, model):
        one = self.serve(model, png(grey(40, 60)))
        for answer in (self.serve(model), self.see(model, np.zeros((0, 40, 60, 1), np.float32))):
            assert set(answer) == set(one)
            for name, values in answer.items():
                assert (len(values), values.ndim, values.dtype) == (0, one[name].ndim, one[name].dtype)

    def test_it_answers_different_pictures_differently(self, model):
        answers = self.serve(model, png(grey(40, 60, 1)), png(grey(40, 60, 2)))
        assert any(not np.array_equal(*values) for values in answers.values())

    def test_it_loads_and_serves_where_there_is_only_tensorflow(self, member, model, tmp_path):
        (tmp_path / "picture.png").write_bytes(png(grey(40, 60)))
        arguments = (str(member.model.resolve()), str(tmp_path / "picture.png"))
        printed = json.loads(run_clean(LOAD_AND_SERVE, tmp_path, *arguments))
        here = self.serve(model, png(grey(40, 60)))
        assert_same_answers({name: np.array(values) for name, values in printed.items()}, here, atol=1e-6)

    def test_its_stored_predictions_are_its_own(self, member):
        for split in (member.path / "predictions").glob("*"):
            stored = member.predictions(split.name)
            assert (stored.task, stored.labels) == (member.card.task, member.card.labels)
            if member.card.task == "detection":
                assert isinstance(stored, BoxPredictions)
                assert sum(map(len, stored)) == len(stored.scores)
                continue
            assert isinstance(stored, Predictions)
            np.testing.assert_allclose(np.asarray(stored.values, np.float64).sum(axis=-1), 1, atol=5e-3)
