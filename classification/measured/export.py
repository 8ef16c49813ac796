"""A member that measures as a SavedModel: the segmenter's graph, the measurements and the fitted model in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from classification.measured import frame, measure, picture, pieces
from classification.measured.fitted import Fitted
from classification.measured.measure import MEASUREMENTS, measure_discs
from classification.measured.picture import Classes
from spine.core.files import fingerprint, hash_file
from spine.core.tracing import without_autograph
from spine.measurements.roles import roles_of
from spine.member.measuring import measured_signature
from spine.member.member import Member
from spine.member.run_model import load_model
from spine.member.serving import for_any_number, needed_by
from spine.training.preprocess import decode, to_grey
from spine.training.see_boxes import BOXES, WHOLE_PICTURE, require_boxes, whole
from spine.training.served import FILES, IMAGES, signature

__all__ = ["Measuring", "ServedMeasuring", "classes_of", "signature_of"]

Tensor = Any

SOURCES = [Path(str(module.__file__)) for module in (frame, measure, picture, pieces)]  # the code that measures
GREY = tf.TensorSpec([None, None, 1], tf.float32)


def classes_of(labels: tuple[str, ...]) -> Classes:
    """Which of a segmenter's classes are measured, by their names."""
    roles = {role: labels.index(label) for role, label in roles_of(labels).items()}
    return Classes(roles.get("vertebra"), roles["disc"], roles.get("canal"))


class Measuring(tf.Module):
    """From pictures and boxes to measurements, by the masks of a segmenter: functions of the saved graph.

    `of_files(image_bytes: string [N], boxes: float32 [N, 4])` measures boxes, each in the file of its row, and
    `of_images(image: float32 [N, H, W, 1 or 3] in [0, 1])` whole images, each the box of its disc; both (N, F) float32.
    """

    def __init__(self, segmenter: Member) -> None:
        super().__init__(name="measuring")
        loaded = load_model(segmenter)
        self.fingerprint = fingerprint([segmenter.card.model_hash, *map(hash_file, SOURCES)])
        image, classes = loaded.signatures["image"], classes_of(segmenter.card.labels)
        self.segmenter = needed_by([image], loaded)

        def of_picture(grey: Tensor, boxes: Tensor) -> Tensor:
            mask = tf.argmax(image(image=grey[tf.newaxis])["probabilities"][0], axis=-1, output_type=tf.int32)
            return measure_discs(grey[..., 0], mask, boxes, classes)

        # Measurements (K, F) of the discs in boxes (K, 4) of one picture; traced once for all that ask.
        self._of_picture = tf.function(without_autograph(of_picture), input_signature=[GREY, BOXES])
        self.of_files = tf.function(without_autograph(self._of_files), input_signature=[FILES, BOXES])
        self.of_images = tf.function(without_autograph(self._of_images), input_signature=[IMAGES])

    def _of_files(self, files: Tensor, boxes: Tensor) -> Tensor:
        # A file that occurs several times, with a box for each disc, is segmented once.
        distinct, which = tf.unique(files)

        def measure_file(number: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
            rows = tf.where(which == number)
            found = self._of_picture(decode(distinct[number]), tf.gather(boxes, rows[:, 0]))
            return number + 1, tf.tensor_scatter_nd_update(measured, rows, found)

        count = tf.shape(distinct)[0]
        start = tf.constant(0), tf.zeros([tf.shape(files)[0], len(MEASUREMENTS)])
        return tf.while_loop(lambda number, _: number < count, measure_file, start)[1]

    def _of_images(self, images: Tensor) -> Tensor:
        spec = tf.TensorSpec([len(MEASUREMENTS)], tf.float32)
        return tf.map_fn(
            lambda grey: self._of_picture(grey, tf.constant([WHOLE_PICTURE]))[0],
            to_grey(images),
            fn_output_signature=spec,
        )


class ServedMeasuring(tf.Module):
    """A classifier whose signatures give `probabilities` (N, C) float32.

    `regions(image_bytes: string [N], boxes: float32 [N, 4])`, y0 x0 y1 x1 in [0, 1] of the file of the same row;
    `serving_default(image_bytes: string [N])` and `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` of pictures that
    show one disc and its surroundings. Its two steps are there one by one too, as `spine.member.measuring` has them.
    """

    def __init__(self, measuring: Measuring, fitted: Fitted) -> None:
        super().__init__(name="classifier")
        name = measuring.fingerprint
        self.measuring = {name: measuring}

        def answer(measured: Tensor) -> dict[str, Tensor]:
            rows = tf.ensure_shape(measured, [None, len(MEASUREMENTS)])
            return {"probabilities": tf.cast(fitted.probabilities(rows), tf.float32)}

        def of_regions(files: Tensor, boxes: Tensor) -> dict[str, Tensor]:
            return answer(measuring.of_files(files, require_boxes(boxes)))

        def of_files(files: Tensor) -> dict[str, Tensor]:
            return answer(measuring.of_files(files, whole(files)))

        def of_images(images: Tensor) -> dict[str, Tensor]:
            return answer(measuring.of_images(images))

        self.decide = tf.function(lambda measured: answer(measured[name]), input_signature=[measured_signature([name])])
        self.serving_default = tf.function(for_any_number(of_files), input_signature=[FILES])
        self.image = tf.function(for_any_number(of_images), input_signature=[IMAGES])
        self.regions = tf.function(for_any_number(of_regions), input_signature=[FILES, BOXES])


def signature_of(classes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `member.json` says of the inputs and outputs."""
    return signature(None, {"probabilities": [None, classes]}, sees_boxes=True)
