"""Patches and whole pictures at their own resolution, of pictures that differ in size."""

import cv2
import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.dataset.truth import MaskTruth
from spine.training.augment import Augmentation
from spine.training.own_size import OwnSizeCache, Window, patch_data, whole_data

SIZES = ((48, 40), (20, 70))
LABELS = ("background", "large", "small")


@pytest.fixture(scope="module")
def truth(tmp_path_factory) -> MaskTruth:
    """Two pictures whose every pixel has a grey level of its own, so that it tells where it lies."""
    folder = tmp_path_factory.mktemp("own")
    paths, masks = [], []
    for number, (height, width) in enumerate(SIZES):
        picture = np.arange(height * width, dtype=np.uint16).reshape(height, width)
        mask = np.zeros((height, width), np.uint8)
        mask[2:18, 4:30] = 1
        mask[-3:-1, -3:-1] = 2
        paths.append(folder / f"{number}.png")
        masks.append(folder / f"{number}-mask.png")
        assert cv2.imwrite(str(paths[-1]), picture)
        assert cv2.imwrite(str(masks[-1]), mask)
    order = (0, 1, 0)
    return MaskTruth(
        labels=LABELS,
        samples=tuple(f"s{place}" for place in range(3)),
        patients=("a", "b", "a"),
        paths=tuple(paths[number] for number in order),
        sizes=tuple(SIZES[number] for number in order),
        mask_paths=tuple(masks[number] for number in order),
        mask_hashes=("", "", ""),
        spacings=(None,) * 3,
    )


@pytest.fixture(scope="module")
def cache(truth) -> OwnSizeCache:
    return OwnSizeCache.of(truth, "minmax")


