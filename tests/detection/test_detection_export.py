"""A served detector: boxes in each image's own frame, to a pixel, whatever the image's size."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detection.config import Settings
from detection.export import ServedDetector, export, in_images, signature_of
from detection.model import build
from tests.clean_process import run_clean
from tests.member_contract import as_image, assert_detections, png

HEIGHT, WIDTH = 96, 128
SIZES = ((96, 128), (192, 256), (97, 131), (300, 120), (61, 200), (512, 620))


class BrightestBox(tf.Module):
    """An artificial detector: the box around what is brighter than a half, in pixels of its input; and rows of none."""

    def __init__(self):
        super().__init__()
        self.variables_ = []

    def __call__(self, images, training):
        bright = images[..., 0] > 0.5
        rows, columns = tf.reduce_any(bright, axis=2), tf.reduce_any(bright, axis=1)
        (top, bottom), (left, right) = ends(rows), ends(columns)
        box = tf.stack([top, left, bottom, right], axis=-1)
        count = tf.shape(images)[0]
        nothing = tf.zeros([count, 1])
        return {
            "detection_boxes": tf.stack([box, tf.zeros_like(box) + 7], axis=1),
            "detection_scores": tf.concat([nothing + 0.75, nothing + 0.5], axis=1),
            "detection_classes": tf.cast(tf.concat([nothing + 2, nothing + 1], axis=1), tf.int32),
            "num_detections": tf.ones([count], tf.int32),
        }


def ends(there):
    """Where a run of True begins, and where it ends, in each row."""
    first = tf.argmax(tf.cast(there, tf.int32), axis=1)
    last = tf.shape(there, tf.int64)[1] - tf.argmax(tf.cast(there[:, ::-1], tf.int32), axis=1)
    return tf.cast(first, tf.float32), tf.cast(last, tf.float32)


def picture_with_box(height, width):
    """Black with a bright box, and the box as y1 x1 y2 x2 in pixels."""
    box = (height // 4, width // 3, height // 4 + height // 2, width // 3 + width // 4)
    picture = np.zeros((height, width), np.uint16)
    picture[box[0] : box[2], box[1] : box[3]] = 65535
    return picture, np.array(box)


@pytest.fixture(scope="module")
def settings():
    return Settings(backbone="mobilenet0.25", backbone_weights="none", height=HEIGHT, width=WIDTH)


@pytest.fixture(scope="module")
def served(settings):
    detector = BrightestBox()
    return ServedDetector(detector, settings)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_box_is_answered_where_it_is_to_a_pixel(served, height, width):
    picture, expected = picture_with_box(height, width)
    answer = served.image(as_image(picture))
    found = answer["detection_boxes"][0, 0].numpy() * [height, width, height, width]
    pixel = max(1, height / HEIGHT, width / WIDTH)  # of the coarser of image and network
    np.testing.assert_allclose(found, expected, atol=pixel)
    np.testing.assert_array_equal(answer["num_detections"], [1])
    np.testing.assert_array_equal(answer["detection_classes"], [[2, 0]])
    np.testing.assert_array_equal(answer["detection_scores"], [[0.75, 0]])
    np.testing.assert_array_equal(answer["detection_boxes"][0, 1], [0, 0, 0, 0])


def test_files_of_different_sizes_share_a_request(served):
    pictures = [picture_with_box(*size)[0] for size in SIZES]
    together = served.serving_default(tf.constant([png(picture) for picture in pictures]))
    for number, picture in enumerate(pictures):
        alone = served.image(as_image(picture))
        for name, values in together.items():
            np.testing.assert_allclose(values[number], alone[name][0], atol=1e-6, err_msg=name)


def test_boxes_leave_the_letterbox_by_its_arithmetic():
    # 50 x 200 in 100 x 100: a scale of 1/2, 25 high from row 37 (of 75 black rows) on.
    outputs = {
        "detection_boxes": tf.constant([[[37.0, 0, 62, 100], [42, 10, 47, 60], [0, 0, 30, 100], [30, 90, 47, 120]]]),
        "detection_scores": tf.constant([[0.9, 0.8, 0.7, 0.6]]),
        "detection_classes": tf.constant([[1, 2, 1, 2]]),
        "num_detections": tf.constant([4]),
    }
    answer = in_images(outputs, tf.constant([[50, 200]]), 100, 100)
    expected = [
        [0, 0, 1, 1],
        [(42 - 37) / 25, 10 / 100, (47 - 37) / 25, 60 / 100],
        [0, 90 / 100, (47 - 37) / 25, 1],  # cut at the image's edges
        [0, 0, 0, 0],  # the third lay in the black above the image
    ]
    np.testing.assert_allclose(answer["detection_boxes"], [expected], atol=1e-6)
    np.testing.assert_allclose(answer["detection_scores"], [[0.9, 0.8, 0.6, 0]])
    np.testing.assert_array_equal(answer["detection_classes"], [[1, 2, 2, 0]])
    np.testing.assert_array_equal(answer["num_detections"], [3])


def test_the_card_tells_what_the_signatures_give(served, settings):
    _, outputs = signature_of(settings, 3)
    for signature in (served.image, served.serving_default):
        given = signature.get_concrete_function().structured_outputs
        assert {name: spec.dtype.name for name, spec in given.items()} == {
            name: told["dtype"] for name, told in outputs.items()
        }


SERVE = """
import sys
for name in ("keras", "tf_keras", "official"):
    sys.modules[name] = None  # an import of it fails from here on
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
files = tf.constant([open(path, "rb").read() for path in sys.argv[2:]])
print(model.signatures["serving_default"](image_bytes=files)["detection_boxes"].numpy().tolist())
"""


@pytest.mark.slow
def test_a_real_detector_serves_where_there_is_only_tensorflow(tmp_path):
    settings = Settings(
        backbone="mobilenet0.25",
        backbone_weights="none",
        height=75,
        width=101,
        detection_generator={"pre_nms_score_threshold": 0.0, "max_num_detections": 20},
    )
    model = export(build(settings, 2), settings, tmp_path)
    paths = []
    for height, width in ((61, 33), (40, 60)):
        paths.append(str(tmp_path / f"{height}.png"))
        (tmp_path / f"{height}.png").write_bytes(png(picture_with_box(height, width)[0]))
    loaded = tf.saved_model.load(str(model))
    files = tf.constant([Path(path).read_bytes() for path in paths])
    here = loaded.signatures["serving_default"](image_bytes=files)
    assert_detections({name: value.numpy() for name, value in here.items()}, 2, 2)
    assert here["detection_boxes"].shape == (2, 20, 4)
    there = np.array(json.loads(run_clean(SERVE, tmp_path, str(model), *paths)))
    np.testing.assert_allclose(there, here["detection_boxes"], atol=1e-6)
    none = loaded.signatures["image"](image=tf.zeros([0, 50, 70, 1]))
    assert {name: tuple(value.shape) for name, value in none.items()} == {
        "detection_boxes": (0, 20, 4),
        "detection_scores": (0, 20),
        "detection_classes": (0, 20),
        "num_detections": (0,),
    }
