from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from spine.core.problems import SpineError
from spine.dataset.truth import ClassTruth
from spine.training.augment import PRESETS, Augmentation
from spine.training.augment.spatial import SpatialParameters, affine, apply_spatial
from spine.training.image_cache import ImageCache
from spine.training.inputs import (
    augment,
    bootstrap,
    classification_data,
    ordered_batches,
    steps_per_epoch,
    training_batches,
)
from spine.training.network_input import NetworkInput, prepare_each
from spine.training.preprocess import decode

LABELS = ("normal", "injured")
SHAPE = {"height": 16, "width": 24, "normalisation": "minmax", "batch": 4}
PATIENTS = tuple("aabbccddee")


@pytest.fixture
def truth(tmp_path):
    """Ten 16-bit pictures of five patients, each with grey levels of its own; every other one is injured."""
    rng = np.random.default_rng(0)
    paths = tuple(tmp_path / f"{number}.png" for number in range(10))
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 4096, (20, 30)).astype(np.uint16))
    names = tuple(path.stem for path in paths)
    return ClassTruth(LABELS, names, PATIENTS, names, np.arange(10) % 2, paths, ((20, 30),) * 10)


def images_of(data, batches):
    return [images.numpy() for images, _ in data.take(batches)]


def test_evaluation_gives_every_picture_once_in_order_as_the_saved_model_reads_it(truth):
    data = classification_data(truth, **SHAPE, training=False)
    images, labels = (np.concatenate(parts) for parts in zip(*data.as_numpy_iterator(), strict=True))
    files = tf.constant([path.read_bytes() for path in truth.paths])
    (expected,), _ = prepare_each(decode, files, [NetworkInput(16, 24, "minmax")])
    np.testing.assert_allclose(images, expected, atol=0.5 / 65535 + 1e-7)
    np.testing.assert_array_equal(labels, np.eye(2)[truth.values])


def test_pictures_on_disk_equal_those_in_memory(truth):
    in_memory = ImageCache.of(truth.paths, 16, 24, "minmax")
    on_disk = ImageCache.of(truth.paths, 16, 24, "minmax", memory_limit=0)
    assert isinstance(on_disk.values, np.memmap)
    assert not isinstance(in_memory.values, np.memmap)
    np.testing.assert_array_equal(on_disk.values, in_memory.values)


def test_repeated_picture_is_stored_once(truth):
    cached = ImageCache.of([truth.paths[i] for i in (3, 1, 3, 3)], 16, 24, "minmax")
    assert len(cached.values) == 2
    images = cached.batch(tf.constant([0, 1, 2])).numpy()
    np.testing.assert_array_equal(images[0], images[2])
    assert np.any(images[0] != images[1])


def test_unreadable_picture_is_named(truth):
    truth.paths[6].write_bytes(b"")
    with pytest.raises(SpineError, match=r"6\.png cannot be read"):
        classification_data(truth, **SHAPE, training=False)


