"""Warm-up requests: what TF Serving replays when it loads a version, and that the version holds them from the start."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from ensemble.serving.kit.warm_up import MOST, WARM_UP, write_warm_up
from spine.core.problems import SpineError
from spine.images.pictures import write_png16
from spine.member.serving import publish_model
from spine.training.preprocess import decode_alike


class Greys(tf.Module):
    """The mean grey of pictures of one size; it fails above `most` rows."""

    def __init__(self, most: int = 10_000) -> None:
        super().__init__()
        self.most = most

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        images = decode_alike(image_bytes)
        with tf.control_dependencies([tf.debugging.assert_less_equal(tf.shape(images)[1], self.most, "too tall")]):
            return {"mean": tf.reduce_mean(images, axis=[1, 2, 3])}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        return {"mean": tf.reduce_mean(image, axis=[1, 2, 3])}


def warm_up(saved, *pictures):
    write_warm_up(saved, tf.saved_model.load(str(saved)), pictures)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return publish_model(Greys(), tmp_path_factory.mktemp("warm"), check=warm_up)


def logs(saved):
    """The records, by TensorFlow's own reader, which checks their sums."""
    records = tf.data.TFRecordDataset(str(saved / WARM_UP)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def test_each_signature_answers_what_it_is_warmed_up_with(published):
    loaded = tf.saved_model.load(str(published))
    asked = []
    for log in logs(published):
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        name = request.model_spec.signature_name
        inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        means = loaded.signatures[name](**inputs)["mean"].numpy()
        asked.append((name, len(means)))
        assert means.min() > 0.01, "a black square"
    assert asked == [("image", 1), ("serving_default", 1), ("serving_default", 2)]
    assert len(asked) <= MOST


def test_the_requests_are_equal_each_time(published, tmp_path):
    again = publish_model(Greys(), tmp_path, check=warm_up)
    assert (again / WARM_UP).read_bytes() == (published / WARM_UP).read_bytes()


def test_the_pictures_are_as_tall_as_those_of_the_dataset_and_hold_nothing_of_them(tmp_path):
    picture = tmp_path / "patient.png"
    write_png16(np.full((320, 200), 40_000, np.uint16), picture)
    saved = publish_model(Greys(), tmp_path, check=lambda saved: warm_up(saved, picture))
    (image,) = [
        log.predict_log.request.inputs["image"] for log in logs(saved) if log.predict_log.request.inputs["image"].dtype
    ]
    assert tf.make_ndarray(image).shape[1] == 320
    assert picture.read_bytes() not in (saved / WARM_UP).read_bytes()


def test_a_model_that_fails_its_warm_up_is_not_published(tmp_path):
    with pytest.raises(SpineError, match=r"'serving_default'.*Graph execution error.*not published"):
        publish_model(Greys(most=100), tmp_path, check=warm_up)
    assert not list((tmp_path / "model").iterdir())
