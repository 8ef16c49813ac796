"""A case of members that are a line of arithmetic: what is bright is found, graded by mean grey, outlined by level.

A picture's background is black, its region grey, its discs light: `scan` draws one.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from ensemble.case.config import CaseSettings
from spine.member.member import Card, Member, Patients
from spine.member.serving import package_versions, publish_model
from spine.training.preprocess import decode_alike, to_grey
from tests.bright_detector import write_detector
from tests.grey_model import MeanGrey
from tests.written_once import write_once

REGION, FIRST, SECOND = (0.3, 1.1, 0.9, 1), (0.6, 0.8, 0.8, 2), (0.8, 1.1, 0.7, 2)  # low, high, score, class
DETECTED = ("region", "disc")
GRADES = ("normal", "degenerated")
PIXELS = ("background", "vertebra", "disc", "canal")
LEVELS = (0.0, 0.35, 0.65, 0.95)  # the grey of each class of pixels
NOBODY = Patients(salt="s")


class NearestLevel(tf.Module):
    """Probabilities of each pixel are the higher, the nearer its grey is to the class's own."""

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = tf.Variable(sharpness)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        return self._of(decode_alike(image_bytes))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        return self._of(to_grey(image))

    def _of(self, grey):
        return {"probabilities": tf.nn.softmax(-self.sharpness * tf.abs(grey - tf.constant(LEVELS)))}


def write_member(path: Path, task: str, labels: tuple[str, ...], module: tf.Module) -> Path:
    """A member's directory around a module."""
    version = publish_model(module, path)
    card = Card(
        name=path.name,
        task=task,
        labels=labels,
        versions=package_versions(),
        config_hash="artificial",
        model_hash=Member.hash_model(version),
        patients=NOBODY,
    )
    return Member.publish(path, card).path


def write_case(root: Path, **settings: object) -> CaseSettings:
    """A case in `root` whose parts are directories; `settings` replace its own, None leaves one out."""
    write_once(root, _write_parts, "the parts of a case")
    raw = {
        "name": "lumbar",
        "runs": root / "runs",
        "detector": root / "detector",
        "grades": {"degeneration": root / "grey", "narrowing": root / "squared"},
        "segmentation": root / "levels",
    }
    return CaseSettings(**{key: value for key, value in {**raw, **settings}.items() if value is not None})


def _write_parts(root: Path) -> None:
    write_detector(root / "detector", DETECTED, REGION, FIRST, SECOND, name="detector", patients=NOBODY)
    write_member(root / "grey", "classification", GRADES, MeanGrey(1.0))
    write_member(root / "squared", "classification", GRADES, MeanGrey(2.0))
    write_member(root / "levels", "segmentation", PIXELS, NearestLevel(60.0))


def scan(height: int, width: int, region, *discs) -> np.ndarray:
    """A black picture (height, width) uint16 with a grey region and light discs, x0 y0 x1 y1."""
    picture = np.zeros((height, width), np.uint16)
    for grey, (x0, y0, x1, y1) in zip((0.35, 0.65, 0.95), (region, *discs), strict=False):
        picture[y0:y1, x0:x1] = round(grey * 65535)
    return picture
