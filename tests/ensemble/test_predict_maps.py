"""Predicting a class for every pixel: one size a request, one pass, one batch in memory."""

import tracemalloc

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spine.core.problems import SpineError
from spine.dataset.truth import MaskTruth
from spine.member.member import Card, Member
from spine.member.predict import predict_split
from spine.member.run_model import BATCH_OF_MAPS, load_model, predict_pictures
from spine.member.serving import publish_model
from spine.predictions.predictions import Predictions

LABELS = ("background", "bone")


class GreyMaps(tf.Module):
    """probabilities = [1 - grey, grey] of each pixel; refuses pictures that differ in size, by what it is."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        tf.debugging.assert_less_equal(tf.size(image_bytes), BATCH_OF_MAPS)
        decode = lambda one: tf.cast(tf.io.decode_png(one, 1, tf.uint16), tf.float32) / 65535.0  # noqa: E731
        return self.image(tf.map_fn(decode, image_bytes, fn_output_signature=tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        grey = image[..., :1]
        return {"probabilities": tf.concat([1.0 - grey, grey], axis=-1)}


@pytest.fixture(scope="module")
def member(tmp_path_factory) -> Member:
    directory = tmp_path_factory.mktemp("grey")
    version = publish_model(GreyMaps(), directory)
    card = Card(name="grey", task="segmentation", labels=LABELS, model_hash=Member.hash_model(version))
    return Member.publish(directory, card)


def truth_of(folder, sizes) -> MaskTruth:
    folder.mkdir(exist_ok=True)
    names = tuple(f"s{number:05d}" for number in range(len(sizes)))
    paths = tuple(folder / f"{name}.png" for name in names)
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        cv2.imwrite(str(path), np.full(size, 1000 * (number % 60), np.uint16))
    return MaskTruth(LABELS, names, names, paths, tuple(sizes), paths, names, (None,) * len(names))


def test_pictures_of_different_sizes_are_stored_one_after_the_other(member, tmp_path):
    sizes = [(4, 5), (4, 5), (6, 3), (4, 5)] + [(2, 2)] * 20
    truth = truth_of(tmp_path, sizes)
    told = []
    stored = predict_split(member, load_model(member), "test", truth, told.append)
    assert told == [2, 1, 1, 8, 8, 4]
    assert stored.index["offset"].tolist() == np.cumsum([0] + [h * w for h, w in sizes[:-1]]).tolist()
    assert (stored.values.dtype, stored.truth_hash) == (np.float16, truth.hash)
    for number, row in enumerate(stored.index.itertuples()):
        rows = stored.values[row.offset : row.offset + row.height * row.width]
        np.testing.assert_allclose(rows[:, 1], 1000 * number / 65535, atol=5e-4)


def test_without_sizes_each_picture_goes_alone(member, tmp_path):
    truth = truth_of(tmp_path, [(4, 5), (6, 3)])
    shapes = [batch.shape for batch in predict_pictures(load_model(member), truth.paths)]
    assert shapes == [(1, 4, 5, 2), (1, 6, 3, 2)]


def test_an_answer_of_another_size_is_refused_and_leaves_nothing(member, tmp_path):
    truth = truth_of(tmp_path, [(4, 5)])
    wrong = MaskTruth(**{**vars(truth), "sizes": ((8, 5),)})
    with pytest.raises(SpineError, match=r"answers s00000 with \(4, 5\) pixels, but the picture has \(8, 5\)"):
        predict_split(member, load_model(member), "validation", wrong)
    assert not list((member.path / "predictions").glob("*validation*"))


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    def peak(count: int) -> int:
        index = truth_index(count)
        blocks = (np.full((1, 64, 64, 2), 0.5, np.float32) for _ in range(count))
        tracemalloc.start()
        Predictions.write(
            tmp_path / str(count), blocks, index, task="segmentation", labels=LABELS, split="test",
            model_hash="m", truth_hash="t",
        )  # fmt: skip
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)  # what is imported and made once
    few, many = peak(10), peak(1000)
    assert many - few < 2 * 64 * 64 * 2 * 4 + 1000 * 200  # two blocks, and the rows of the index


def truth_index(count: int):
    import pandas as pd

    columns = {"sample": [f"{n}" for n in range(count)], "patient": "p", "height": 64, "width": 64}
    return pd.DataFrame({**columns, "offset": np.arange(count) * 64 * 64})


def test_blocks_that_are_too_few_are_refused(tmp_path):
    with pytest.raises(
        SpineError, match=r"8192 probabilities were given; the index and the labels ask for \(8192, 2\)"
    ):
        Predictions.write(
            tmp_path / "few", iter([np.zeros((1, 64, 64, 2))]), truth_index(2), task="segmentation", labels=LABELS,
            split="test", model_hash="m", truth_hash="t",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())
