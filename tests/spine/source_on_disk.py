"""A small source on disk and its build, for tests of the intake: pictures of 6 x 8 pixels, all in train."""

import cv2
import numpy as np

from spine.intake import DataConfig, build

HEIGHT, WIDTH = 6, 8


def write_picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH)).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return pixels


def region(rows, columns, value=1, kind=np.uint8):
    """A mask of the pictures' size, `value` in a rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), kind)
    mask[slice(*rows), slice(*columns)] = value
    return mask


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def config(root, *annotations, **settings):
    source = {"name": "s", "images": root / "images", "read": "picture", "annotations": annotations}
    given = {"name": "tiny", "output": root / "out", "splits": {"train": 1, "validation": 0, "test": 0}}
    given |= {key: settings.pop(key) for key in ("targets", "output") if key in settings}
    return DataConfig.model_validate({**given, "sources": [{**source, **settings}]})


def built(root, *annotations, **settings):
    return build(config(root, *annotations, **settings))


def errors(result):
    return [problem for problem in result.problems if problem.severity == "error"]


def warnings(result):
    """The warnings, but that patients are not known."""
    return [p for p in result.problems if p.severity == "warning" and "the patient of" not in p.reason]
