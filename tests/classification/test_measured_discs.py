"""Measurements in tensors: hand-drawn spines whose values are arithmetic, phantoms held against spine.measurements."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from classification.measured.measure import MEASUREMENTS, measure_discs
from classification.measured.picture import Classes
from classification.measured.pieces import pieces_of
from spine.measurements import measure
from spine.phantom.canvas import Plane
from spine.phantom.lumbar.paint import BODY, CANAL, DISC, paint_sagittal
from spine.phantom.lumbar.patient import draw_patient
from spine.phantom.sequences import SEQUENCES

LABELS = ("background", "vertebra", "disc", "canal")
CLASSES = Classes(1, 2, 3)
SIGNALS = np.array([0, 0.5, 0.25, 1.0], np.float32)
# Of the same quantity, median and largest difference from spine.measurements: its walls leave out osteophytes by
# shapes, and its canal is searched half-way to the next discs.
TOLERANCES = {
    "anterior_height": (0.01, 0.03),
    "middle_height": (0.01, 0.03),
    "posterior_height": (0.01, 0.03),
    "height_index": (0.02, 0.25),
    "signal_to_canal": (1e-4, 1e-3),
    "signal_to_vertebrae": (1e-3, 0.01),
    "canal_width": (0.03, 0.25),
    "level": (0, 0),
}

SIGNATURE = [
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None, 4], tf.float32),
]


@partial(tf.function, input_signature=SIGNATURE, autograph=False)
def compiled(grey, mask, boxes):
    return measure_discs(grey, mask, boxes, CLASSES)


def spine(reach: int = 0) -> np.ndarray:
    """Discs 8 (lower) and 6 high and 30 wide, the lower reaching back, between vertebrae 20 high; a canal 10 wide."""
    mask = np.zeros((110, 90), np.uint8)
    row = 18
    for height, value in ((20, 1), (6, 2), (20, 1), (8, 2), (20, 1)):
        mask[row : row + height, 20:50] = value
        row += height
    mask[64:72, 50 : 50 + reach] = 2
    mask[:, 55:65] = 3
    return mask


def boxes_of(mask: np.ndarray) -> np.ndarray:
    """The box of each disc, lowest first, in [0, 1]."""
    slices = ndimage.find_objects(ndimage.label(mask == 2)[0])
    boxes = np.array([[y.start, x.start, y.stop, x.stop] for y, x in slices], np.float32)
    return boxes[np.argsort(-boxes[:, 0])] / np.array([*mask.shape, *mask.shape], np.float32)


def measured(
    mask: np.ndarray, boxes: np.ndarray | None = None, grey: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Name -> values (K,)."""
    grey = SIGNALS[mask] if grey is None else grey
    boxes = boxes_of(mask) if boxes is None else boxes
    found = compiled(tf.constant(grey), tf.constant(mask, tf.int32), tf.constant(boxes, tf.float32))
    return dict(zip(MEASUREMENTS, found.numpy().T, strict=True))


def test_rectangles_are_measured_as_they_are_drawn():
    found = measured(spine())
    expected = {
        "middle_height": (8 / 30, 6 / 30),
        "height_index": (8 / 20, 6 / 20),
        "height_index_below": (8 / 20, 6 / 20),
        "wedge": (1, 1),
        "area": (8 / 30, 6 / 30),
        "relative_area": (8 / 7, 6 / 7),
        "width_to_vertebrae": (1, 1),
        "signal_to_canal": (0.25, 0.25),
        "signal_to_vertebrae": (0.5, 0.5),
        "signal_to_beside": (0.5, 0.5),
        "signal_to_discs": (1, 1),
        "protrusion": (0, 0),
        "canal_width": (10 / 30, 10 / 30),
        "canal_narrowing": (1, 1),
        "canal_relative": (1, 1),
        "canal_gap": (5 / 30, 5 / 30),
        "step": (0, 0),
        "tilt": (0, 0),
        "level": (1, 2),
        "place": (68 / 110, 41 / 110),
    }
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, abs=0.03), name


def test_what_reaches_behind_the_corners_is_told():
    plain, found = measured(spine()), measured(spine(reach=4))
    assert found["protrusion"] == pytest.approx([4 / 34, 0], abs=0.02)
    assert found["bulge"] == pytest.approx([4 / 34, 0], abs=0.02)
    assert found["canal_gap"] == pytest.approx([1 / 34, 5 / 30], abs=0.02)
    # The height is taken between the walls of the vertebrae, and what bulges is no part of it.
    assert 34 * found["posterior_height"][0] == pytest.approx(30 * plain["posterior_height"][0], abs=0.4)