def test_epoch_holds_every_sample_once_in_an_order_of_its_own():
    steps = steps_per_epoch(10, 4)
    drawn = [samples.tolist() for samples, _ in training_batches(10, 4, seed=0).take(2 * steps).as_numpy_iterator()]
    first, second = ([sample for batch in epoch for sample in batch] for epoch in (drawn[:steps], drawn[steps:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert [len(samples) for samples in drawn] == [4, 4, 2, 4, 4, 2]


def test_every_batch_has_a_seed_of_its_own():
    seeds = [tuple(seed) for _, seed in training_batches(10, 4, seed=0).take(30).as_numpy_iterator()]
    assert len(set(seeds)) == len(seeds)


def test_ordered_batches_end():
    batches = [batch.tolist() for batch in ordered_batches(5, 2).as_numpy_iterator()]
    assert batches == [[0, 1], [2, 3], [4]]


def test_resumed_training_sees_what_it_would_have_seen(truth):
    settings = {**SHAPE, "augmentation": PRESETS["sayed2025"], "training": True}
    whole = images_of(classification_data(truth, **settings, seed=5), 9)
    resumed = images_of(classification_data(truth, **settings, seed=5, first_epoch=2), 3)
    for expected, received in zip(whole[6:], resumed, strict=True):
        np.testing.assert_array_equal(received, expected)
    other = images_of(classification_data(truth, **settings, seed=6), 1)
    assert np.any(other[0] != whole[0])


def test_labels_stay_with_their_pictures(truth):
    plain = ImageCache.of(truth.paths, 16, 24, "minmax").values / 65535
    data = classification_data(truth, **SHAPE, training=True)
    for images, labels in data.take(3).as_numpy_iterator():
        distances = np.abs(images[:, None] - plain[None]).max(axis=(2, 3, 4))
        np.testing.assert_array_equal(labels.argmax(1), truth.values[distances.argmin(1)])


def test_only_training_data_is_augmented(truth):
    with pytest.raises(SpineError, match="only training data is augmented"):
        classification_data(truth, **SHAPE, augmentation=PRESETS["ma2020"], training=False)


def test_augment_with_nothing_to_do_changes_nothing():
    images = np.random.default_rng(1).random((3, 8, 9, 1)).astype(np.float32)
    np.testing.assert_array_equal(augment(images, Augmentation(), [0, 0]), images)


def test_augment_moves_and_then_changes_grey_levels():
    images = np.random.default_rng(1).random((3, 8, 9, 1)).astype(np.float32)
    turn = Augmentation.model_validate({"rotation": [90, 90], "brightness": [-0.5, -0.5], "fill": "constant"})
    still = {"scale": 1.0, "shift_y": 0.0, "shift_x": 0.0, "flip_y": 1.0, "flip_x": 1.0}
    parameters = {name: tf.fill([3], value) for name, value in {**still, "rotation": 90.0}.items()}
    expected = 0.5 * apply_spatial(images, affine(SpatialParameters(**parameters), 8, 9), "constant")
    np.testing.assert_allclose(augment(images, turn, [0, 0]), expected, atol=1e-6)


def test_keras_fit_resumes_at_an_epoch(truth):
    import keras

    seen = []

    class Record(keras.layers.Layer):
        def call(self, images):
            tf.py_function(lambda batch: seen.append(float(tf.reduce_sum(batch))), [images], [])
            return images

    model = keras.Sequential([Record(), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    model.compile(loss="categorical_crossentropy")
    settings = {**SHAPE, "augmentation": PRESETS["ma2020"], "training": True}
    steps = steps_per_epoch(len(truth.samples), SHAPE["batch"])
    data = classification_data(truth, **settings, first_epoch=1)
    model.fit(data, steps_per_epoch=steps, initial_epoch=1, epochs=3, shuffle=False, verbose=0)
    whole = images_of(classification_data(truth, **settings), 3 * steps)
    assert seen == pytest.approx([float(images.sum()) for images in whole[steps:]], rel=1e-5)


def test_bootstrap_by_sample_keeps_the_number_and_the_pairing(truth):
    drawn = bootstrap(truth, seed=0)
    assert len(drawn.samples) == 10
    assert len(set(drawn.samples)) < 10
    for sample, path, value in zip(drawn.samples, drawn.paths, drawn.values, strict=True):
        assert path == truth.paths[int(sample)]
        assert value == truth.values[int(sample)]
    assert drawn.samples == bootstrap(truth, seed=0).samples != bootstrap(truth, seed=1).samples


def test_bootstrap_by_patient_takes_all_of_a_patient(truth):
    drawn = bootstrap(truth, seed=0, by="patient")
    counts = {patient: drawn.patients.count(patient) for patient in set(drawn.patients)}
    assert sum(counts.values()) == 10
    for patient, count in counts.items():
        own = [sample for sample, of in zip(truth.samples, PATIENTS, strict=True) if of == patient]
        assert sorted(s for s, of in zip(drawn.samples, drawn.patients, strict=True) if of == patient) == sorted(
            own * (count // len(own))
        )


def test_bootstrap_draws_again_rather_than_lose_a_label(truth):
    rare = replace(truth, values=np.eye(10, dtype=int)[0])  # one of ten is injured: a third of plain draws lose it
    assert all(set(bootstrap(rare, seed).values) == {0, 1} for seed in range(30))


def test_bootstrap_refuses_where_a_label_is_always_lost(truth):
    every_one_its_own = replace(truth, labels=tuple("0123456789"), values=np.arange(10))
    with pytest.raises(SpineError, match="too rare to bootstrap 10 samples"):
        bootstrap(every_one_its_own, seed=0)


def test_real_scans_are_prepared_within_0_and_1(spine_data):
    paths = sorted((spine_data / "spider-lumbar" / "midsagittal" / "images").glob("*.png"))[:3]
    values = ImageCache.of(paths, 64, 64, "minmax").values
    assert values.shape == (3, 64, 64, 1)
    assert (values.reshape(3, -1).max(axis=1) > 0.5 * 65535).all()
