"""A classifier that is a line of arithmetic: the probability of its second class is a power of the mean grey."""

import tensorflow as tf

from spine.training.preprocess import decode, to_grey


class MeanGrey(tf.Module):
    """The probability of the second class is the picture's mean grey, to the power of `exponent`."""

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = tf.Variable(exponent)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        spec = tf.TensorSpec([2], tf.float32)
        one = lambda file: self._of(decode(file)[tf.newaxis])[0]  # noqa: E731
        return {"probabilities": tf.map_fn(one, image_bytes, fn_output_signature=spec)}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        return {"probabilities": self._of(to_grey(image))}

    def _of(self, grey):
        mean = tf.reduce_mean(grey, axis=[1, 2, 3]) ** self.exponent
        return tf.stack([1 - mean, mean], axis=1)