def test_a_mirrored_picture_measures_the_same_and_a_canal_that_lacks_leaves_gaps():
    mask = spine(reach=3)
    one, other = measured(mask), measured(mask[:, ::-1])
    for name, values in one.items():
        np.testing.assert_allclose(other[name], values, atol=0.02, err_msg=name)
    without = measured(np.where(mask == 3, 0, mask).astype(np.uint8))
    lacking = {name for name, values in without.items() if np.isnan(values).any()}
    assert lacking == {name for name in MEASUREMENTS if "canal" in name}


def test_spinous_processes_behind_the_canal_are_no_vertebrae():
    mask = spine()
    found = measured(mask)
    mask[20:80, 70:85] = 1
    grey = SIGNALS[mask]
    grey[20:80, 70:85] = 0.1
    for name, values in measured(mask, grey=grey).items():
        np.testing.assert_allclose(values, found[name], atol=1e-5, err_msg=name)


def test_a_box_without_a_disc_has_a_place_and_no_more():
    box = np.array([[0.0, 0.0, 0.1, 0.1]], np.float32)
    for mask in (spine(), np.zeros((40, 30), np.uint8), np.full((40, 30), 3, np.uint8)):
        found = measured(mask, box)
        assert found.pop("place") == pytest.approx([0.05])
        assert all(np.isnan(value).all() for value in found.values())


def test_masks_that_are_no_spine_give_numbers_or_gaps():
    random = np.random.default_rng(0)
    for mask in (random.integers(0, 4, (50, 40)), np.full((50, 40), 2), np.pad([[2]], 20), np.full((1, 1), 2)):
        found = measured(mask.astype(np.uint8), np.array([[0, 0, 1, 1], [0.4, 0.4, 0.5, 0.6]], np.float32))
        assert not any(np.isinf(values).any() for values in found.values())


def test_no_other_box_changes_what_is_measured():
    mask = spine(reach=2)
    boxes = boxes_of(mask)
    both, first = measured(mask, boxes), measured(mask, boxes[:1])
    for name, values in both.items():
        np.testing.assert_allclose(values[:1], first[name], atol=1e-6, err_msg=name)


def test_pieces_are_those_of_scipy():
    random = np.random.default_rng(1)
    for share in (0.0, 0.3, 0.6, 0.9):
        selected = random.random((30, 40)) < share
        numbers, count = ndimage.label(selected)
        found = pieces_of(tf.constant(selected))
        areas = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
        assert sorted(found.areas.numpy()) == sorted(areas)
        ours = np.zeros_like(numbers)
        ours[tuple(found.places.numpy().T)] = 1 + found.piece.numpy()
        assert len(np.unique(np.stack([ours, numbers])[:, selected], axis=1).T) == count


def phantom(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and mask of a phantom patient at the midline."""
    patient = dataclasses.replace(draw_patient("p", np.random.default_rng([5, number]), 1.0), scoliosis=0.0)
    height = 265 * patient.scale
    plane = Plane((256, 216), height / 256, (0.56 * 216 * height / 256, 0.81 * 265))
    signal, instances = paint_sagittal(patient, plane, 0.0, SEQUENCES["t2"])
    mask = np.zeros_like(instances)
    mask[instances == CANAL], mask[(instances >= BODY) & (instances < DISC)], mask[instances >= DISC] = 3, 1, 2
    return (signal / signal.max()).astype(np.float32), mask


def test_measurements_agree_with_those_that_are_told_to_people():
    differences: dict[str, list[float]] = {name: [] for name in TOLERANCES}
    for number in range(3):
        grey, mask = phantom(number)
        boxes = boxes_of(mask)
        found = measured(mask, boxes, grey)
        told = measure(mask, LABELS, signal=grey)
        canals = {canal.level: canal.least_width for canal in told.canal}
        for disc in told.discs:
            if disc.status != "measured":
                continue
            away = np.hypot(*(boxes.reshape(-1, 2, 2).mean(axis=1) * mask.shape - disc.centre).T)
            heights = {f"{name}_height": height for name, height in dataclasses.asdict(disc.heights).items()}
            true = {name: height / disc.width for name, height in heights.items()}
            true |= {
                name: getattr(disc, name)
                for name in ("height_index", "signal_to_canal", "signal_to_vertebrae", "level")
            }
            true["canal_width"] = canals[disc.level] and canals[disc.level] / disc.width
            for name, value in true.items():
                if value is not None and not np.isnan(one := found[name][away.argmin()]):
                    differences[name].append(abs(one - value))
    for name, (median, largest) in TOLERANCES.items():
        assert len(differences[name]) >= 15, name
        assert np.median(differences[name]) <= median, name
        assert max(differences[name]) <= largest, name