def places_of(patch: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Row-major numbers of the pixels of a picture that `truth` made, from their grey levels in [0, 1]."""
    return np.round(patch * (size[0] * size[1] - 1)).astype(int)


def test_a_window_shows_what_it_covers_and_zeros_outside():
    picture = np.arange(1, 13).reshape(3, 4)
    np.testing.assert_array_equal(Window(1, 2, 2, 2).of(picture), [[7, 8], [11, 12]])
    np.testing.assert_array_equal(Window(-1, 3, 3, 3).of(picture), [[0, 0, 0], [4, 0, 0], [8, 0, 0]])
    np.testing.assert_array_equal(Window(5, 0, 1, 2).of(picture), [[0, 0]])
    np.testing.assert_array_equal(Window(-4, 0, 2, 2).of(picture), [[0, 0], [0, 0]])
    assert Window.centred((3, 4), 6, 4) == Window(-1, 0, 6, 4)
    assert Window(1, 2, 3, 4).grown(2, 1) == Window(-1, 1, 7, 6)


def test_pictures_are_kept_at_their_own_size_and_each_file_once(cache, truth):
    assert cache.pictures.size == sum(height * width for height, width in SIZES)
    for sample in range(3):
        size = truth.sizes[sample]
        picture, mask = cache.show(sample, Window(0, 0, *size))
        np.testing.assert_array_equal(places_of(picture / 65535, size).ravel(), np.arange(size[0] * size[1]))
        np.testing.assert_array_equal(mask - 1, truth.mask(sample))


def test_patches_lie_inside_and_half_of_those_on_a_class_are_on_the_small_one(cache, truth):
    random = np.random.default_rng(0)
    anywhere = [cache.draw(0, 16, 16, 0.0, random) for _ in range(300)]
    assert {window.top for window in anywhere} == set(range(48 - 16 + 1))
    assert {window.left for window in anywhere} == set(range(40 - 16 + 1))
    around = [cache.draw(0, 16, 16, 1.0, random) for _ in range(300)]
    assert all(0 <= window.top <= 32 and 0 <= window.left <= 24 for window in around)
    shown = [set(np.unique(window.of(truth.mask(0)))) for window in around]
    assert all(classes & {1, 2} for classes in shown)
    assert sum(2 in classes for classes in shown) / 300 == pytest.approx(0.5, abs=0.1)


def test_a_picture_that_is_smaller_lies_in_the_middle(cache):
    window = cache.draw(1, 32, 32, 1.0, np.random.default_rng(0))
    assert window.top == -6
    assert 0 <= window.left <= 70 - 32


def test_batches_are_patches_and_their_masks(truth):
    data = patch_data(truth, height=16, width=24, normalisation="minmax", batch=2, foreground=0.5, seed=3)
    batches = [[part.numpy() for part in batch] for batch in data.take(4)]
    assert [len(images) for images, _ in batches] == [2, 1, 2, 1]  # three samples an epoch
    for images, masks in batches:
        assert images.shape[1:] == (16, 24, 1)
        assert masks.shape[1:] == (16, 24, 3)
        assert (masks.sum(axis=-1) == 1).all()
        for image, mask in zip(images[..., 0], masks, strict=True):
            found = []
            for sample in (0, 1):
                places = places_of(image, SIZES[sample])
                rows, columns = np.divmod(places, SIZES[sample][1])
                window = Window(rows[0, 0], columns[0, 0], 16, 24)
                whole = np.arange(SIZES[sample][0] * SIZES[sample][1]).reshape(SIZES[sample])
                if np.array_equal(window.of(whole), places):
                    found.append(np.array_equal(window.of(truth.mask(sample)), mask.argmax(axis=-1)))
            assert any(found)


def test_an_epoch_is_drawn_alike_after_a_resume_and_anew_in_the_next(truth):
    settings = {"height": 16, "width": 16, "normalisation": "minmax", "batch": 3, "foreground": 0.5, "seed": 3}
    settings["augmentation"] = Augmentation(rotation=10, elastic=0.02)
    first, second, third = (batch[0].numpy() for batch in patch_data(truth, **settings).take(3))
    resumed = next(iter(patch_data(truth, first_epoch=1, **settings)))[0].numpy()
    np.testing.assert_array_equal(resumed, second)
    assert not np.array_equal(second, first)
    assert not np.array_equal(second, third)


def test_what_a_shift_brings_in_is_the_picture_s_own(truth):
    """A shift of a tenth of a patch is another patch of the same picture, not an edge that is drawn out."""
    settings = {"height": 16, "width": 16, "normalisation": "minmax", "batch": 1, "foreground": 0.0}
    moving = Augmentation(vertical_shift=(0.1, 0.1))
    for images, masks in patch_data(truth, augmentation=moving, **settings).take(12):
        if (masks.numpy().sum(axis=-1) == 1).all():
            steps = np.diff(images.numpy()[0, 1:-1, 1:-1, 0], axis=0)
            assert steps.min() > 0  # grey levels rise from row to row of both pictures
            return
    pytest.fail("no patch lies within its picture")


def test_whole_pictures_come_once_in_the_size_of_the_largest_of_their_batch(truth):
    data = list(whole_data(truth, multiple=32, least=32, normalisation="minmax", batch=2))
    shapes = [tuple(images.shape) for images, _ in data]
    assert shapes == [(2, 64, 96, 1), (1, 64, 64, 1)]
    images, masks = (part.numpy() for part in data[0])
    for row, (height, width) in enumerate(SIZES):
        top, left = (64 - height) // 2, (96 - width) // 2
        known = np.zeros((64, 96))
        known[top : top + height, left : left + width] = 1
        np.testing.assert_array_equal(masks[row].sum(axis=-1), known)
        inner = masks[row, top : top + height, left : left + width].argmax(axis=-1)
        np.testing.assert_array_equal(inner, truth.mask(row))
        assert not images[row][known == 0].any()


def test_a_picture_of_another_size_than_the_dataset_tells_is_refused(truth, tmp_path):
    other = tmp_path / "other.png"
    assert cv2.imwrite(str(other), np.zeros((9, 9), np.uint16))
    with pytest.raises(SpineError, match=r"is \(9, 9\), and \(48, 40\) to the dataset"):
        OwnSizeCache.of(
            MaskTruth(**{**vars(truth), "paths": (other, *truth.paths[1:])}),
            "minmax",
        )
