"""True boxes and detections of them, drawn at random: for tests of matching, metrics and fusion."""

from pathlib import Path

import numpy as np

from spine.dataset.detections import Detections
from spine.dataset.truth import BoxTruth


def truth_of(boxes, classes=None, sizes=None, labels=("disc",), patients=None) -> BoxTruth:
    """The truth of images with these boxes (x0 y0 x1 y1 in pixels), 100 x 100 and of class 1 unless given."""
    names = tuple(f"image{number}" for number in range(len(boxes)))
    boxes = tuple(np.array(of_one, np.float32).reshape(-1, 4) for of_one in boxes)
    classes = classes or [[1] * len(of_one) for of_one in boxes]
    return BoxTruth(
        labels=tuple(labels),
        samples=names,
        patients=tuple(patients or names),
        paths=tuple(Path(f"{name}.png") for name in names),
        sizes=tuple(sizes or [(100, 100)] * len(boxes)),
        boxes=boxes,
        classes=tuple(np.array(of_one, np.int64) for of_one in classes),
    )


def detections_of(boxes, scores, classes=None, size=(100, 100)) -> Detections:
    """Detections of boxes (x0 y0 x1 y1 in pixels) in an image of that height and width, of class 1 unless given."""
    boxes = np.array(boxes, np.float64).reshape(-1, 4)[:, [1, 0, 3, 2]] / np.array([*size, *size])
    return Detections.from_arrays(boxes, np.array(scores), np.array([1] * len(boxes) if classes is None else classes))


def random_truth(rng: np.random.Generator, images: int, labels=("disc", "vertebra"), most: int = 6) -> BoxTruth:
    """Up to `most` boxes an image, of all of COCO's sizes; about one image in four has none."""
    sizes = [tuple(rng.integers(60, 400, 2).tolist()) for _ in range(images)]
    counts = rng.integers(0, most + 1, images) * (rng.random(images) < 0.75)
    boxes = [_random_boxes(rng, count, *size) for count, size in zip(counts, sizes, strict=True)]
    classes = [rng.integers(1, len(labels) + 1, count).tolist() for count in counts]
    return truth_of(boxes, classes, sizes, labels)


def random_detections(rng: np.random.Generator, truth: BoxTruth, strays: int = 4, scores=None) -> list[Detections]:
    """Each true box once or twice, moved a little, now and then of another class, and some strays besides.

    `scores` are drawn from where given, so that many tie.
    """
    found = []
    for boxes, classes, (height, width) in zip(truth.boxes, truth.classes, truth.sizes, strict=True):
        copies = np.repeat(np.arange(len(boxes)), rng.integers(0, 3, len(boxes)))
        sides = np.tile(boxes[copies, 2:] - boxes[copies, :2], 2)
        moved = boxes[copies] + rng.normal(0, 0.06, (len(copies), 4)) * sides
        right = rng.random(len(copies)) < 0.8
        called = np.where(right, classes[copies], rng.integers(1, len(truth.labels) + 1, len(copies)))
        other = rng.integers(0, strays + 1)
        every = np.concatenate([moved, _random_boxes(rng, other, height, width)])
        every = np.clip(np.sort(every.reshape(-1, 2, 2), axis=1).reshape(-1, 4), 0, [width, height, width, height])
        called = np.concatenate([called, rng.integers(1, len(truth.labels) + 1, other)])
        drawn = rng.random(len(every)) if scores is None else rng.choice(scores, len(every))
        found.append(detections_of(every, drawn, called, (height, width)))
    return found


def _random_boxes(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    limits = np.array([width, height])
    sides = np.exp(rng.uniform(np.log(6), np.log(limits), (count, 2)))
    start = rng.uniform(0, 1, (count, 2)) * (limits - sides)
    return np.concatenate([start, start + sides], axis=1)
