"""A classifier that is a line of arithmetic: the probability of its second class is a power of the mean grey."""

import tensorflow as tf


class GreyModel(tf.Module):
    """probabilities = [1 - m ** e, m ** e], m the mean grey of the image."""

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = tf.Variable(exponent)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        means = tf.map_fn(
            lambda one: tf.reduce_mean(tf.cast(tf.io.decode_png(one, 1, tf.uint16), tf.float32)) / 65535.0,
            image_bytes,
            fn_output_signature=tf.float32,
        )
        return self._probabilities(means)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        return self._probabilities(tf.reduce_mean(image, axis=[1, 2, 3]))

    def _probabilities(self, means):
        positive = means**self.exponent
        return {"probabilities": tf.stack([1.0 - positive, positive], axis=1)}
